"""What is drawn into axes: a metric of all policies in one panel, or each policy's rates in a panel of its own.

The pictures for a screen and those for paper share these panels and differ in their arrangement. Imports matplotlib, so
only its user imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lrbench.report.curves import Curve, metric_curve, rate_curve
from lrbench.report.looks import print_band
from lrbench.report.paper_text import wrapped_policy
from lrbench.report.scene import Line, Scene, draw_metric

AS_USED = " (where the rates depend on the run: as used before each evaluation, mean and range over the seeds)"
START = 0.2
"""The part of a run whose accuracies do not set the scale of the pictures of rate against accuracy."""
RATE_FILL, RATE_LINE = "#dddddd", "#888888"


@dataclass(frozen=True)
class Panel:
    """Axes with all policies: its title, which stands beside the vertical axis, and what draws it."""

    title: str
    draw: Callable[[Axes, Scene], None]

    def fill(self, axes: Axes, scene: Scene) -> None:
        """Draw it with its title."""
        self.draw(axes, scene)
        axes.set_ylabel(self.title)


def _loss(axes: Axes, scene: Scene, name: str) -> None:
    if scene.draw(axes, name) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _share(axes: Axes, scene: Scene, name: str) -> None:
    scene.draw(axes, name)
    in_percent(axes)


def _accuracy(axes: Axes, scene: Scene) -> None:
    if scene.target is not None:
        axes.axhline(scene.target, color="grey", linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    _share(axes, scene, "accuracy_top1")


def _near(axes: Axes, scene: Scene) -> None:
    """The part of the picture where the better half of the policies ends up."""
    _accuracy(axes, scene)
    best = [mean for line in scene.lines if (mean := line.row.summaries["best_accuracy"].mean) is not None]
    if not best:
        return
    top, middle = max(best), float(np.median(best))
    curves = [metric_curve(line.row, "accuracy_top1") for line in scene.lines]
    ends = [float(curve.mean[np.isfinite(curve.mean)][-1]) for curve in curves if not curve.empty]
    span = max(top - min(middle, float(np.median(ends))), 0.005)
    bottom = top - 2 * span
    axes.set_ylim(bottom, top + 0.3 * span)
    inside = [curve.iterations[curve.highest >= bottom][:1] for curve in curves]
    end = max((curve.iterations[-1] for curve in curves if not curve.empty), default=0.0)
    start = min((float(first[0]) for first in inside if len(first)), default=end)
    if start < end:
        axes.set_xlim(start - 0.03 * (end - start), end + 0.03 * (end - start))


TOGETHER: dict[str, tuple[Panel, ...]] = {
    "loss": (
        Panel("training loss", partial(_loss, name="train_loss")),
        Panel("test loss", partial(_loss, name="test_loss")),
    ),
    "accuracy": (Panel("top-1 accuracy", _accuracy), Panel("top-1 accuracy, from near", _near)),
    "confidence": (
        Panel("average confidence", partial(_share, name="average_confidence")),
        Panel("confidence deviation", partial(_share, name="confidence_deviation")),
    ),
}
"""Panels with all policies, by what they show."""


def in_percent(axes: Axes) -> None:
    """Fractions as percentages."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


@dataclass(frozen=True)
class Rates:
    """The rates of each line, as panels side by side show them: periodic ones on top of each other cannot be read.

    Attributes:
        shared: whether one axis serves all; not where that would squeeze some of them flat.
    """

    curves: tuple[Curve, ...]
    tops: tuple[float, ...]
    shared: bool

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Rates:
        """Those of the lines."""
        curves = tuple(rate_curve(line.row) for line in lines)
        tops = tuple(map(_top, curves))
        return cls(curves, tops, max(tops) <= 10 * min(tops))

    @property
    def sampled(self) -> bool:
        """Whether any is known at the evaluations only."""
        return any(curve.at_evaluations for curve in self.curves)

    def draw(self, axes: Axes, place: int, line: Line) -> None:
        """The rates of the policy at a place, in its colour."""
        curve = self.curves[place]
        axes.plot(curve.iterations, curve.mean, color=line.colour, linewidth=1.2, drawstyle=_steps(curve))
        if (curve.lowest < curve.highest).any():
            axes.fill_between(
                curve.iterations, curve.lowest, curve.highest, step="pre", color=line.colour, alpha=0.15, linewidth=0
            )
        self._scale(axes, place)

    def draw_behind(self, axes: Axes, place: int) -> None:
        """The same as a grey shape for curves to stand before."""
        curve = self.curves[place]
        axes.fill_between(
            curve.iterations, 0, curve.mean, step="pre" if curve.at_evaluations else None, color=RATE_FILL, linewidth=0
        )
        axes.plot(curve.iterations, curve.mean, color=RATE_LINE, linewidth=0.6, drawstyle=_steps(curve))
        self._scale(axes, place)

    def _scale(self, axes: Axes, place: int) -> None:
        axes.set_ylim(0, 1.06 * (max(self.tops) if self.shared else self.tops[place]))


def _steps(curve: Curve) -> str:
    """Steps for what is known at evaluations only, as a slope would claim to know what lies between."""
    return "steps-pre" if curve.at_evaluations else "default"


def _top(curve: Curve) -> float:
    """The highest rate, 1 where there is none to scale an axis by."""
    finite = curve.highest[np.isfinite(curve.highest)]
    return float(finite.max()) if len(finite) and finite.max() > 0 else 1.0


def draw_accuracy_before(axes: Axes, line: Line) -> None:
    """The accuracy of one policy as a plain line with its band, to stand before the shape of its rates."""
    look = {"color": line.colour, "linewidth": 1.2, "zorder": 3}
    draw_metric(axes, replace(line, look=look), "accuracy_top1", 0, print_band)
    in_percent(axes)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def accuracy_limits(lines: Sequence[Line]) -> tuple[float, float]:
    """One scale for the accuracies of all lines, of what they reach once the training is under way."""
    curves = [metric_curve(line.row, "accuracy_top1") for line in lines]
    known = [curve for curve in curves if not curve.empty]
    if not known:
        return 0.0, 1.0
    end = max(curve.iterations[-1] for curve in known)
    late = [value for curve in known for value in curve.lowest[curve.iterations >= START * end] if np.isfinite(value)]
    top = max(float(np.nanmax(curve.highest)) for curve in known)
    bottom = min(late, default=0.0)
    margin = 0.06 * max(top - bottom, 0.005)
    return bottom - margin, top + margin


def policy_title(line: Line, width: int, most: int = 2) -> str:
    """Rank and policy, at the head of a panel of its own, in so many lines at most."""
    return wrapped_policy(f"{line.row.rank or '-'}.  {line.name}", width, most)
