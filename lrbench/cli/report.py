"""``lrbench report``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completing import metrics, results

if TYPE_CHECKING:
    from lrbench.report.build import Report

FORMATS = ("table", "markdown", "latex", "csv", "json", "html")


@dataclass(frozen=True)
class _View:
    """One way to look at a report.

    Attributes:
        forms: what makes the content, by format.
        plot: writes the pictures into a folder.
        notes: what the tables say by themselves, and the formats for programs do not.
    """

    forms: Mapping[str, Callable[[], str | bytes]]
    plot: Callable[[Path], list[Path]]
    notes: tuple[str, ...] = ()


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path), shell_complete=results
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="JSON has every run, the others a row for each policy.",
)
@click.option(
    "--by",
    type=click.Choice(["policy", "engine", "solver"]),
    default="policy",
    show_default=True,
    help="engine: each workload's engines side by side, with what they cost and whether their best policies "
    "agree. solver: policies x solvers, and which policies hold across optimizers.",
)
@click.option(
    "--target",
    type=float,
    metavar="A",
    help="Accuracy to reach, a fraction such as 0.98, in place of that of the specs.",
)
@click.option(
    "--sort",
    "metric",
    default="best_accuracy",
    show_default=True,
    metavar="METRIC",
    shell_complete=metrics,
    help="The metric that ranks the policies.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write plots of rates, losses, accuracy and confidence there; by engine, of CPU, memory and "
    "accuracy; by solver, a heat map.",
)
def report(
    paths: Sequence[Path],
    kind: str,
    by: str,
    target: float | None,
    metric: str,
    output: Path | None,
    plots: Path | None,
) -> None:
    """Rank the policies of the runs at PATH...: results folders, run folders, or plain training logs of Caffe.

    Works while runs are under way. What cannot be read is named on standard error, and the rest is shown.

    \b
    lrbench report results/ --plots plots
    lrbench report results/ --sort seconds_to_target --target 0.98
    lrbench report results/mnist caffe.log --format json -o report.json
    lrbench report results/frameworks --by engine
    lrbench report results/optimizers --by solver --plots plots
    lrbench report results/ --format html -o report.html
    """
    from lrbench.cli.output import check_writable, write_output
    from lrbench.cli.reading import read_report, say_different_targets, say_what_is_left_out
    from lrbench.errors import UsageError

    if output is not None:
        check_writable(output)
    built = read_report(paths, metric, target)
    say_what_is_left_out(built)
    if kind in ("csv", "json"):  # a table says so itself
        say_different_targets(built)
    view = _VIEWS[by](built)
    _say(view.notes if kind in ("csv", "json") else ())
    if kind not in view.forms:
        raise UsageError(
            f"--format {kind} does not compare by {by}",
            remedy=f"take --format {', '.join(view.forms)}, or leave --by out",
        )
    content = view.forms[kind]()
    write_output(content if isinstance(content, bytes) else content.encode(), output)
    for path in view.plot(plots) if plots is not None else ():
        click.echo(f"wrote {path}", err=True)


def _say(notes: Sequence[str]) -> None:
    from lrbench.report.untrusted import plain

    for note in notes:
        click.echo(plain(note), err=True)


def _width() -> int:
    from lrbench.report.table import WIDTH

    return shutil.get_terminal_size((WIDTH, 24)).columns


def _by_policy(built: Report) -> _View:
    from lrbench.report import export, latex, table

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.plots import write_plots

        return write_plots(built, folder)

    return _View(
        {
            "json": lambda: export.json_report(built),
            "csv": lambda: export.csv_report(built),
            "markdown": lambda: table.markdown_report(built),
            "latex": lambda: latex.latex_report(built),
            "table": lambda: table.terminal_report(built, _width()),
            "html": lambda: _page(built),
        },
        plot,
    )


def _page(built: Report) -> bytes:
    from datetime import datetime

    from lrbench.report.page import page_document, page_html

    return page_html(page_document(built, datetime.now().astimezone()))


def _by_engine(built: Report) -> _View:
    from lrbench.report import latex
    from lrbench.report.by_engine import export, table
    from lrbench.report.by_engine.build import compare_engines

    found = compare_engines(built)

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.by_engine.plots import write_engine_plots

        return write_engine_plots(found, folder)

    return _View(
        {
            "json": lambda: export.json_engines(found),
            "csv": lambda: export.csv_engines(found),
            "markdown": lambda: table.markdown_engines(found),
            "latex": lambda: latex.latex_engines(found),
            "table": lambda: table.terminal_engines(found, _width()),
        },
        plot,
        found.notes,
    )


def _by_solver(built: Report) -> _View:
    from lrbench.report import latex
    from lrbench.report.by_solver import export, table
    from lrbench.report.by_solver.build import compare_solvers

    found = compare_solvers(built)

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.by_solver.plots import write_solver_plots

        return write_solver_plots(found, folder)

    return _View(
        {
            "json": lambda: export.json_solvers(found),
            "csv": lambda: export.csv_solvers(found),
            "markdown": lambda: table.markdown_solvers(found),
            "latex": lambda: latex.latex_solvers(found),
            "table": lambda: table.terminal_solvers(found, _width()),
        },
        plot,
        found.notes,
    )


_VIEWS: Mapping[str, Callable[[Report], _View]] = {"policy": _by_policy, "engine": _by_engine, "solver": _by_solver}
