"""Output of a command: data to standard output or the file of ``-o``, messages to standard error; and its results."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.errors import UsageError, plain
from lrbench.report.render import WIDTH, render
from lrbench.urls import hide_secrets

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget
    from lrbench.report.build import Report
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


def check_new(output: Path, force: bool) -> None:
    """Raise UsageError unless a file can be written there, over another one only with ``--force``."""
    check_writable(output)
    if output.exists() and not force:
        raise UsageError("already exists", where=str(output), remedy="give -o another name, or add --force")


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


def load_report(paths: Sequence[Path], metric: str | None, target: AnyTarget | None) -> Report:
    """Read the runs at the paths; name on standard error what is left out or not counted.

    Args:
        metric: metric that ranks the policies; None: the objective of the runs' specs.
        target: in place of that of the specs.

    Raises:
        UsageError: no such metric, a path that does not exist, or no run that can be read.
    """
    from lrbench.report.load import read_report

    report = read_report(paths, metric, target)
    for problem in report.problems:
        click.echo(f"left out: {plain(problem)}", err=True)
    for note in report.notes:
        click.echo(plain(note), err=True)
    for run in report.repeats:
        other = ", or rates of today's count of cycles" if run.rates == 1 else ""
        click.echo(f"not counted, another run has the same policy and seed{other}: {plain(run.where)}", err=True)
    return report


def say_different_targets(report: Report) -> None:
    """Name, on standard error, the workloads whose runs are to reach different accuracies."""
    from lrbench.report.formats import different_targets

    for workload in report.workloads:
        if len(workload.targets) > 1:
            click.echo(f"{plain(workload.label)}: {different_targets(workload.targets)}", err=True)
