"""Curves of the page, thinned to what a chart can show; their points lie on a few shared grids of iterations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.metrics.registry import CLOCKS, METRICS
from lrbench.report.build import WorkloadTable
from lrbench.report.figures.data import Curve, metric_curve, rate_curve, thinned
from lrbench.report.policies import PolicyRow

Column = NDArray[np.float64]
KnownRates = dict[tuple[str, int], Curve]
"""Thinned rates by policy and iterations."""

RATE = "learning_rate"
MOST_EVALUATIONS, MOST_RATES = 300, 240
DIGITS = 5


Scale = Literal["plain", "percent", "logarithm"]


@dataclass(frozen=True)
class Kind:
    """A chart of curves: its metric, title, the title and scale of its axis, and whether it is zoomed in."""

    name: str
    title: str
    axis: str
    scale: Scale
    zoomed: bool = False


def curve_kinds(workload: WorkloadTable) -> list[Kind]:
    """Return the charts of a workload: rates, the objective, accuracy, losses, confidence, and a program's own metrics.

    Charts of a metric without a value are left out by the page.
    """
    objective = workload.objective
    kinds = [Kind(RATE, "Learning rate", "learning rate", "plain"), *_of_objective(objective, workload)]
    if not objective.is_accuracy:
        kinds.append(Kind(ACCURACY.column, "Accuracy", "top-1 accuracy, %", "percent"))
    kinds += [
        Kind("train_loss", "Training loss", "training loss", "logarithm"),
        Kind("test_loss", "Test loss", "test loss", "logarithm"),
        Kind("average_confidence", "Confidence in the correct answers", "confidence, %", "percent"),
        Kind("confidence_deviation", "Confidence deviation", "deviation, points", "percent"),
        Kind("expected_calibration_error", "Expected calibration error", "error, points", "percent"),
    ]
    columns = dict.fromkeys(name for run in workload.runs for name in run.evaluations)
    for name in columns:
        if name not in METRICS and name not in CLOCKS:
            title = name.replace("_", " ")
            kinds.append(Kind(name, title[:1].upper() + title[1:], title, "plain"))
    first: dict[tuple[str, bool], Kind] = {}
    for kind in kinds:
        first.setdefault((kind.name, kind.zoomed), kind)
    return list(first.values())


def _of_objective(objective: Objective, workload: WorkloadTable) -> list[Kind]:
    """The objective over the whole run, and zoomed in."""
    if objective.is_accuracy:
        head = "Accuracy" if workload.is_program else "Accuracy on the test set"
        return [
            Kind(objective.column, head, "top-1 accuracy, %", "percent"),
            Kind(objective.column, "Accuracy, zoomed in on the best", "top-1 accuracy, %", "percent", zoomed=True),
        ]
    title = objective.title[:1].upper() + objective.title[1:]
    scale: Scale = "percent" if objective.unit == "fraction" else "plain"
    axis = f"{objective.title}, %" if scale == "percent" else objective.title
    whole = scale
    if scale == "plain" and objective.goal == "minimize":
        columns = [run.evaluations[objective.column] for run in workload.runs if objective.column in run.evaluations]
        whole = scale if any((column <= 0).any() for column in columns) else "logarithm"
    zoomed = Kind(objective.column, f"{title}, zoomed in on the best", axis, scale, zoomed=True)
    return [Kind(objective.column, title, axis, whole), zoomed]


@dataclass
class Curves:
    """Makes the curves of one page.

    Attributes:
        grids: the iterations that curves lie over, each list once; filled as curves are made.
        rates: those known already; others are added.
    """

    rates: KnownRates
    grids: list[list[int]] = field(default_factory=list)
    _places: dict[bytes, int] = field(default_factory=dict)

    def of(self, row: PolicyRow, names: Iterable[str]) -> dict[str, Any]:
        """Return each curve by its metric's name: ``grid`` and ``mean``, with several seeds ``low`` and ``high``.

        A curve without a point is left out. Values have five digits, NaN is null. ``ends`` are the last points of
        seeds that diverged; ``steps`` says that a value holds from its point back to the one before.
        """
        curves = {RATE: self._rate(row)}
        curves |= {name: _thin(metric_curve(row, name), MOST_EVALUATIONS) for name in names if name != RATE}
        return {name: self._points(curve) for name, curve in curves.items() if not curve.empty}

    def _rate(self, row: PolicyRow) -> Curve:
        budget = row.runs[0].workload.get("iterations") if row.runs else None
        key = (row.policy, budget) if isinstance(budget, int) else None
        if key in self.rates:
            return self.rates[key]
        curve = _thin(rate_curve(row), MOST_RATES)
        if key is not None and not curve.at_evaluations:
            self.rates[key] = curve
        return curve

    def _points(self, curve: Curve) -> dict[str, Any]:
        key = curve.iterations.tobytes()
        if key not in self._places:
            self._places[key] = len(self.grids)
            self.grids.append(curve.iterations.astype(int).tolist())
        found: dict[str, Any] = {"grid": self._places[key], "mean": rounded(curve.mean)}
        if (curve.lowest < curve.highest).any():
            found |= {"low": rounded(curve.lowest), "high": rounded(curve.highest)}
        if curve.ends:
            found["ends"] = [[iteration, float(f"{value:.{DIGITS}g}")] for iteration, value in curve.ends]
        return found | ({"steps": True} if curve.at_evaluations else {})


def _thin(curve: Curve, most: int) -> Curve:
    places = thinned(curve.mean, most)
    names = ("iterations", "mean", "lowest", "highest")
    return replace(curve, **{name: getattr(curve, name)[places] for name in names})


def rounded(values: Column) -> list[float | None]:
    """The values with five digits, None for what is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.floor(np.log10(np.abs(values)))
        factor = 10.0 ** np.clip(DIGITS - 1 - np.where(np.isfinite(size), size, 0), -300, 300)
        short = np.where(values == 0, 0.0, np.rint(values * factor) / factor)
    return [value if known else None for value, known in zip(short.tolist(), np.isfinite(short), strict=True)]
