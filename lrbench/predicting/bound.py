"""The convex bound on the last iterate's loss (arXiv:2501.18965), with coefficients fitted to curves, for ranks.

For stochastic subgradient descent on a convex function, the loss after the last iteration is at most

    L0 + D^2 / (2 S_1) + G^2 (Q_1 / (2 S_1) + 1/2 sum over k < T of eta_k Q_k / (S_k S_k+1))

with S_k and Q_k the sums of eta_t and eta_t^2 over t from k to the last iteration T. Deep nets are not convex; yet the
bound puts schedules in the order that they really have, and L0, D^2 and G^2 are found by non-negative least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.predicting.curves import Curve, Floats, Schedule
from lrbench.predicting.fitting import FINAL_WEIGHT, first_iteration, fitted_points

POINTS = 12
"""Points of a curve that are fitted; each takes as long as the run has iterations."""
SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class FittedBound:
    """The bound with its coefficients.

    Attributes:
        coefficients: L0, D^2 and G^2, with rates relative to ``reference``.
        offset: of final losses against the curves.
    """

    coefficients: Floats
    offset: float
    reference: float

    def loss(self, schedule: Schedule) -> float:
        """The bound of the loss after the last iteration, as final losses are measured."""
        return float(_terms(schedule.rates / self.reference) @ self.coefficients) + self.offset


def fit_bound(curves: Sequence[Curve]) -> FittedBound:
    """Fit the bound to curves."""
    from scipy.optimize import nnls

    reference, first = max(curve.schedule.peak for curve in curves), first_iteration(curves)
    rows, losses, weights = [], [], []
    for curve in curves:
        relative = curve.schedule.rates / reference
        for index in fitted_points(curve, first, POINTS):
            rows.append([*_terms(relative[: curve.iterations[index]]), 0, 0])
            losses.append(curve.losses[index])
            weights.append(1.0)
        rows.append([*_terms(relative), *((1, -1) if curve.final is not None else (0, 0))])
        losses.append(curve.target)
        weights.append(FINAL_WEIGHT)
    matrix, weight = np.array(rows), np.array(weights)
    scale = np.where(matrix.any(axis=0), np.abs(matrix).max(axis=0), 1)
    found = nnls(matrix / scale * weight[:, None], np.array(losses) * weight)[0] / scale
    return FittedBound(found[:3], float(found[3] - found[4]), reference)


def _terms(rates: Floats) -> Floats:
    """The terms behind L0, D^2 and G^2 for the rates of a run up to its last iteration."""
    positive = np.maximum(rates, SMALLEST)
    sums = np.cumsum(positive[::-1])[::-1]
    squares = np.cumsum((positive**2)[::-1])[::-1]
    late = np.sum(positive[:-1] * squares[:-1] / (sums[1:] * sums[:-1]))
    return np.array([1, 1 / (2 * sums[0]), squares[0] / (2 * sums[0]) + late / 2])
