"""Early stopping of runs that can no longer reach their target.

Two kinds of evidence, the first where there is enough of it:

Earlier runs of the workload that reached the target. How far behind a run is, at an evaluation, is measured in
``g = ln(e / e_target)``, where the error e is 1 - its best accuracy so far, against the median and the spread of g over
those runs at that iteration. A run's score is the worst of that over its evaluations. It is given up when its score is
above the ``ceil((n + 1)(1 - RISK))``-th smallest of the n earlier runs' own scores: a conformal bound, by which at most
RISK of the runs that would reach the target are given up, whatever the curves look like (Vovk et al., Algorithmic
Learning in a Random World, 2005), as long as the run is one more of the same kind.

Else its own curve: to reach the target from (t, e) within N iterations, the error has to fall on average as t^-b with
``b = ln(e / e_target) / ln(N / t)``. It is given up where b is above STEEPEST, which is more than any of the runs
needed that ``scripts/measure_early_verdicts`` looks at.

Of a metric that is better low, such as a loss, the error is its value, and runs are judged by earlier ones alone: how
fast it can fall is not known. Of any other metric, and of a target that is not positive, no error is known, and no run
is given up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, Target, target_of
from lrbench.runs.evaluations import Evaluation, of_trained_net

RISK = 0.02
STEEPEST = 3.0
LATEST = 0.8
"""Share of the budget after which no run is given up: too little is left to save."""
SMALLEST_SPREAD = 0.05
SMALLEST_ERROR = 1e-6

Curve = Sequence[tuple[int, float]]
"""Iterations, rising, each with the best value up to it."""


@dataclass(frozen=True)
class TargetFeasibility:
    """Decides from a run's beginning whether its target is still within reach.

    Attributes:
        target: the accuracy to reach, a fraction, or a target on another metric; ``within`` the budget in iterations.
        earlier: curves of runs of the same workload that reached it.
    """

    target: AnyTarget
    within: int
    earlier: tuple[Curve, ...] = ()

    @cached_property
    def _wanted(self) -> Target:
        wanted = target_of(self.target)
        assert wanted is not None  # a target is given
        return wanted

    @property
    def judges(self) -> bool:
        """Whether an error is known for the metric, so that runs can be given up."""
        metric = self._wanted.metric
        return metric.is_accuracy or (metric.sign < 0 and self._wanted.value > 0)

    @property
    def by_earlier_runs(self) -> bool:
        """Whether there are enough earlier runs to judge by."""
        return math.ceil((len(self.earlier) + 1) * (1 - RISK)) <= len(self.earlier)

    @property
    def evidence(self) -> str:
        """The evidence that runs are judged by, in words."""
        if not self.judges:
            return "nothing: no error is known for this target"
        needed = math.ceil(1 / RISK) - 1
        if self.by_earlier_runs:
            return (
                f"{len(self.earlier)} earlier runs of this workload that reached it; at most {100 * RISK:g} % of "
                "the runs that would reach it look like one that is given up"
            )
        if not self._wanted.metric.is_accuracy:
            return f"nothing, as there are {len(self.earlier)} earlier runs that reached it and {needed} are needed"
        return (
            f"its own curve, as there are {len(self.earlier)} earlier runs of this workload that reached it and "
            f"{needed} are needed: a rule of thumb that was right on other workloads"
        )

    def out_of_reach(self, rows: Sequence[Evaluation]) -> str | None:
        """Return why the target is out of reach after these evaluations, or None while it is not."""
        curve = best_so_far(rows, self._wanted.metric)
        if not self.judges or not curve or self._reached(curve[-1][1]) or curve[-1][0] > LATEST * self.within:
            return None
        iteration, value = curve[-1]
        if self.by_earlier_runs:
            if self._score(curve) <= self._limit:
                return None
            return (
                f"out of reach: {self._text(value)} by iteration {iteration} is further behind than {1 - RISK:.0%} of "
                f"{len(self.earlier)} earlier runs that reached {self._text(self._wanted.value)} ever were"
            )
        if not self._wanted.metric.is_accuracy:
            return None
        steepness = self._gap(value) / math.log(self.within / iteration)
        if steepness <= STEEPEST:
            return None
        return (
            f"out of reach: from {self._text(value)} at iteration {iteration} the error would have to fall as "
            f"t^-{steepness:.1f} to reach {self._text(self._wanted.value)} by iteration {self.within}, "
            f"faster than t^-{STEEPEST:g}"
        )

    def _reached(self, value: float) -> bool:
        return self._wanted.metric.reached(value, self._wanted.value)

    def _text(self, value: float) -> str:
        return f"{value:.2%}" if self._wanted.metric.is_accuracy else f"{value:.4g}"

    def _error(self, value: float) -> float:
        return max(1 - value if self._wanted.metric.is_accuracy else value, SMALLEST_ERROR)

    def _gap(self, value: float) -> float:
        return math.log(self._error(value) / self._error(self._wanted.value))

    def _score(self, curve: Curve) -> float:
        """The largest distance of a run behind the earlier ones, up to when it reached the target."""
        worst = -math.inf
        for iteration, value in curve:
            if self._reached(value):
                break
            middle, spread = self._level(iteration)
            worst = max(worst, (self._gap(value) - middle) / spread)
        return worst

    def _level(self, iteration: int) -> tuple[float, float]:
        """The median of the earlier runs' gaps at an iteration, and their spread (1.48 x median deviation)."""
        if iteration not in self._levels:
            reached = [
                [self._before(curve), *(value for at, value in curve if at <= iteration)][-1] for curve in self.earlier
            ]
            gaps = np.array([self._gap(value) for value in reached])
            middle = float(np.median(gaps))
            spread = 1.4826 * float(np.median(np.abs(gaps - middle)))
            self._levels[iteration] = middle, max(spread, SMALLEST_SPREAD)
        return self._levels[iteration]

    def _before(self, curve: Curve) -> float:
        """The value before the first evaluation: an accuracy of 0, of another metric no better than that there."""
        return 0.0 if self._wanted.metric.is_accuracy else curve[0][1]

    @cached_property
    def _levels(self) -> dict[int, tuple[float, float]]:
        """Cache of ``_level``, as all runs are judged at the same iterations."""
        return {}

    @cached_property
    def _limit(self) -> float:
        scores = sorted(self._score(curve) for curve in self.earlier)
        return scores[math.ceil((len(scores) + 1) * (1 - RISK)) - 1]


def best_so_far(rows: Sequence[Evaluation], metric: Objective = ACCURACY) -> Curve:
    """Return the best value up to each evaluation of the trained net, from the first one with a value on."""
    curve: list[tuple[int, float]] = []
    for row in of_trained_net(rows):
        known = [value for _, value in curve[-1:]]
        if not math.isnan(value := metric.value(row)):
            known.append(value)
        if known:
            curve.append((row.iteration, max(known, key=metric.order)))
    return curve
