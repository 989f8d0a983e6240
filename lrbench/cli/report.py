"""``lrbench report``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lrbench.report.build import Report
    from lrbench.report.by_engine.tables import EngineReport

FORMATS = ("table", "markdown", "csv", "json")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(FORMATS), default="table", show_default=True,
              help="JSON has every run, the others a row for each policy.")
@click.option("--by", type=click.Choice(["policy", "engine"]), default="policy", show_default=True,
              help="engine: each workload's engines side by side, with what they cost and whether their best policies "
                   "agree.")
@click.option("--target", type=float, metavar="A",
              help="Accuracy to reach, a fraction such as 0.98, in place of that of the specs.")
@click.option("--sort", "metric", default="best_accuracy", show_default=True, metavar="METRIC",
              help="The metric that ranks the policies.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@click.option("--plots", type=click.Path(path_type=Path), metavar="DIR",
              help="Also write plots of rates, losses, accuracy and confidence there; by engine, of CPU, memory and "
                   "accuracy.")
def report(paths: Sequence[Path], kind: str, by: str, target: float | None, metric: str, output: Path | None,
           plots: Path | None) -> None:
    """Rank the policies of the runs at PATH...: results folders, run folders, or plain training logs of Caffe.

    Works while runs are under way. What cannot be read is named on standard error, and the rest is shown.

    \b
    lrbench report results/ --plots plots
    lrbench report results/ --sort seconds_to_target --target 0.98
    lrbench report results/mnist caffe.log --format json -o report.json
    lrbench report results/frameworks --by engine
    """
    from dataclasses import replace

    from lrbench.cli.output import check_writable, write_output
    from lrbench.cli.target import check_target
    from lrbench.metrics.registry import metric_named
    from lrbench.report.build import build_report
    from lrbench.report.load import load

    check_target(target)
    chosen = metric_named(metric)
    if output is not None:
        check_writable(output)
    loaded = load(paths, target)
    built = replace(build_report(loaded.runs, chosen, paths, loaded.problems), notes=tuple(loaded.notes))
    _warn(built, kind)
    shown: Report | EngineReport = _compared(built, kind) if by == "engine" else built
    write_output(_content(shown, kind), output)
    if plots is not None:
        _plot(shown, plots)


def _compared(built: Report, kind: str) -> EngineReport:
    from lrbench.report.by_engine.build import compare_engines
    from lrbench.report.untrusted import plain

    compared = compare_engines(built)
    for note in compared.notes if kind in ("csv", "json") else ():  # a table says so itself
        click.echo(plain(note), err=True)
    return compared


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


def _content(shown: Report | EngineReport, kind: str) -> bytes:
    from lrbench.report import export, table
    from lrbench.report.build import Report
    from lrbench.report.by_engine import export as engine_export
    from lrbench.report.by_engine import table as engine_table

    width = shutil.get_terminal_size((table.WIDTH, 24)).columns
    if isinstance(shown, Report):
        forms: dict[str, Callable[[], str | bytes]] = {
            "json": lambda: export.json_report(shown), "csv": lambda: export.csv_report(shown),
            "markdown": lambda: table.markdown_report(shown), "table": lambda: table.terminal_report(shown, width),
        }
    else:
        forms = {
            "json": lambda: engine_export.json_engines(shown), "csv": lambda: engine_export.csv_engines(shown),
            "markdown": lambda: engine_table.markdown_engines(shown),
            "table": lambda: engine_table.terminal_engines(shown, width),
        }
    content = forms[kind]()
    return content if isinstance(content, bytes) else content.encode()


def _plot(shown: Report | EngineReport, folder: Path) -> None:
    from lrbench.report.build import Report

    if isinstance(shown, Report):
        from lrbench.report.plots import write_plots

        written = write_plots(shown, folder)
    else:
        from lrbench.report.by_engine.plots import write_engine_plots

        written = write_engine_plots(shown, folder)
    for path in written:
        click.echo(f"wrote {path}", err=True)
