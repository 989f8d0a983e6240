"""Where a command's data goes: standard output, or the file that ``-o`` names."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lrbench.urls import hide_secrets

if TYPE_CHECKING:
    from lrbench.report.document import Document

Command = TypeVar("Command", bound=Callable[..., Any])


class FormatChoice(click.Choice[str]):
    """The formats of documents; ``table``, as some commands called ``text`` in earlier versions, is understood."""

    def __init__(self) -> None:
        from lrbench.report.render import formats

        super().__init__(formats())

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from lrbench.report.render import FOR_TERMINALS

        return super().convert(FOR_TERMINALS if value == "table" else value, param, ctx)


def tell(text: str) -> None:
    """Say a line on standard error."""
    click.echo(text, err=True)


def how_to_go_on(arguments: Sequence[str]) -> str:
    """Say how to go on with a command that was interrupted; a URL's password is not repeated."""
    if any(hide_secrets(argument) != argument for argument in arguments):
        return "to go on, type the same command again"
    return f"to go on, type: {shlex.join(['lrbench', *arguments])}"


def check_writable(output: Path, option: str = "-o") -> None:
    """Refuse, before the work, what can be no file to write; ``option`` names it.

    Raises:
        UsageError: it is a folder or the like, or in no folder.
    """
    from lrbench.errors import UsageError

    if output.exists() and not output.is_file():
        remedy = f"give {option} the name of a file to write"
        raise UsageError("is not a regular file", where=str(output), remedy=remedy)
    if not output.parent.is_dir():
        remedy = f"make it, or change {option}"
        raise UsageError(f"there is no folder {output.parent}", where=str(output), remedy=remedy)


def format_option(help_text: str | None = None) -> Callable[[Command], Command]:
    """Give a command ``--format``, as its argument ``form``."""
    from lrbench.report.render import FOR_TERMINALS

    choice = FormatChoice()
    return click.option("--format", "form", type=choice, default=FOR_TERMINALS, show_default=True, help=help_text)


def show(document: Document, form: str, output: Path | None = None) -> None:
    """Write a document in a format to the file, or to standard output where there is none, as wide as the terminal."""
    from lrbench.report.render import WIDTH, render

    write_output(render(document, form, shutil.get_terminal_size((WIDTH, 24)).columns), output)


def write_output(content: bytes, output: Path | None) -> None:
    """Write all of it to the file, or to standard output where there is none.

    Raises:
        UsageError: the file cannot be written; what was there is unchanged.
    """
    from lrbench.errors import UsageError
    from lrbench.storage import atomic_write

    if output is None:
        click.echo(content, nl=False)
        return
    try:
        atomic_write(output, content)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(output), remedy="change -o") from error
    click.echo(f"wrote {output}", err=True)
