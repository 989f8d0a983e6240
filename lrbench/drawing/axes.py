"""Axes of every figure: grid, iterations with room for their labels, percentages, logarithms, rates.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from lrbench.drawing.scales import RateScale, log_ticks
from lrbench.drawing.theme import TICK_POINTS, TITLE_POINTS

LETTER = 0.62
"""Approximate width of a digit, in font sizes."""


class IterationLocator(MaxNLocator):
    """Ticks at whole iterations, as many as their labels have room for."""

    def __init__(self, points: float) -> None:
        self.points = points
        super().__init__(nbins=9, steps=[1, 2, 5, 10], integer=True)

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between the limits."""
        axis: Any = self.axis
        length = axis.axes.bbox.width / axis.figure.dpi * 72
        label = LETTER * self.points * (len(f"{max(abs(vmin), abs(vmax)):,.0f}") + 2)
        self.set_params(nbins=int(min(9, max(1, length / label))))
        return super().tick_values(vmin, vmax)


def plain_axes(axes: Axes, tick_points: float = TICK_POINTS) -> None:
    """Draw a light grid and no box, and label iterations with thousands separators."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=tick_points)
    axes.xaxis.set_major_locator(IterationLocator(tick_points))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def numbers(axis: Any, factor: float = 1.0, unit: str = "") -> None:
    """Label the ticks of an axis as short numbers, multiplied by ``factor``."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{factor * value:g}{unit}"))


def in_percent(axes: Axes) -> None:
    """Label the fractions of the vertical axis as percentages."""
    numbers(axes.yaxis, 100, " %")


def log_axis(axes: Axes, low: float | None = None, high: float | None = None) -> None:
    """Make the vertical axis logarithmic, between limits where they are given."""
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(log_ticks(*axes.get_ylim())))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    numbers(axes.yaxis)


def rate_axis(axes: Axes, scale: RateScale) -> None:
    """Give the vertical axis a scale of learning rates."""
    if scale.logarithmic:
        log_axis(axes, scale.low, scale.high)
    else:
        axes.set_ylim(scale.low, scale.high)


def not_measured(axes: Axes) -> None:
    """Write into empty axes that nothing was measured."""
    axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="grey")


def title(figure: Figure, text: str) -> None:
    """Write the figure's title at the left, where it keeps clear of a legend at the right."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=TITLE_POINTS)


def end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write short labels beside the ends of lines at the right edge, moved apart where they would overlap.

    Args:
        ends: value, text and colour of each label; values beyond the limits of the axes are left out.
    """
    transform = axes.transScale + axes.transLimits
    places = [(float(transform.transform((1.0, value))[1]), text, colour) for value, text, colour in ends]
    shown = sorted(place for place in places if 0 <= place[0] <= 1)
    gap = 1.25 * TICK_POINTS / 72 / (axes.bbox.height / axes.figure.dpi)
    heights = [height for height, _, _ in shown]
    for index in [*range(1, len(heights))] * 20:
        short = max(0.0, gap - (heights[index] - heights[index - 1])) / 2
        heights[index - 1] -= short
        heights[index] += short
    below = max(0.0, -min(heights, default=0.0))  # keep clear of the numbers of the horizontal axis
    for height, (_, text, colour) in zip(heights, shown, strict=True):
        axes.text(1.01, height + below, text, transform=axes.transAxes, fontsize=TICK_POINTS, color=colour, va="center")


def text_inches(text: str, points: float) -> float:
    """Return the width of a text in the default font."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), False)
    return float(width) / 72


def fitted(text: str, inches: float, points: float, lines: int) -> str:
    """Break a text behind blanks and opening brackets into at most ``lines`` lines no wider than ``inches``.

    A number and its "%" stay together. What does not fit is cut, and "…" stands in its place.
    """
    found = [""]
    for piece in re.findall(r"\(?[^\s(]{1,18}(?: %)?[\s(]?|[\s(]", text):
        if found[-1] and text_inches((found[-1] + piece).rstrip(), points) > inches:
            found.append("")
        found[-1] += piece
    if len(found) > lines:
        last = found[lines - 1].rstrip()
        while last and text_inches(f"{last} …", points) > inches:
            last = last[:-1]
        found[lines - 1] = f"{last} …"
    return "\n".join(line.rstrip() for line in found[:lines])
