"""Naive predictions to compare with: what somebody would guess from a constant run and an annealed one.

The loss of the run that keeps its rate falls as a power law in iterations, and annealing lowers it by what it did in
the fitted runs, whatever the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.predicting.curves import Curve, Floats, Schedule
from lrbench.predicting.fitting import MOST_POINTS, first_iteration, fitted_points

ANNEALED = 0.3
"""Share of its peak below which the rate of an annealed run ends."""
_POWERS = np.linspace(0.05, 1.5, 146)


@dataclass(frozen=True, eq=False)
class Naive:
    """A power law in iterations, L0 + A t^-alpha, and the mean drop by annealing.

    Attributes:
        drop: of the loss by annealing, and by the difference between curves and final losses.
        offset: of final losses of the constant run against its curve.
    """

    level: float
    factor: float
    power: float
    drop: float
    offset: float

    def loss(self, schedule: Schedule) -> float:
        """Predict the loss after the last iteration."""
        constant = self.level + self.factor * math.exp(-self.power * math.log(schedule.length))
        return constant + (-self.drop if is_annealed(schedule) else self.offset)


def is_annealed(schedule: Schedule) -> bool:
    """Return whether the rate ends low."""
    return bool(schedule.rates[-1] <= ANNEALED * schedule.peak)


def fit_naive(curves: Sequence[Curve]) -> Naive | None:
    """Fit the power law to the longest run that is not annealed; None without one, or without an annealed one."""
    constant = [curve for curve in curves if not is_annealed(curve.schedule)]
    annealed = [curve for curve in curves if is_annealed(curve.schedule)]
    if not constant or not annealed:
        return None
    longest = max(constant, key=lambda curve: curve.schedule.length)
    points = fitted_points(longest, first_iteration(curves), MOST_POINTS)
    level, factor, power = _power_law(longest.iterations[points].astype(np.float64), longest.losses[points])
    fitted = Naive(level, factor, power, 0.0, 0.0)
    drop = float(np.mean([fitted.loss(curve.schedule) - curve.target for curve in annealed]))
    return Naive(level, factor, power, drop, longest.target - fitted.loss(longest.schedule))


def _power_law(iterations: Floats, losses: Floats) -> tuple[float, float, float]:
    from scipy.optimize import nnls

    def solved(power: float) -> tuple[float, float, float, float]:
        found, misfit = nnls(np.column_stack([np.ones(len(iterations)), iterations**-power]), losses)
        return float(misfit), float(found[0]), float(found[1]), power

    return min(map(solved, _POWERS))[1:]
