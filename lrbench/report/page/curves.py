"""Curves of the page, thinned to what a chart can show; their points lie on a few shared grids of iterations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.report.figures.data import Curve, metric_curve, rate_curve, thinned
from lrbench.report.policies import PolicyRow

Column = NDArray[np.float64]
KnownRates = dict[tuple[str, int], Curve]
"""Thinned rates by policy and iterations."""

RATE = "learning_rate"
DRAWN = (
    "train_loss",
    "test_loss",
    "accuracy_top1",
    "average_confidence",
    "confidence_deviation",
    "expected_calibration_error",
)
MOST_EVALUATIONS, MOST_RATES = 300, 240
DIGITS = 5


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

    def of(self, row: PolicyRow) -> dict[str, Any]:
        """Return each curve by its metric's name: ``grid`` and ``mean``, with several seeds ``low`` and ``high``.

        A curve without a point is left out. Values have five digits, NaN is null. ``ends`` are the last points of
        seeds that diverged; ``steps`` says that a value holds from its point back to the one before.
        """
        curves = {RATE: self._rate(row)}
        curves |= {name: _thin(metric_curve(row, name), MOST_EVALUATIONS) for name in DRAWN}
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
