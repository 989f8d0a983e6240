"""The command lines that the documentation shows are those of the program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from lrbench.cli.main import lrbench

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^ *(?:\$ )?(?:\.venv/bin/)?lrbench (?=[a-z])((?:.*\\\n)*.*)$", re.MULTILINE)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line that a page shows, with the page."""
    for page in PAGES:
        text = re.sub(r"(?s)^```text.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for line in COMMAND.findall(text):
            yield page.name, shlex.split(re.sub(r"(?<= )#.*|\\\n|[|>].*", "", line), posix=True)


def unknown(words: list[str]) -> list[str]:
    """The words of a command line that the program does not know as command or option."""
    command: click.Command = lrbench
    context = click.Context(command, info_name="lrbench")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            return words[:1]
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = (word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word))
    return [option for option in options if option not in known | {"--help", "-h"}]


def _own(words):
    """The words before ``--``: what follows are options of another program."""
    return words[: words.index("--")] if "--" in words else words


def test_commands_are_known_with_their_options():
    shown = list(commands())
    assert len(shown) > 40
    assert not [(page, words, wrong) for page, words in shown if (wrong := unknown(_own(words)))]


def test_a_command_of_no_program_would_be_noticed():
    assert unknown(["fly", "spec.yaml"]) == ["fly"]
    assert unknown(["run", "spec.yaml", "--jbos=2"]) == ["--jbos"]
    assert unknown(["db", "list", "--target", "0.9"]) == []
