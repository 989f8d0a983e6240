"""``lrbench report``: Rank the policies of finished and active runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.options import format_option, output_option, paths_argument, sort_option, target_option
from lrbench.cli.output import load_report, say_different_targets, show
from lrbench.errors import plain
from lrbench.report.render import for_programs

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget
    from lrbench.report.build import Report
    from lrbench.report.document import Document

    _View = tuple[Document, Callable[[Path], list[Path]], Sequence[str]]
    """A document, what writes its plots into a folder, and remarks that its blocks contain, and its data do not."""

COMPARED = ("engine", "solver", "arguments", "batch_size", "device", "dataset")


@click.command()
@paths_argument
@format_option(help="Output format; json has every run, the others one row per policy.")
@click.option(
    "--by",
    type=click.Choice(["policy", *COMPARED]),
    default="policy",
    show_default=True,
    help="Rank the policies, or compare them over the values of a setting, all else being equal: accuracy, cost, "
    "whether the values differ, and which policies hold across them.",
)
@target_option()
@sort_option
@output_option()
@click.option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write plots of rates, losses, objective, accuracy and confidence to DIR; with --by engine, of CPU, "
    "memory and accuracy; with --by solver, a heat map.",
)
def report(
    paths: Sequence[Path],
    output_format: str,
    by: str,
    target: AnyTarget | None,
    metric: str | None,
    output: Path | None,
    plots: Path | None,
) -> None:
    """Rank the policies of the runs at PATH..., which are results folders, run folders or plain training logs of Caffe.

    Active runs are included. What cannot be read is listed on standard error and skipped.

    \b
    lrbench report results/ --plots plots
    lrbench report results/ --sort seconds_to_target --target 0.98
    lrbench report results/mnist caffe.log --format json -o report.json
    lrbench report results/frameworks --by engine
    lrbench report results/optimizers --by solver --plots plots
    lrbench report results/ --format html -o report.html
    """
    built = load_report(paths, metric, target)
    document, plot, notes = _by_policy(built) if by == "policy" else _compared(built, by)
    if for_programs(output_format):
        say_different_targets(built)
        for note in notes:
            click.echo(plain(note), err=True)
    show(document, output_format, output)
    for path in plot(plots) if plots is not None else ():
        click.echo(f"wrote {path}", err=True)


def _by_policy(built: Report) -> _View:
    from lrbench.report.views.ranking import ranking_document

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.figures.curves import write_plots

        return write_plots(built, folder)

    def page(_blocks: object) -> bytes:
        from datetime import datetime

        from lrbench.report.page.document import page_document
        from lrbench.report.page.html import page_html

        return page_html(page_document(built, datetime.now().astimezone()))

    return ranking_document(built, page), plot, built.program_notes


def _compared(built: Report, by: str) -> _View:
    from lrbench.report.comparison.axes import AXES
    from lrbench.report.comparison.build import compare
    from lrbench.report.views.comparison import comparison_document

    found = compare(built, AXES[by])

    def plot(folder: Path) -> list[Path]:
        from lrbench.report.figures.comparison import write_comparison_figures

        return write_comparison_figures(found, folder)

    return comparison_document(found), plot, found.notes
