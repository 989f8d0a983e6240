"""What the pictures of one workload have in common: looks, labels, axes and how a metric is drawn.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lrbench.errors import plain
from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.curves import metric_curve
from lrbench.report.formats import heading, mean_and_deviation, status_counts
from lrbench.report.looks import EMPHASISED, MOST_POLICIES, Look, screen_band, screen_look
from lrbench.report.policies import PolicyRow
from lrbench.runs.status import COMPLETED

LEGEND_CHARACTERS = 56
MARKERS_A_LINE = 12


@dataclass(frozen=True)
class Line:
    """How a policy looks in every picture.

    Attributes:
        name: its text, with solver and engine where they do not go without saying.
    """

    row: PolicyRow
    name: str
    label: str
    look: Look

    @property
    def colour(self) -> str:
        """Its colour."""
        return str(self.look["color"])

    @property
    def handle(self) -> Line2D:
        """Its look alone, for a legend."""
        return Line2D([], [], **self.look)


@dataclass(frozen=True)
class Scene:
    """Policies of one workload as they are drawn, the best first.

    Attributes:
        target: the accuracy to reach, a fraction; None where there is none or there are several.
        banded: of how many, from the first, the band over the seeds is drawn.
        band: how it looks, by the line's colour.
    """

    title: str
    lines: tuple[Line, ...]
    legend_title: str
    target: float | None = None
    banded: int = EMPHASISED
    band: Callable[[str], Look] = screen_band

    @classmethod
    def of(cls, workload: WorkloadTable, metric: Metric) -> Scene:
        """The first MOST_POLICIES, for a screen: each with its colour, line style and label."""
        shown = workload.policies[:MOST_POLICIES]
        lines = lines_of(workload, shown, screen_look, lambda row: _label(workload.name(row), row, metric))
        notes = [f"line: mean over the seeds; [{heading(metric)}]"]
        if any(len(row.counted) > 1 for row in shown[:EMPHASISED]):
            notes.append(f"band: lowest to highest seed, of the first {min(len(shown), EMPHASISED)}")
        if any("diverged" in row.statuses for row in shown):
            notes.append("×: a seed diverged")
        if len(shown) < len(workload.policies):
            notes.append(f"the first {len(shown)} of {len(workload.policies)} policies")
        title = textwrap.shorten(plain(workload.label), 110, placeholder=" …")
        return cls(title, lines, "\n".join(notes), workload.target)

    def head(self, figure: Figure, what: str) -> None:
        """The title, to the left so that it keeps clear of a legend at the right."""
        figure.suptitle(f"{what}: {self.title}", x=0.01, ha="left", fontsize=12)

    def draw(self, axes: Axes, name: str) -> float:
        """Draw a metric of every policy; returns the lowest value, NaN where none has any."""
        lowest = np.nan
        for place, line in enumerate(self.lines):
            found = draw_metric(axes, line, name, place, self.band if place < self.banded else None)
            lowest = float(np.fmin(lowest, found))
        if np.isnan(lowest):
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="grey")
        return lowest


def draw_metric(axes: Axes, line: Line, name: str, place: int, band: Callable[[str], Look] | None) -> float:
    """Draw a metric of one policy; returns its lowest value, NaN where it has none.

    Args:
        place: which line of the picture it is, so that markers of several do not hide each other.
        band: how the band from the lowest to the highest seed looks, by the line's colour; None for no band.
    """
    curve = metric_curve(line.row, name)
    if curve.empty:
        return np.nan
    known = int(np.isfinite(curve.mean).sum())
    every = max(1, len(curve.mean) // MARKERS_A_LINE)
    # A single evaluation is no line: it gets a dot.
    marker = {"marker": line.look.get("marker", "o")} if known == 1 else {"markevery": (place % every, every)}
    axes.plot(curve.iterations, curve.mean, **{**line.look, **marker})
    if band is not None and (curve.lowest < curve.highest).any():
        axes.fill_between(curve.iterations, curve.lowest, curve.highest, **band(line.colour))
    for iteration, value in curve.ends:
        size = 2 * line.look.get("markersize", 3.5)
        axes.plot(iteration, value, marker="x", color=line.colour, markersize=size, zorder=line.look["zorder"])
    return float(np.nanmin(curve.lowest))


def lines_of(
    workload: WorkloadTable, rows: Sequence[PolicyRow], look: Callable[[int], Look], label: Callable[[PolicyRow], str]
) -> tuple[Line, ...]:
    """Each policy of the workload with its label and the look of its place."""
    return tuple(Line(row, plain(workload.name(row)), label(row), look(place)) for place, row in enumerate(rows))


def _label(name: str, row: PolicyRow, metric: Metric) -> str:
    name = plain(name)
    if len(name) > LEGEND_CHARACTERS:
        name = name[: LEGEND_CHARACTERS - 1] + "…"
    notes = [mean_and_deviation(row.summaries[metric.name], metric.unit)]
    troubles = {status: n for status, n in row.statuses.items() if status not in COMPLETED}
    notes += [status_counts(troubles)] if troubles else []
    return f"{row.rank or '-'}.  {name}  [{', '.join(notes)}]"


def plain_axes(axes: Axes, label_size: float = 8) -> None:
    """A light grid, no box, iterations with thousands set apart."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))  # none between two iterations
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(labelsize=label_size)
