"""A figure for a paper: panels as wide as a column, and the legend below them, where it covers nothing.

The figure has no title, as a paper's caption stands in its place. Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import string
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.looks import PRINT_BANDED, print_band, print_look
from lrbench.report.panels import TOGETHER, Panel
from lrbench.report.paper_layout import APART, SMALL_POINTS, TEXT_POINTS, Paper, letters_in
from lrbench.report.paper_panels import PolicyPanels
from lrbench.report.paper_text import legend_label, legend_title, value_text
from lrbench.report.policies import PolicyRow
from lrbench.report.scene import Scene, lines_of, plain_axes

DOTS_PER_INCH = 300
HEIGHT, HEIGHT_APART = 1.75, 1.12
LINE_INCHES = 1.28 * SMALL_POINTS / 72
HANDLE_INCHES = 0.42
MARGIN_INCHES = 0.1

SETTINGS: dict[str, Any] = {
    "font.size": TEXT_POINTS,
    "axes.labelsize": TEXT_POINTS,
    "axes.titlesize": SMALL_POINTS,
    "axes.linewidth": 0.6,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.0,
    "grid.linewidth": 0.4,
    "legend.fontsize": SMALL_POINTS,
    "legend.title_fontsize": SMALL_POINTS,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
    "figure.constrained_layout.w_pad": 0.025,
    "figure.constrained_layout.h_pad": 0.03,
}
"""For matplotlib, where such a figure is drawn and written."""


def draw_paper(workload: WorkloadTable, metric: Metric, rows: Sequence[PolicyRow], paper: Paper) -> Figure:
    """Draw some policies of a workload; within ``drawing(SETTINGS)``.

    Args:
        metric: what they are ranked by, which the legend shows.
        rows: of the workload's, at most MOST_POLICIES, in the order of their looks.
    """
    width = letters_in(paper.width / paper.panels_a_row - HANDLE_INCHES)
    lines = lines_of(workload, rows, print_look(paper.style), lambda row: legend_label(workload, row, metric, width))
    scene = Scene("", lines, legend_title(workload, metric), workload.target, PRINT_BANDED, print_band)
    found = list(_rows(scene, paper, [value_text(workload, row, metric) for row in rows]))
    heights = [row.height for row in found]
    below = LINE_INCHES * _legend_lines(scene, paper) if paper.together else 0.0
    figure = Figure(figsize=(paper.width, sum(heights) + below + MARGIN_INCHES), layout="constrained")
    grid = GridSpec(len(found), 2 * paper.panels_a_row, figure, height_ratios=heights)
    for number, row in enumerate(found):
        for place, draw in enumerate(row.panels):
            draw(figure.add_subplot(grid[number, row.span * place : row.span * (place + 1)]))
    if paper.together:
        _draw_legend(figure, scene, paper)
    return figure


@dataclass(frozen=True)
class _Row:
    """Panels side by side: how high they are, how many columns of the grid each spans, and what draws each."""

    height: float
    span: int
    panels: Sequence[Callable[[Axes], None]]


def _rows(scene: Scene, paper: Paper, values: Sequence[str]) -> Iterator[_Row]:
    """From the top down; panels are lettered in reading order where there are several."""
    count = sum(1 if what in APART else len(TOGETHER[what]) for what in paper.whats)
    letters = iter([f"({letter})" for letter in string.ascii_lowercase] if count > 1 else [""])
    waiting: list[Callable[[Axes], None]] = []
    for what in paper.whats:
        if what in APART:
            yield from _side_by_side(waiting, HEIGHT, 2, paper)
            waiting = []
            panels = PolicyPanels(scene, paper, next(letters), values)
            drawn = [partial(panels.draw, what, place=place) for place in range(len(scene.lines))]
            yield from _side_by_side(drawn, HEIGHT_APART + LINE_INCHES * panels.title_lines, 1, paper)
        else:
            waiting += [
                partial(_draw_together, panel=panel, scene=scene, letter=next(letters)) for panel in TOGETHER[what]
            ]
    yield from _side_by_side(waiting, HEIGHT, 2, paper)


def _side_by_side(panels: Sequence[Callable[[Axes], None]], height: float, span: int, paper: Paper) -> Iterator[_Row]:
    size = 2 * paper.panels_a_row // span
    for start in range(0, len(panels), size):
        yield _Row(height, span, panels[start : start + size])


def _draw_together(axes: Axes, panel: Panel, scene: Scene, letter: str) -> None:
    panel.fill(axes, scene)
    axes.set_xlabel("iteration")
    axes.set_title(letter, loc="left")
    plain_axes(axes, SMALL_POINTS)


def _legend_lines(scene: Scene, paper: Paper) -> int:
    """How many lines of text the legend takes."""
    heights = [line.label.count("\n") + 1.35 for line in scene.lines]
    a_column = -(-len(heights) // paper.panels_a_row)
    most = max(sum(heights[start : start + a_column]) for start in range(0, len(heights), a_column))
    return round(_legend_head(scene, paper).count("\n") + 2 + most)


def _legend_head(scene: Scene, paper: Paper) -> str:
    return "\n".join(textwrap.wrap(scene.legend_title, letters_in(paper.width)))


def _draw_legend(figure: Figure, scene: Scene, paper: Paper) -> None:
    figure.legend(
        [line.handle for line in scene.lines],
        [line.label for line in scene.lines],
        loc="outside lower left",
        ncols=paper.panels_a_row,
        title=_legend_head(scene, paper),
        alignment="left",
        handlelength=3.2,
        borderpad=0.1,
        borderaxespad=0.2,
        labelspacing=0.35,
        columnspacing=1.0,
        frameon=False,
    )
