"""Fit of a law to loss curves: coefficients by non-negative least squares, shape parameters by a search around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lrbench.predicting.curves import Curve, Floats, Integers, Schedule
from lrbench.predicting.laws import Law, Terms

MOST_POINTS, ALL_POINTS = 40, 400
"""Fitted points of a curve, evenly spaced over it so that later parts count as much as earlier ones, and of all curves.
"""
EARLY = 0.05
"""Share of the longest run before which losses are not fitted: no law holds during the first descent."""
WARM_UPS = 3
"""Losses before this multiple of a run's warm-up are not fitted."""
FINAL_WEIGHT = 4.0
"""Weight of the loss after the last iteration, which is what predictions are of, against that of a point."""
IMPOSSIBLE = 1e9


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law with its coefficients.

    Attributes:
        values: of the law's shape parameters.
        coefficients: L0, A and B.
        offset: of final losses against the curves, where they are measured in another way.
        reference: the rate that rates are relative to.
        longest: progress of the longest fitted run.
        rms: root mean square of the relative errors of the fitted points.
    """

    law: Law
    values: Floats
    coefficients: Floats
    offset: float
    reference: float
    longest: float
    rms: float

    def loss(self, schedule: Schedule) -> float:
        """Predict the loss after the last iteration, as final losses are measured."""
        terms = Terms(self.law, schedule, np.array([schedule.length]), self.reference)
        return float(terms.matrix(self.values, self.longest)[0] @ self.coefficients) + self.offset


def first_iteration(curves: Sequence[Curve]) -> int:
    """Iteration from which on losses are fitted, whatever the warm-up."""
    return int(EARLY * max(curve.schedule.length for curve in curves))


def fitted_points(curve: Curve, first: int, most: int) -> Integers:
    """Indices of the points of a curve that are fitted, ``most`` of them."""
    usable = np.flatnonzero(curve.iterations >= max(first, WARM_UPS * curve.schedule.warm_up))
    if len(usable) <= most:
        return usable
    return usable[np.linspace(0, len(usable) - 1, most).round().astype(np.int64)]


def fit_law(law: Law, curves: Sequence[Curve], start: Floats | None = None) -> FittedLaw:
    """Fit a law to curves.

    Args:
        start: values of the shape parameters to search from, in place of the law's own starts.
    """
    problem = _Problem(law, curves)
    starts = [np.array(values) for values in product(*(shape.starts for shape in law.shapes))]
    searched = [problem.search(values) for values in (starts if start is None else [start])]
    return problem.fitted(min(searched, key=lambda found: found[1])[0])


class _Problem:
    """The weighted least-squares problem of a law and curves, for any values of the shape parameters."""

    def __init__(self, law: Law, curves: Sequence[Curve]) -> None:
        self._law = law
        self._reference = max(curve.schedule.peak for curve in curves)
        self._longest = max(
            float(np.sum((curve.schedule.rates / self._reference) ** law.progress_power)) for curve in curves
        )
        first, most = first_iteration(curves), max(10, min(MOST_POINTS, ALL_POINTS // len(curves)))
        losses, weights, finals = [], [], []
        self._terms: list[Terms] = []
        for curve in curves:
            points = fitted_points(curve, first, most)
            iterations, measured = curve.iterations[points], curve.losses[points]
            weight = np.ones(len(points))
            if curve.final is not None:
                iterations, measured = np.append(iterations, curve.schedule.length), np.append(measured, curve.final)
                weight = np.append(weight, FINAL_WEIGHT)
            elif len(weight):
                weight[-1] = FINAL_WEIGHT
            self._terms.append(Terms(law, curve.schedule, iterations, self._reference))
            losses.append(measured)
            weights.append(weight)
            finals.append(np.arange(len(measured)) == (len(points) if curve.final is not None else -1))
        self._losses, final = np.concatenate(losses), np.concatenate(finals).astype(np.float64)
        self._weights = np.concatenate(weights) / np.abs(self._losses)
        self._offset = np.column_stack([final, -final]) if final.any() else np.empty((len(final), 0))

    def search(self, start: Floats) -> tuple[Floats, float]:
        """Search the shape parameters from there; return the best and the misfit."""
        from scipy.optimize import minimize

        simplex = start + np.vstack([np.zeros(len(start)), np.diag([shape.step for shape in self._law.shapes])])
        options = {"xatol": 1e-3, "fatol": 1e-7, "maxiter": 400, "initial_simplex": simplex}
        found = minimize(self._misfit, start, method="Nelder-Mead", options=options)
        return found.x, float(found.fun)

    def fitted(self, values: Floats) -> FittedLaw:
        """The law with these values and the best coefficients."""
        found, _ = self._solve(values)
        predicted = self._matrix(values) @ found
        offset = float(found[3] - found[4]) if len(found) > 3 else 0.0
        rms = float(np.sqrt(np.mean((predicted / self._losses - 1) ** 2)))
        return FittedLaw(self._law, values, found[:3], offset, self._reference, self._longest, rms)

    def _misfit(self, values: Floats) -> float:
        if any(not shape.low <= value <= shape.high for shape, value in zip(self._law.shapes, values, strict=True)):
            return IMPOSSIBLE
        drawn = sum(
            ((value - shape.usual) / shape.spread) ** 2 for shape, value in zip(self._law.shapes, values, strict=True)
        )
        _, residual = self._solve(values)
        return float(1e4 * residual**2 / len(self._losses) + drawn)

    def _solve(self, values: Floats) -> tuple[Floats, float]:
        from scipy.optimize import nnls

        found, residual = nnls(self._matrix(values) * self._weights[:, None], self._losses * self._weights)
        return found, float(residual)

    def _matrix(self, values: Floats) -> Floats:
        return np.column_stack(
            [np.vstack([terms.matrix(values, self._longest) for terms in self._terms]), self._offset]
        )
