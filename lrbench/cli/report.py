"""``lrbench report``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lrbench.report.build import Report

FORMATS = ("table", "markdown", "csv", "json")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(FORMATS), default="table", show_default=True,
              help="JSON has every run, the others a row for each policy.")
@click.option("--target", type=float, metavar="A",
              help="Accuracy to reach, a fraction such as 0.98, in place of that of the specs.")
@click.option("--sort", "metric", default="best_accuracy", show_default=True, metavar="METRIC",
              help="The metric that ranks the policies.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@click.option("--plots", type=click.Path(path_type=Path), metavar="DIR",
              help="Also write plots of rates, losses, accuracy and confidence there.")
def report(paths: Sequence[Path], kind: str, target: float | None, metric: str, output: Path | None,
           plots: Path | None) -> None:
    """Rank the policies of the runs at PATH...: results folders, run folders, or plain training logs of Caffe.

    Works while runs are under way. What cannot be read is named on standard error, and the rest is shown.

    \b
    lrbench report results/ --plots plots
    lrbench report results/ --sort seconds_to_target --target 0.98
    lrbench report results/mnist caffe.log --format json -o report.json
    """
    from dataclasses import replace

    from lrbench.errors import UsageError
    from lrbench.metrics.registry import metric_named
    from lrbench.report.build import build_report
    from lrbench.report.load import load

    if target is not None and not 0 < target <= 1:
        raise UsageError(f"--target is {target:g}, but an accuracy is above 0 and at most 1",
                         remedy="give a fraction, such as 0.98 for 98 %")
    chosen = metric_named(metric)
    if output is not None:
        _check_writable(output)
    loaded = load(paths, target)
    built = replace(build_report(loaded.runs, chosen, paths, loaded.problems), notes=tuple(loaded.notes))
    _warn(built, kind)
    _write(_content(built, kind), output)
    if plots is not None:
        _plot(built, plots)


def _check_writable(output: Path) -> None:
    """Refuse, before the work, what can be no file to write."""
    from lrbench.errors import UsageError

    if output.exists() and not output.is_file():
        raise UsageError("is no ordinary file", where=str(output), remedy="give -o the name of a file to write")
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", where=str(output), remedy="make it, or change -o")


def _warn(built: Report, kind: str) -> None:
    from lrbench.report.formats import different_targets
    from lrbench.report.untrusted import plain

    for problem in built.problems:
        click.echo(f"left out: {plain(problem)}", err=True)
    for note in built.notes:
        click.echo(plain(note), err=True)
    for run in built.repeats:
        click.echo(f"not counted, another run has the same policy and seed: {plain(run.where)}", err=True)
    for workload in built.workloads if kind in ("csv", "json") else ():  # a table says so itself
        if len(workload.targets) > 1:
            click.echo(f"{plain(workload.label)}: {different_targets(workload.targets)}", err=True)


def _content(built: Report, kind: str) -> bytes:
    from lrbench.report import export, table

    if kind == "json":
        return export.json_report(built)
    if kind == "csv":
        return export.csv_report(built).encode()
    if kind == "markdown":
        return table.markdown_report(built).encode()
    return table.terminal_report(built, shutil.get_terminal_size((table.WIDTH, 24)).columns).encode()


def _write(content: bytes, output: Path | None) -> None:
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


def _plot(built: Report, folder: Path) -> None:
    from lrbench.report.plots import write_plots

    for path in write_plots(built, folder):
        click.echo(f"wrote {path}", err=True)
