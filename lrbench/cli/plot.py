"""``lrbench plot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.cli.completion.candidates import measured_policies, metrics, results
from lrbench.report.looks import MOST_POLICIES
from lrbench.report.paper_layout import COLUMN_INCHES, WHATS, Paper

if TYPE_CHECKING:
    from lrbench.report.looks import PrintStyle

NARROWEST, WIDEST = 2, 30


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path), shell_complete=results
)
@click.option(
    "--what",
    "whats",
    type=click.Choice(WHATS),
    multiple=True,
    default=["accuracy"],
    show_default=True,
    help="What to draw against iterations; given several times, they become panels (a), (b), ... of one figure.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .png, .svg or .pdf file."
)
@click.option(
    "--top",
    type=click.IntRange(1, MOST_POLICIES),
    default=6,
    show_default=True,
    help="Draw the first so many policies of the ranking.",
)
@click.option(
    "--policies",
    "wanted",
    multiple=True,
    metavar="POLICY",
    shell_complete=measured_policies,
    help="Of these alone: a policy, or an LR function for all of its policies; may be repeated.",
)
@click.option("--workload", metavar="TEXT", help="Of several workloads, the one with this in its name.")
@click.option(
    "--style",
    type=click.Choice(["colour", "grey"]),
    default="colour",
    show_default=True,
    help="Both tell lines apart by style and marker, too, so that colour may be printed in grey.",
)
@click.option(
    "--columns",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="Width of the figure: one column of a paper, 3.3 inches, or two, 7 inches.",
)
@click.option("--width", type=float, metavar="INCHES", help="Another width, from 2 to 30.")
@click.option(
    "--sort",
    "metric",
    default="best_accuracy",
    show_default=True,
    metavar="METRIC",
    shell_complete=metrics,
    help="The metric that ranks the policies.",
)
@click.option(
    "--target",
    type=float,
    metavar="A",
    help="Accuracy to reach, a fraction such as 0.98, in place of that of the specs.",
)
def plot(whats: Sequence[str], style: PrintStyle, columns: str, width: float | None, **typed: Any) -> None:
    """Draw a figure for a paper from the runs at PATH..., and print a caption to begin with.

    PATH... is as for `lrbench report`. The text is 6 to 7 points high at the figure's own width, so include it
    unscaled. The same results give the same bytes.

    \b
    lrbench plot results/ -o accuracy.pdf
    lrbench plot results/ --what rates --what accuracy --columns 2 --style grey -o figure.pdf
    lrbench plot results/ --what rate-against-accuracy --policies TRI --policies FIX -o rates.svg
    """
    _check(width)
    paper = Paper(tuple(dict.fromkeys(whats)), width or COLUMN_INCHES[int(columns)], style)
    _plot(paper, **typed)


def _check(width: float | None) -> None:
    from lrbench.errors import UsageError

    if width is not None and not NARROWEST <= width <= WIDEST:
        raise UsageError(
            f"--width is {width:g}, but a figure is {NARROWEST} to {WIDEST} inches wide",
            remedy="give the width of a column, such as 3.5, or leave it out",
        )


def _plot(
    paper: Paper,
    *,
    paths: Sequence[Path],
    output: Path,
    metric: str,
    target: float | None,
    top: int,
    wanted: Sequence[str],
    workload: str | None,
) -> None:
    from lrbench.cli.output import check_writable
    from lrbench.cli.reading import read_report, say_different_targets, say_what_is_left_out
    from lrbench.policies.picture import check_suffix
    from lrbench.report.choice import chosen_policies, chosen_workload
    from lrbench.report.paper import DOTS_PER_INCH, SETTINGS, draw_paper
    from lrbench.report.paper_text import caption
    from lrbench.report.picture_file import drawing, write_picture

    check_suffix(output)
    check_writable(output)
    report = read_report(paths, metric, target)
    say_what_is_left_out(report)
    say_different_targets(report)
    table = chosen_workload(report, workload)
    rows = chosen_policies(table, wanted, top)
    with drawing(SETTINGS):
        write_picture(draw_paper(table, report.metric, rows, paper), output, "-o", DOTS_PER_INCH)
    click.echo(caption(table, rows, paper.whats, report.metric))
    click.echo(f"wrote {output}", err=True)
