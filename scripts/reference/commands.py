"""docs/reference/commands.md: what every command says with ``--help``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from lrbench.cli.main import lrbench
from reference import NOTE

WIDTH = 100

INTRODUCTION = f"""\
# Commands

{NOTE.format("lrbench/cli")}

What each command says with `--help`. Data go to standard output, progress and messages to standard error. The exit
codes are in [settings](settings.md#exit-codes).
"""


def page() -> str:
    """The whole page."""
    sections = [_section(context) for context in contexts(_context(lrbench, "lrbench", None))]
    return "\n".join([INTRODUCTION, *sections])


def contexts(context: click.Context) -> Iterator[click.Context]:
    """The context of a command, and those of all commands below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from contexts(_context(command, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, parent, name, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"]
    )


def _section(context: click.Context) -> str:
    level = "#" * max(2, 1 + context.command_path.count(" "))
    return f"{level} {context.command_path}\n\n```text\n{context.get_help()}\n```\n"
