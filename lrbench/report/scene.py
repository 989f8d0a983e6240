"""What the pictures of one workload have in common: colours, labels, the legend, axes and how a metric is drawn.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.curves import metric_curve
from lrbench.report.formats import heading, mean_and_deviation, status_counts
from lrbench.report.policies import PolicyRow
from lrbench.report.untrusted import plain

MOST_POLICIES = 30
EMPHASISED = 5
LEGEND_CHARACTERS = 56
FINE = frozenset({"finished", "stopped"})

# Ten colours that stay apart for the colour-blind as far as ten can; then the same in other line styles.
_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#8c564b", "#555555", "#a5aa00",
)  # fmt: skip
_STYLES = ("-", (0, (5, 2)), (0, (1.2, 1.6)))


@dataclass(frozen=True)
class Line:
    """How a policy looks in every picture."""

    row: PolicyRow
    label: str
    look: dict[str, Any]

    @property
    def colour(self) -> str:
        """Its colour."""
        return str(self.look["color"])


@dataclass(frozen=True)
class Scene:
    """The policies of one workload, the best first and at most MOST_POLICIES, as they are drawn."""

    title: str
    lines: tuple[Line, ...]
    legend_title: str

    @classmethod
    def of(cls, workload: WorkloadTable, metric: Metric) -> Scene:
        """Give each policy its colour, line style and label."""
        shown = workload.policies[:MOST_POLICIES]
        lines = tuple(
            Line(row, _label(workload.name(row), row, metric), _look(place)) for place, row in enumerate(shown)
        )
        notes = [f"line: mean over the seeds; [{heading(metric)}]"]
        if any(len(row.counted) > 1 for row in shown[:EMPHASISED]):
            notes.append(f"band: lowest to highest seed, of the first {min(len(shown), EMPHASISED)}")
        if any("diverged" in row.statuses for row in shown):
            notes.append("×: a seed diverged")
        if len(shown) < len(workload.policies):
            notes.append(f"the first {len(shown)} of {len(workload.policies)} policies")
        title = textwrap.shorten(plain(workload.label), 110, placeholder=" …")
        return cls(title, lines, "\n".join(notes))

    def head(self, figure: Figure, what: str) -> None:
        """The title, to the left so that it keeps clear of a legend at the right."""
        figure.suptitle(f"{what}: {self.title}", x=0.01, ha="left", fontsize=12)

    def two_panels(self, what: str) -> tuple[Figure, Axes, Axes]:
        """A figure with two axes side by side and the legend to their right."""
        figure = Figure(figsize=(17, max(5.5, 1.7 + 0.19 * len(self.lines))), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            axes.set_xlabel("iteration")
            plain_axes(axes)
        self.head(figure, what)
        figure.legend(
            [Line2D([], [], **line.look) for line in self.lines],
            [line.label for line in self.lines],
            loc="outside right upper",
            title=self.legend_title,
            alignment="left",
            handlelength=3,
            frameon=False,
            fontsize=8,
            title_fontsize=8,
        )
        return figure, left, right

    def draw(self, axes: Axes, name: str) -> float:
        """Draw a metric of every policy; returns the lowest value, NaN where none has any."""
        lowest = np.nan
        for place, line in enumerate(self.lines):
            curve = metric_curve(line.row, name)
            if curve.empty:
                continue
            lowest = float(np.fmin(lowest, np.nanmin(curve.lowest)))
            # A single evaluation is no line: it gets a dot.
            marker = "o" if np.isfinite(curve.mean).sum() == 1 else None
            axes.plot(curve.iterations, curve.mean, marker=marker, **line.look)
            if place < EMPHASISED and (curve.lowest < curve.highest).any():
                axes.fill_between(
                    curve.iterations, curve.lowest, curve.highest, color=line.colour, alpha=0.15, linewidth=0
                )
            for iteration, value in curve.ends:
                axes.plot(iteration, value, marker="x", color=line.colour, markersize=7, zorder=line.look["zorder"])
        if np.isnan(lowest):
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="grey")
        return lowest


def _look(place: int) -> dict[str, Any]:
    first = place < EMPHASISED
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place // len(_COLOURS) % len(_STYLES)],
        "linewidth": 2.0 if first else 1.0,
        "alpha": 1.0 if first else 0.8,
        "zorder": 3 + MOST_POLICIES - place,
    }


def _label(name: str, row: PolicyRow, metric: Metric) -> str:
    name = plain(name)
    if len(name) > LEGEND_CHARACTERS:
        name = name[: LEGEND_CHARACTERS - 1] + "…"
    notes = [mean_and_deviation(row.summaries[metric.name], metric.unit)]
    troubles = {status: n for status, n in row.statuses.items() if status not in FINE}
    notes += [status_counts(troubles)] if troubles else []
    return f"{row.rank or '-'}.  {name}  [{', '.join(notes)}]"


def plain_axes(axes: Axes) -> None:
    """A light grid, no box, iterations with thousands set apart."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))  # none between two iterations
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(labelsize=8)
