"""Result of a search: the policies that were tried, the best of them confirmed, and the cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective
from lrbench.policies import Policy, parse_policy
from lrbench.runs.status import COMPLETED
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.range_test.result import RangeCost

FOUND, BASELINE = "found", "baseline"
"""Roles of the policies that are confirmed."""


@dataclass(frozen=True)
class Tried:
    """A policy that the search tried, as far as its run went.

    Attributes:
        status: of the run; ``pending`` for one that was given up ("pruned").
        best_accuracy: a fraction, on the data that the search evaluates on; None where the run has none, or where
            another metric is the objective: then ``best_value`` is the best of that.
        final_value: of the objective at the last evaluation, where the search judges policies by that.
        iterations_to_best, iterations_to_target: None where not reached.
        iterations: training iterations; ``seconds`` of training and evaluating.
    """

    policy: str
    function: str
    status: str
    best_accuracy: float | None
    iterations_to_best: int | None
    iterations_to_target: int | None
    iterations: int
    seconds: float
    run: str
    best_value: float | None = None
    final_value: float | None = None

    @property
    def value(self) -> float | None:
        """The value of the objective that the search judges the policy by; None where the run has none."""
        known = (self.final_value, self.best_value, self.best_accuracy)
        return next((value for value in known if value is not None), None)

    @property
    def ended(self) -> bool:
        """Whether the policy was trained to its end without diverging."""
        return self.status in COMPLETED and self.value is not None


@dataclass(frozen=True)
class TuneResult:
    """The policies that a search tried, the best of them confirmed, and the cost.

    Attributes:
        tried: every run once, in the order of their first trials.
        evaluated_on: "validation" or "test": the data that the search evaluates on.
        engine: of the search; ``confirmed_engine`` of the confirming runs.
        run_iterations: of a full run.
        finals: the best of the search over further seeds, the best first; empty where there were none.
        confirmed: full runs of the best and the baselines, on the test set; of further finalists where all before
            them diverged.
        by: as in the spec's ``search.by``; ``objective`` by which the search judges policies.
        declared: sentences on what a program declares.
        baseline_reason: why the baselines are what they are; empty where the spec names them.
        range_cost: of the range test that found the base rates, where one was run.
        allocation: how the policies are shared out among LR functions, in a sentence.
        samplers: distinct settings of the samplers that proposed ``tried``; None for trials that recorded none.
    """

    name: str
    by: str
    target: AnyTarget | None
    evaluated_on: str
    data: str
    engine: str
    run_iterations: int
    tried: tuple[Tried, ...]
    finals: tuple[Confirmed, ...] = ()
    confirmed: tuple[Confirmed, ...] = ()
    confirmed_engine: str | None = None
    samplers: tuple[dict[str, Any] | None, ...] = ()
    objective: Objective = ACCURACY
    declared: tuple[str, ...] = ()
    baseline_reason: str = ""
    range_cost: RangeCost | None = None
    allocation: str = ""

    @property
    def iterations(self) -> int:
        """Training iterations of the search, those of pruned and diverged runs among them."""
        return sum(tried.iterations for tried in self.tried)

    @property
    def seconds(self) -> float:
        """Training and evaluating time of the search, summed over its runs."""
        return sum(tried.seconds for tried in self.tried)

    @property
    def ranked(self) -> list[Tried]:
        """Policies trained to their end, the best first; of several equal ones the one that had it sooner."""
        ended = [tried for tried in self.tried if tried.ended]
        if self.by == "iterations":
            return sorted(ended, key=lambda tried: (_late(tried.iterations_to_target), *self._worse(tried)))
        return sorted(ended, key=self._worse)

    @property
    def pareto(self) -> list[Tried]:
        """Pareto front of value and iterations to the target, the best value first."""
        front: list[Tried] = []
        for tried in sorted(self.ranked, key=lambda tried: (self._worse(tried)[0], _late(tried.iterations_to_target))):
            if not front or _late(tried.iterations_to_target) < _late(front[-1].iterations_to_target):
                front.append(tried)
        return front

    @property
    def best(self) -> list[Tried]:
        """Policies that the search recommends, in order: the Pareto front for ``search.by: both``."""
        return self.pareto if self.by == "both" else self.ranked

    @property
    def chosen(self) -> list[Policy]:
        """The best policies, the finalists in the order of the finals before all others."""
        best = [parse_policy(tried.policy) for tried in self.best]
        return list(dict.fromkeys([*(row.policy for row in self.finals), *best]))

    def _worse(self, tried: Tried) -> tuple[float, float]:
        value = math.inf if tried.value is None else -self.objective.order(tried.value)
        return value, _late(tried.iterations_to_best)


def _late(iterations: int | None) -> float:
    return float("inf") if iterations is None else iterations
