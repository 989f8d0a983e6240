"""Early stopping of runs that can no longer reach their target.

Two kinds of evidence, the first where there is enough of it:

Earlier runs of the workload that reached the target. How far behind a run is, at an evaluation, is measured in
``g = ln(e / e_target)``, where e is 1 - its best accuracy so far, against the median and the spread of g over those
runs at that iteration. A run's score is the worst of that over its evaluations. It is given up when its score is above
the ``ceil((n + 1)(1 - RISK))``-th smallest of the n earlier runs' own scores: a conformal bound, by which at most RISK
of the runs that would reach the target are given up, whatever the curves look like (Vovk et al., Algorithmic Learning
in a Random World, 2005), as long as the run is one more of the same kind.

Else its own curve: to reach the target from (t, e) within N iterations, the error has to fall on average as t^-b with
``b = ln(e / e_target) / ln(N / t)``. It is given up where b is above STEEPEST, which is more than any of the runs
needed that ``scripts/measure_early_verdicts`` looks at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lrbench.runs.evaluations import Evaluation, of_trained_net

RISK = 0.02
STEEPEST = 3.0
LATEST = 0.8
"""Share of the budget after which no run is given up: too little is left to save."""
SMALLEST_SPREAD = 0.05

Curve = Sequence[tuple[int, float]]
"""Iterations, rising, each with the best accuracy up to it."""


@dataclass(frozen=True)
class TargetFeasibility:
    """Decides from a run's beginning whether its target is still within reach.

    Attributes:
        target: the accuracy to reach, a fraction; ``within`` the budget in iterations.
        earlier: curves of runs of the same workload that reached it.
    """

    target: float
    within: int
    earlier: tuple[Curve, ...] = ()

    @property
    def by_earlier_runs(self) -> bool:
        """Whether there are enough earlier runs to judge by."""
        return math.ceil((len(self.earlier) + 1) * (1 - RISK)) <= len(self.earlier)

    @property
    def evidence(self) -> str:
        """The evidence that runs are judged by, in words."""
        if self.by_earlier_runs:
            return (
                f"{len(self.earlier)} earlier runs of this workload that reached it; at most {100 * RISK:g} % of "
                "the runs that would reach it look like one that is given up"
            )
        return (
            f"its own curve, as there are {len(self.earlier)} earlier runs of this workload that reached it and "
            f"{math.ceil(1 / RISK) - 1} are needed: a rule of thumb that was right on other workloads"
        )

    def out_of_reach(self, rows: Sequence[Evaluation]) -> str | None:
        """Return why the target is out of reach after these evaluations, or None while it is not."""
        curve = best_so_far(rows)
        if not curve or curve[-1][1] >= self.target or curve[-1][0] > LATEST * self.within:
            return None
        iteration, accuracy = curve[-1]
        if self.by_earlier_runs:
            if self._score(curve) <= self._limit:
                return None
            return (
                f"out of reach: {accuracy:.2%} by iteration {iteration} is further behind than {1 - RISK:.0%} of "
                f"{len(self.earlier)} earlier runs that reached {self.target:.2%} ever were"
            )
        steepness = self._gap(accuracy) / math.log(self.within / iteration)
        if steepness <= STEEPEST:
            return None
        return (
            f"out of reach: from {accuracy:.2%} at iteration {iteration} the error would have to fall as "
            f"t^-{steepness:.1f} to reach {self.target:.2%} by iteration {self.within}, "
            f"faster than t^-{STEEPEST:g}"
        )

    def _gap(self, accuracy: float) -> float:
        return math.log(max(1 - accuracy, 1e-6) / max(1 - self.target, 1e-6))

    def _score(self, curve: Curve) -> float:
        """The largest distance of a run behind the earlier ones, up to when it reached the target."""
        worst = -math.inf
        for iteration, accuracy in curve:
            if accuracy >= self.target:
                break
            middle, spread = self._level(iteration)
            worst = max(worst, (self._gap(accuracy) - middle) / spread)
        return worst

    def _level(self, iteration: int) -> tuple[float, float]:
        """The median of the earlier runs' gaps at an iteration, and their spread (1.48 x median deviation)."""
        if iteration not in self._levels:
            # The accuracy is 0 before the first evaluation.
            reached = [[0.0, *(accuracy for at, accuracy in curve if at <= iteration)][-1] for curve in self.earlier]
            gaps = np.array([self._gap(accuracy) for accuracy in reached])
            middle = float(np.median(gaps))
            spread = 1.4826 * float(np.median(np.abs(gaps - middle)))
            self._levels[iteration] = middle, max(spread, SMALLEST_SPREAD)
        return self._levels[iteration]

    @cached_property
    def _levels(self) -> dict[int, tuple[float, float]]:
        """Cache of ``_level``, as all runs are judged at the same iterations."""
        return {}

    @cached_property
    def _limit(self) -> float:
        scores = sorted(self._score(curve) for curve in self.earlier)
        return scores[math.ceil((len(scores) + 1) * (1 - RISK)) - 1]


def best_so_far(rows: Sequence[Evaluation]) -> Curve:
    """Return the best accuracy up to each evaluation of the trained net, from the first one with a value on."""
    curve: list[tuple[int, float]] = []
    for row in of_trained_net(rows):
        known = [accuracy for _, accuracy in curve[-1:]]
        if not math.isnan(row.accuracy):
            known.append(row.accuracy)
        if known:
            curve.append((row.iteration, max(known)))
    return curve
