"""``lrbench plot``: Draw a figure for a paper: objective, loss, confidence, learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completion.candidates import measured_policies
from lrbench.cli.options import paths_argument, picture_option, sort_option, target_option
from lrbench.cli.output import load_report, say_different_targets
from lrbench.drawing.theme import MOST_POLICIES
from lrbench.errors import UsageError
from lrbench.report.figures.paper_layout import COLUMN_INCHES, WHATS, Paper

if TYPE_CHECKING:
    from lrbench.drawing.theme import PrintStyle
    from lrbench.metrics.objective import AnyTarget

NARROWEST, WIDEST = 2, 30


@click.command()
@paths_argument
@click.option(
    "--what",
    "whats",
    type=click.Choice(WHATS),
    multiple=True,
    default=["objective"],
    show_default=True,
    help="Quantity to plot; the objective is that of the specs, by default the accuracy. Can be repeated: the plots "
    "become panels (a), (b), ... of one figure.",
)
@picture_option("-o", "--output", required=True, help="Figure to write")
@click.option(
    "--top",
    type=click.IntRange(1, MOST_POLICIES),
    default=6,
    show_default=True,
    help="Number of policies to plot, best first.",
)
@click.option(
    "--policies",
    "wanted",
    multiple=True,
    metavar="POLICY",
    shell_complete=measured_policies,
    help="Plot only this policy, or all policies of this LR function. Can be repeated.",
)
@click.option("--workload", metavar="TEXT", help="Plot the workload whose name contains TEXT, if there are several.")
@click.option(
    "--style",
    type=click.Choice(["colour", "grey"]),
    default="colour",
    show_default=True,
    help="Colours of the lines; these also differ in style and marker, so that colour can be printed in grey.",
)
@click.option(
    "--columns",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="Width of the figure: one column of a paper (3.3 inches) or two (7 inches).",
)
@click.option(
    "--width", type=float, metavar="INCHES", help="Width of the figure, from 2 to 30 inches, in place of --columns."
)
@sort_option
@target_option()
def plot(
    paths: Sequence[Path],
    whats: Sequence[str],
    output: Path,
    top: int,
    wanted: Sequence[str],
    workload: str | None,
    style: PrintStyle,
    columns: str,
    width: float | None,
    metric: str | None,
    target: AnyTarget | None,
) -> None:
    """Draw a figure for a paper from the runs at PATH..., and print a draft of its caption.

    PATH... is as for `lrbench report`. Text is 6 to 7 points high at the figure's own width, so include the figure
    unscaled. The same results give an identical file.

    \b
    lrbench plot results/ -o accuracy.pdf
    lrbench plot results/ --what rates --what accuracy --columns 2 --style grey -o figure.pdf
    lrbench plot results/ --what rate-against-accuracy --policies TRI --policies FIX -o rates.svg
    """
    from lrbench.drawing.save import drawing, save_figure
    from lrbench.drawing.theme import PAPER_DPI, PAPER_SETTINGS
    from lrbench.report.figures.paper import draw_paper
    from lrbench.report.figures.paper_text import caption
    from lrbench.report.selection import chosen_policies, chosen_workload

    if width is not None and not NARROWEST <= width <= WIDEST:
        raise UsageError(
            f"--width is {width:g}, but a figure is {NARROWEST} to {WIDEST} inches wide",
            remedy="give the width of a column, such as 3.5, or leave it out",
        )
    paper = Paper(tuple(dict.fromkeys(whats)), width or COLUMN_INCHES[int(columns)], style)
    report = load_report(paths, metric, target)
    say_different_targets(report)
    table = chosen_workload(report, workload)
    rows = chosen_policies(table, wanted, top)
    with drawing(PAPER_SETTINGS):
        save_figure(draw_paper(table, table.metric, rows, paper), output, "change -o", PAPER_DPI)
    click.echo(caption(table, rows, paper.whats, table.metric))
    click.echo(f"wrote {output}", err=True)
