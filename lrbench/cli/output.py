"""Output of a command: data to standard output or the file of ``-o``, messages to standard error."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.errors import UsageError
from lrbench.report.render import WIDTH, render
from lrbench.urls import hide_secrets

if TYPE_CHECKING:
    from lrbench.report.document import Document


def tell(text: str) -> None:
    """Print a line on standard error."""
    click.echo(text, err=True)


def how_to_resume(arguments: Sequence[str]) -> str:
    """Say how to resume a command that was interrupted; a URL's password is not repeated."""
    if any(hide_secrets(argument) != argument for argument in arguments):
        return "to resume, rerun the same command"
    return f"to resume, type: {shlex.join(['lrbench', *arguments])}"


def check_writable(output: Path, option: str = "-o") -> None:
    """Raise UsageError unless the path, which ``option`` names, is a file or new, and its folder exists."""
    if output.exists() and not output.is_file():
        remedy = f"give {option} the name of a file to write"
        raise UsageError("is not a regular file", where=str(output), remedy=remedy)
    if not output.parent.is_dir():
        remedy = f"create it, or change {option}"
        raise UsageError(f"there is no folder {output.parent}", where=str(output), remedy=remedy)


def show(document: Document, output_format: str, output: Path | None = None) -> None:
    """Write a document to the file, or to standard output without one, as wide as the terminal."""
    write_output(render(document, output_format, shutil.get_terminal_size((WIDTH, 24)).columns), output)


def write_output(content: bytes, output: Path | None) -> None:
    """Write the content to the file, or to standard output without one; after a UsageError the file is unchanged."""
    from lrbench.storage import atomic_write

    if output is None:
        click.echo(content, nl=False)
        return
    try:
        atomic_write(output, content)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(output), remedy="change -o") from error
    click.echo(f"wrote {output}", err=True)
