"""``--help`` of every command has examples, and each is a command line that LRBench takes."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lrbench.cli.main import commands as listed
from lrbench.cli.main import lrbench
from lrbench.nets import builtin_nets
from lrbench.policies import parse_policy

REPOSITORY = Path(__file__).resolve().parents[2]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group with the words that call it."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = dict(commands(lrbench))


def examples(command: click.Command) -> list[list[str]]:
    """The words of each example in its help, without what the shell does with it, and what is said of it."""
    shown = [line.strip() for line in command.get_help(click.Context(command)).splitlines()]
    lines = [line.strip() for line in (command.help or "").splitlines() if line.strip().startswith("lrbench ")]
    assert set(lines) <= set(shown), "an example is joined with other lines: put \\b before it"
    return [shlex.split(re.split(r" {3,}|\s[|>]\s", line)[0])[1:] for line in lines]


def parsed(words: list[str]) -> click.Context:
    """The context of the command that the words call.

    Raises:
        click.UsageError: a word does not fit.
    """
    context, rest = click.Context(lrbench, info_name="lrbench"), words
    command: click.Command = lrbench
    while isinstance(command, click.Group) and (rest or not command.invoke_without_command):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    return command.make_context(context.info_name, list(rest), parent=context.parent)


@pytest.mark.parametrize("path", list(EVERY), ids=lambda path: " ".join(("lrbench", *path)))
def test_every_command_has_an_example_that_it_takes(path):
    found = examples(EVERY[path])
    assert found, "no line of its help begins with lrbench"
    assert any(words[: len(path)] == list(path) for words in found)
    for words in found:
        parsed(words)
        for word in words:
            if word.startswith(("configs/", "prototxt/")):
                assert (REPOSITORY / word).is_file(), word


def test_policies_and_nets_in_examples_exist():
    """What stands behind these options and arguments, which click itself takes as any text."""
    texts = [
        value
        for command in EVERY.values()
        for words in examples(command)
        for value in words
        if re.match(r"[A-Z][A-Z0-9_]+\(", value)
    ]
    assert texts
    for text in texts:
        parse_policy(text)
    nets = [
        net
        for command in EVERY.values()
        for words in examples(command)
        if (net := parsed(words).params.get("net")) is not None
    ]
    assert all(net in builtin_nets() or (REPOSITORY / net).is_file() for net in nets)


def test_a_wrong_example_would_be_found():
    for words in (
        ["run"],
        ["run", "x.yaml", "--job", "2"],
        ["report", "x", "--format", "yaml"],
        ["nonsense"],
        ["run", "x.yaml", "--shard", "3/2"],
    ):
        with pytest.raises(click.UsageError):
            parsed(words)


def test_the_list_of_commands_is_whole_and_each_says_what_it_does():
    folder = REPOSITORY / "lrbench/cli"
    modules = {path.stem: importlib.import_module(f"lrbench.cli.{path.stem}") for path in folder.glob("[!_]*")}
    have = {name.strip("_") for name, found in modules.items() if isinstance(getattr(found, name, None), click.Command)}
    assert listed().keys() == have
    assert all(text[0].isupper() and text.endswith(".") for text in listed().values())
    for path, command in EVERY.items():
        assert command.help, path
        for parameter in command.params:
            if (
                isinstance(parameter, click.Option)
                and parameter.name != "help"
                and not isinstance(parameter.type, click.Choice)
            ):
                assert parameter.help, f"{path}: {parameter.opts}"
