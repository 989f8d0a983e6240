"""A figure for a paper: panels as wide as a column, and the legend below them, where it covers nothing.

The figure has no title, as a paper's caption stands in its place. Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator

from lrbench.drawing.axes import fitted, plain_axes, text_inches
from lrbench.drawing.theme import MUTED, PRINT_BANDED, SMALL_POINTS, print_band, print_look
from lrbench.errors import ResultsError, plain
from lrbench.metrics.objective import ACCURACY
from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.figures.data import objective_limits
from lrbench.report.figures.panels import (
    Panel,
    PlotContext,
    Rates,
    Series,
    draw_metric,
    objective_scale,
    objective_title,
    panels,
    policy_title,
)
from lrbench.report.figures.paper_layout import APART, Paper
from lrbench.report.figures.paper_text import value_text, values_title
from lrbench.report.policies import PolicyRow

HEIGHT, HEIGHT_APART = 1.75, 1.12
LINE_INCHES = 1.28 * SMALL_POINTS / 72
HANDLE_INCHES = 0.47
"""Width that the sample of a line and the gaps take in a column of the legend."""
MARGIN_INCHES = 0.1
NAME_LINES, VALUE_LINES = 3, 3
LABEL_LINES, HEAD_LINES = 2, 4
"""Most lines of a policy's name or value in the legend, and of the legend's title."""
BESIDE_INCHES, TITLE_GAP_INCHES = 0.8, 0.04
"""Width taken by the numbers and titles of the outer axes, and the least distance between two titles of panels."""
ALONE = {"linestyle": "-", "linewidth": 1.2, "marker": "", "zorder": 3}
"""Look of a single line in a panel."""


def draw_paper(workload: WorkloadTable, metric: Metric, rows: Sequence[PolicyRow], paper: Paper) -> Figure:
    """Draw some policies of a workload; within ``drawing(PAPER_SETTINGS)``.

    Raises:
        ResultsError: the runs of a program have no value for one of the figure's subjects.

    Args:
        metric: ranks the policies, and stands in the legend.
        rows: at most MOST_POLICIES, in the order of their looks.
    """
    values = [value_text(workload, row, metric) for row in rows]
    width, series = paper.width / paper.panels_a_row - HANDLE_INCHES, []
    for index, (row, value) in enumerate(zip(rows, values, strict=True)):
        name = plain(workload.name(row))
        texts = (f"{row.rank or '-'}.  {name}", value)
        label = "\n".join(fitted(text, width, SMALL_POINTS, LABEL_LINES) for text in texts)
        series.append(Series(row, name, label, print_look(paper.style, index)))
    context = PlotContext(
        "",
        tuple(series),
        values_title(workload, metric),
        workload.objective,
        not workload.is_program,
        workload.target,
        PRINT_BANDED,
        print_band,
    )
    for what in paper.whats:
        if what not in APART and not panels(what, context):
            raise ResultsError(f"no run here has a value for --what {what}", remedy="choose objective, loss or rates")
    found = list(_rows(context, paper, values))
    heights = [row.height for row in found]
    legend_title = fitted(context.legend_title, paper.width - MARGIN_INCHES, SMALL_POINTS, HEAD_LINES)
    below = 0.0
    if paper.together:
        lines = [series.label.count("\n") + 1.35 for series in context.series]
        a_column = -(-len(lines) // paper.panels_a_row)
        most = max(sum(lines[start : start + a_column]) for start in range(0, len(lines), a_column))
        below = LINE_INCHES * round(legend_title.count("\n") + 2 + most)
    figure = Figure(figsize=(paper.width, sum(heights) + below + MARGIN_INCHES), layout="constrained")
    columns = math.lcm(*(drawn.size for drawn in found))
    grid = GridSpec(len(found), columns, figure, height_ratios=heights)
    for number, drawn in enumerate(found):
        span = columns // drawn.size
        for place, draw in enumerate(drawn.panels):
            draw(figure.add_subplot(grid[number, span * place : span * (place + 1)]))
    if paper.together:
        figure.legend(
            [series.handle for series in context.series],
            [series.label for series in context.series],
            loc="outside lower left",
            ncols=paper.panels_a_row,
            title=legend_title,
            alignment="left",
            handlelength=3.2,
            borderpad=0.1,
            borderaxespad=0.2,
            labelspacing=0.35,
            columnspacing=1.0,
            frameon=False,
        )
    return figure


@dataclass(frozen=True)
class _Row:
    """Panels side by side: their height in inches, how many would fill the row, and what draws each."""

    height: float
    size: int
    panels: Sequence[Callable[[Axes], None]]


def _rows(context: PlotContext, paper: Paper, values: Sequence[str]) -> Iterator[_Row]:
    """Yield the rows from the top down; several panels are lettered in reading order."""
    count = sum(1 if what in APART else len(panels(what, context)) for what in paper.whats)
    letters = iter([f"({letter})" for letter in string.ascii_lowercase] if count > 1 else [""])
    waiting: list[Callable[[Axes], None]] = []
    for what in paper.whats:
        if what in APART:
            yield from _side_by_side(waiting, HEIGHT, paper.panels_a_row)
            waiting = []
            apart = PolicyPanels(context, paper, next(letters), values)
            drawn = [partial(apart.draw, what, index=index) for index in range(len(context.series))]
            title_lines = NAME_LINES if paper.together else NAME_LINES + VALUE_LINES
            yield from _side_by_side(drawn, HEIGHT_APART + LINE_INCHES * title_lines, apart.size)
        else:
            waiting += [
                partial(_draw, panel=panel, context=context, letter=next(letters)) for panel in panels(what, context)
            ]
    yield from _side_by_side(waiting, HEIGHT, paper.panels_a_row)


def _side_by_side(panels: Sequence[Callable[[Axes], None]], height: float, size: int) -> Iterator[_Row]:
    for start in range(0, len(panels), size):
        yield _Row(height, size, panels[start : start + size])


def _draw(axes: Axes, panel: Panel, context: PlotContext, letter: str) -> None:
    panel.fill(axes, context)
    axes.set_xlabel("iteration")
    axes.set_title(letter, loc="left")
    plain_axes(axes, SMALL_POINTS)


@dataclass(frozen=True)
class PolicyPanels:
    """Panels of one policy each, ``size`` of them in a row: its rates, or a metric before the shape of its rates.

    Attributes:
        letter: letter of the group, such as ``(a)``; empty for the only one.
        values: results of each policy, for the titles where there is no legend.
    """

    context: PlotContext
    paper: Paper
    letter: str
    values: Sequence[str]

    @property
    def size(self) -> int:
        """Number of panels side by side: as many rows as the width asks for, each as full as the others."""
        count = len(self.context.series)
        rows = math.ceil(count / (2 * self.paper.panels_a_row))
        return math.ceil(count / rows)

    @cached_property
    def rates(self) -> Rates:
        """The rates of all policies."""
        return Rates.of(self.context.rows)

    def draw(self, what: str, axes: Axes, index: int) -> None:
        """Draw the policy at ``index``."""
        series = self.context.series[index]
        if self.paper.style == "grey":  # each is alone in its panel
            series = replace(series, look={**series.look, "color": "#000000"})
        first, last = index % self.size == 0, index % self.size == self.size - 1 or index == len(self.values) - 1
        if what == "rates":
            self.rates.draw(axes, index, series.colour)
            axes.set_ylabel(self.rates.title if first else "")
        else:
            self._draw_behind(axes.twinx(), axes, index, last)
            objective = ACCURACY if what == "rate-against-accuracy" else self.context.objective
            draw_metric(axes, replace(series, look={**series.look, **ALONE}), objective.column, 0, print_band)
            objective_scale(axes, objective)
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            axes.set_ylim(*objective_limits(self.context.rows, objective))
            axes.set_ylabel(objective_title(objective) if first else "")
        axes.tick_params(labelleft=first)
        axes.set_title(self._title(series, index), loc="left")
        axes.set_xlabel("iteration" if index // self.size == (len(self.values) - 1) // self.size else "")
        plain_axes(axes, SMALL_POINTS)

    def _title(self, series: Series, index: int) -> str:
        width = (self.paper.width - BESIDE_INCHES) / self.size - TITLE_GAP_INCHES
        letter = f"{self.letter}  " if index == 0 and self.letter else ""
        title = letter + policy_title(series, width - text_inches(letter, SMALL_POINTS), SMALL_POINTS, NAME_LINES)
        return (
            title if self.paper.together else f"{title}\n{fitted(self.values[index], width, SMALL_POINTS, VALUE_LINES)}"
        )

    def _draw_behind(self, right: Axes, axes: Axes, index: int, last: bool) -> None:
        """Draw the shape of the rates behind the metric, on the right axis."""
        self.rates.draw(right, index, MUTED, behind=True)
        axes.set_zorder(right.get_zorder() + 1)
        axes.patch.set_visible(False)
        right.set_ylabel(self.rates.title if last else "", color=MUTED)
        right.tick_params(labelsize=SMALL_POINTS, right=last, labelright=last, colors=MUTED)
        right.spines[["top", "left"]].set_visible(False)
        right.spines["right"].set_visible(last)
