"""``lrbench report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completion.candidates import metrics, results
from lrbench.cli.output import format_option

if TYPE_CHECKING:
    from lrbench.report.build import Report
    from lrbench.report.document import Document

COMPARED = ("engine", "solver", "batch_size", "device", "dataset")


@dataclass(frozen=True)
class _View:
    """One way to look at a report.

    Attributes:
        plot: writes the pictures into a folder.
        notes: what the document's blocks say, and its data do not.
    """

    document: Document
    plot: Callable[[Path], list[Path]]
    notes: tuple[str, ...] = ()


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path), shell_complete=results
)
@format_option("JSON has every run, the others a row for each policy.")
@click.option(
    "--by",
    type=click.Choice(["policy", *COMPARED]),
    default="policy",
    show_default=True,
    help="Compare the policies over the values of a setting, all else being equal: what they reach and cost, whether "
    "the values differ, and which policies hold across them.",
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
    form: str,
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
    from lrbench.cli.output import check_writable, show
    from lrbench.cli.reading import read_report, say_different_targets, say_what_is_left_out
    from lrbench.report.render import for_programs

    if output is not None:
        check_writable(output)
    built = read_report(paths, metric, target)
    say_what_is_left_out(built)
    view = _by_policy(built) if by == "policy" else _compared(built, by)
    if for_programs(form):
        say_different_targets(built)
        _say(view.notes)
    show(view.document, form, output)
    for path in view.plot(plots) if plots is not None else ():
        click.echo(f"wrote {path}", err=True)


def _say(notes: Sequence[str]) -> None:
    from lrbench.errors import plain

    for note in notes:
        click.echo(plain(note), err=True)


def _by_policy(built: Report) -> _View:
    from lrbench.report.views.ranking import ranking_document

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.plots import write_plots

        return write_plots(built, folder)

    return _View(ranking_document(built, lambda: _page(built)), plot)


def _compared(built: Report, by: str) -> _View:
    from lrbench.report.comparison.axes import AXES
    from lrbench.report.comparison.build import compare
    from lrbench.report.views.comparison import comparison_document

    found = compare(built, AXES[by])

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.by_engine.plots import write_engine_plots
        from lrbench.report.by_solver.plots import write_solver_plots

        return (write_engine_plots if found.axis.costs else write_solver_plots)(found, folder)

    return _View(comparison_document(found), plot, found.notes)


def _page(built: Report) -> bytes:
    from datetime import datetime

    from lrbench.report.page import page_document, page_html

    return page_html(page_document(built, datetime.now().astimezone()))
