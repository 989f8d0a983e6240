"""Panels of figures: a metric of all policies in one panel, or the rates of each policy in a panel of its own.

Figures for a screen and for paper share these panels and differ in their arrangement. Imports matplotlib, so only its
user imports it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lrbench.drawing.axes import end_labels, fitted, in_percent, log_axis, not_measured, rate_axis
from lrbench.drawing.scales import RateScale, rate_scale
from lrbench.drawing.theme import EMPHASISED, FAINT, FILL, MOST_POLICIES, Look, screen_band, screen_look
from lrbench.errors import plain
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, target_of
from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.figures.data import Curve, metric_curve, rank_labels, rate_curve, zoom
from lrbench.report.formats import EQUAL_SEEDS, heading, mean_and_deviation, status_counts
from lrbench.report.policies import PolicyRow
from lrbench.runs.status import COMPLETED

LEGEND_CHARACTERS = 56
MARKERS_A_LINE = 12
AS_USED = " (where the rates depend on the run: as used before each evaluation, mean and range over the seeds)"


@dataclass(frozen=True)
class Series:
    """One policy in every figure of its workload.

    Attributes:
        name: the policy, with solver and engine where there are several.
        label: text in the legend.
        end: short label at the end of its line; empty for none.
    """

    row: PolicyRow
    name: str
    label: str
    look: Look
    end: str = ""

    @property
    def colour(self) -> str:
        """Colour of the line."""
        return str(self.look["color"])

    @property
    def handle(self) -> Line2D:
        """Sample of the line for a legend."""
        return Line2D([], [], **self.look)


@dataclass(frozen=True)
class PlotContext:
    """Policies of one workload as they are drawn, the best first.

    Attributes:
        objective: what the runs are judged by.
        complete: whether panels without a value are drawn, too; those of a program are left out.
        target: the accuracy to reach, a fraction, or a target on another metric; None where there is none or there are
            several.
        banded: number of policies, from the first, with a band over the seeds.
        band: look of a band, by the line's colour.
    """

    title: str
    series: tuple[Series, ...]
    legend_title: str
    objective: Objective = ACCURACY
    complete: bool = True
    target: AnyTarget | None = None
    banded: int = EMPHASISED
    band: Callable[[str], Look] = screen_band

    @classmethod
    def of(cls, workload: WorkloadTable, metric: Metric) -> PlotContext:
        """The first MOST_POLICIES, for a screen: each with its look and label."""
        shown = workload.policies[:MOST_POLICIES]
        series = []
        for index, (row, rank) in enumerate(zip(shown, rank_labels(workload.policies), strict=False)):
            name = plain(workload.name(row))
            short = name if len(name) <= LEGEND_CHARACTERS else name[: LEGEND_CHARACTERS - 1] + "…"
            values = [mean_and_deviation(row.summaries[metric.name], metric.unit)]
            unfinished = {status: n for status, n in row.statuses.items() if status not in COMPLETED}
            values += [status_counts(unfinished)] if unfinished else []
            label = f"{rank}.  {short}  [{', '.join(values)}]"
            series.append(Series(row, name, label, screen_look(index), rank if index < EMPHASISED else ""))
        notes = [f"line: mean over the seeds; [{heading(metric)}]"]
        if any(len(row.counted) > 1 and not row.equal_seeds for row in shown[:EMPHASISED]):
            notes.append(f"band: lowest to highest seed, of the first {min(len(shown), EMPHASISED)}")
        if equal := workload.equal_seeds:
            notes.append(f"{EQUAL_SEEDS} for {len(equal)} of {len(workload.policies)} policies")
        if any("diverged" in row.statuses for row in shown):
            notes.append("×: a seed diverged")
        if len(shown) < len(workload.policies):
            notes.append(f"the first {len(shown)} of {len(workload.policies)} policies")
        title = textwrap.shorten(plain(workload.label), 110, placeholder=" …")
        legend = "\n".join(notes)
        return cls(title, tuple(series), legend, workload.objective, not workload.is_program, workload.target)

    @property
    def rows(self) -> list[PolicyRow]:
        """The policies drawn."""
        return [series.row for series in self.series]

    def draw(self, axes: Axes, name: str) -> float:
        """Draw a metric of every policy; returns the lowest value, NaN where none has any."""
        lowest = np.nan
        for index, series in enumerate(self.series):
            found = draw_metric(axes, series, name, index, self.band if index < self.banded else None)
            lowest = float(np.fmin(lowest, found))
        if np.isnan(lowest):
            not_measured(axes)
        return lowest

    def label_ends(self, axes: Axes, name: str) -> None:
        """Write the short label of each line that has one at its end; once the axes have their limits."""
        curves = [(series, metric_curve(series.row, name)) for series in self.series if series.end]
        known = [(series, curve) for series, curve in curves if not curve.empty]
        last = max((curve.iterations[-1] for _, curve in known), default=0.0)
        ends = [
            (float(curve.mean[-1]), series.end, series.colour)
            for series, curve in known
            if curve.iterations[-1] == last and np.isfinite(curve.mean[-1])
        ]
        end_labels(axes, ends)


def draw_metric(axes: Axes, series: Series, name: str, index: int, band: Callable[[str], Look] | None) -> float:
    """Draw a metric of one policy; returns its lowest value, NaN where it has none.

    Args:
        index: which line of the figure it is, so that markers of several do not hide each other.
        band: look of the band from the lowest to the highest seed, by the line's colour; None for no band.
    """
    curve = metric_curve(series.row, name)
    if curve.empty:
        return np.nan
    known = int(np.isfinite(curve.mean).sum())
    every = max(1, len(curve.mean) // MARKERS_A_LINE)
    # A single evaluation is no line: it gets a dot.
    marker = {"marker": series.look.get("marker", "o")} if known == 1 else {"markevery": (index % every, every)}
    axes.plot(curve.iterations, curve.mean, **{**series.look, **marker})
    if band is not None and (curve.lowest < curve.highest).any():
        axes.fill_between(curve.iterations, curve.lowest, curve.highest, **band(series.colour))
    for iteration, value in curve.ends:
        size = 2 * series.look.get("markersize", 3.5)
        axes.plot(iteration, value, marker="x", color=series.colour, markersize=size, zorder=series.look["zorder"])
    return float(np.nanmin(curve.lowest))


@dataclass(frozen=True)
class Panel:
    """Panel of a metric of all policies: title of its vertical axis, metric, and a function that sets the axis up."""

    title: str
    metric: str
    finish: Callable[[Axes, PlotContext], None]

    def fill(self, axes: Axes, context: PlotContext) -> None:
        """Draw the panel with its title."""
        lowest = context.draw(axes, self.metric)
        if self.finish is not _logarithmic or lowest > 0:
            self.finish(axes, context)
        context.label_ends(axes, self.metric)
        axes.set_ylabel(self.title)


def _logarithmic(axes: Axes, _: PlotContext) -> None:
    log_axis(axes)


_LOSSES = (Panel("training loss", "train_loss", _logarithmic), Panel("test loss", "test_loss", _logarithmic))
_CONFIDENCE = (
    Panel("average confidence", "average_confidence", lambda axes, _: in_percent(axes)),
    Panel("confidence deviation", "confidence_deviation", lambda axes, _: in_percent(axes)),
)


def panels(what: str, context: PlotContext) -> tuple[Panel, ...]:
    """Return the panels of a subject with all policies: ``objective``, ``accuracy``, ``loss`` or ``confidence``."""
    if what == "loss":
        found = _LOSSES
    elif what == "confidence":
        found = _CONFIDENCE
    else:
        found = _whole_and_zoomed(ACCURACY if what == "accuracy" else context.objective)
    if context.complete:
        return found
    curves = {panel.metric: [metric_curve(row, panel.metric) for row in context.rows] for panel in found}
    return tuple(panel for panel in found if not all(curve.empty for curve in curves[panel.metric]))


def objective_title(objective: Objective) -> str:
    """Title of the axis of an objective."""
    return "top-1 accuracy" if objective.is_accuracy else objective.title


def objective_scale(axes: Axes, objective: Objective) -> None:
    """Set the axis of an objective up: percent for a fraction."""
    if objective.unit == "fraction":
        in_percent(axes)


def _whole_and_zoomed(objective: Objective) -> tuple[Panel, Panel]:
    title, column = objective_title(objective), objective.column
    logarithmic = objective.goal == "minimize" and objective.unit != "fraction"

    def finish(axes: Axes, context: PlotContext) -> None:
        objective_scale(axes, objective)
        target = target_of(context.target)
        if target is not None and target.metric.column == column:
            axes.axhline(target.value, color="grey", linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)

    def whole(axes: Axes, context: PlotContext) -> None:
        finish(axes, context)
        if logarithmic and axes.dataLim.y0 > 0:
            log_axis(axes)

    def zoomed(axes: Axes, context: PlotContext) -> None:
        finish(axes, context)
        if (part := zoom(context.rows, objective)) is not None:
            margin = 0.03 * (part.end - part.start)
            axes.set_ylim(part.low, part.high)
            axes.set_xlim(part.start - margin, part.end + margin)

    return Panel(title, column, whole), Panel(f"{title}, zoomed in", column, zoomed)


@dataclass(frozen=True)
class Rates:
    """Rates of each policy on one scale, for panels side by side: in one panel, periodic rates hide each other."""

    curves: tuple[Curve, ...]
    scale: RateScale

    @classmethod
    def of(cls, rows: Sequence[PolicyRow]) -> Rates:
        """Compute the rate curves of the rows."""
        curves = tuple(map(rate_curve, rows))
        return cls(curves, rate_scale(curve.highest for curve in curves))

    @property
    def title(self) -> str:
        """Title of the vertical axis."""
        return "learning rate (log)" if self.scale.logarithmic else "learning rate"

    def draw(self, axes: Axes, index: int, colour: str, behind: bool = False) -> None:
        """Draw the rates of one policy.

        Args:
            behind: whether to draw a grey shape as a background for curves, in place of a line of the colour.
        """
        curve, low = self.curves[index], self.scale.low
        # Steps for what is known at evaluations only, as a slope would claim to know what lies between.
        step: Literal["pre"] | None = "pre" if curve.at_evaluations else None
        mean, lowest, highest = (np.maximum(column, low) for column in (curve.mean, curve.lowest, curve.highest))
        if behind:
            axes.fill_between(curve.iterations, low, mean, step=step, color=FILL, linewidth=0)
        elif (lowest < highest).any():
            axes.fill_between(curve.iterations, lowest, highest, step=step, **screen_band(colour))
        look: Look = {"color": FAINT, "linewidth": 0.6} if behind else {"color": colour, "linewidth": 1.2}
        axes.plot(curve.iterations, mean, drawstyle="steps-pre" if step else "default", **look)
        rate_axis(axes, self.scale)


def policy_title(series: Series, inches: float, points: float, lines: int = 2) -> str:
    """Return rank and policy as the title of a panel, in at most so many lines."""
    return fitted(f"{series.row.rank or '-'}.  {series.name}", inches, points, lines)
