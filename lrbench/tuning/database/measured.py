"""Runs as the policy database keeps them: every metric, and the evaluations with a new best value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, ConfigDict, Field

from lrbench.metrics.equal_seeds import is_clock
from lrbench.metrics.metric import Metric
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, target_of
from lrbench.metrics.registry import METRICS, unknown_metric

LONGEST_TEXT = 20_000
LARGEST_INTEGER = 2**31 - 1  # what an INTEGER of PostgreSQL holds


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be shown")
    return text


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
Name = Annotated[Text, Field(min_length=1)]
Natural = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Count = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Status = Literal["finished", "stopped", "diverged"]

CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)
"""How pydantic reads these classes from results folders and files, which may be anybody's."""


class NewBest(NamedTuple):
    """An evaluation with a better value than all before it; training seconds up to there, None if unknown."""

    iteration: Natural
    value: float
    train_seconds: float | None


@dataclass(frozen=True)
class MeasuredRun:
    """One run that reached an outcome, and its origin.

    Attributes:
        status: ``stopped`` is a run that a stopping rule, or a search, ended before its iterations were done.
        reason: why it stopped or diverged.
        iteration: iterations trained.
        metrics: by name, but for those that depend on a target; None where not known, such as after divergence.
        curve: the evaluations with a new best accuracy.
        run_at, added_at: ISO 8601 in UTC; when the run began, and when it was first added to a database.
        cpu, gpu: the kind of processor, None where not known or none was used.
        threads: BLAS threads.
        note: the user's.
        shipped: whether it came with LRBench, measured by its authors.
        objective: as in run.json, where another metric than the accuracy judges the run; else empty.
        bests: the evaluations with a new best value of that metric.
        facts: what a program declares of its training, as in run.json.
    """

    run_id: Name
    seed: Natural
    status: Status
    reason: Text | None
    iteration: Natural
    metrics: Mapping[Name, float | None]
    curve: tuple[NewBest, ...]
    experiment: Name
    run_at: Text | None
    added_at: Text
    lrbench_version: Text | None
    engine_version: Text | None
    cpu: Text | None
    gpu: Text | None
    cores: Natural | None
    threads: Natural | None
    note: Text | None = None
    shipped: bool = False
    objective: Mapping[Name, Name] = field(default_factory=dict)
    bests: tuple[NewBest, ...] = ()
    facts: Mapping[Name, bool | Text] = field(default_factory=dict)

    __pydantic_config__ = CHECKED

    @property
    def whole(self) -> bool:
        """Whether the run was not stopped early, so that it measures the policy in the whole budget."""
        return self.status != "stopped"

    @property
    def is_measured(self) -> bool:
        """Whether a metric that is no clock is known."""
        return any(value is not None for value in self._without_clocks().values())

    def equals(self, other: MeasuredRun) -> bool:
        """Whether all that is kept of both runs is equal, but for clocks."""
        mine, others = (
            (one.status, one.iteration, one._without_clocks(), [point[:2] for point in (*one.curve, *one.bests)])
            for one in (self, other)
        )
        return mine == others

    def _without_clocks(self) -> dict[str, float | None]:
        return {name: value for name, value in self.metrics.items() if not is_clock(metric_of(name))}

    @property
    def judged_by(self) -> Objective:
        """The metric that judges the run."""
        return (Objective.parse(self.objective) if self.objective else None) or ACCURACY

    def first_at(self, target: AnyTarget) -> NewBest | None:
        """Return the first evaluation that reaches the target, None where none does."""
        wanted = target_of(target)
        assert wanted is not None  # a target is given
        reached = (point for point in self.bests_of(wanted.metric) if wanted.metric.reached(point.value, wanted.value))
        return next((point for point in reached if point.iteration > 0), None)

    def iterations_to(self, target: AnyTarget) -> float:
        """Return the first evaluated iteration that reaches the target; NaN where it was not reached."""
        point = self.first_at(target)
        return math.nan if point is None else float(point.iteration)

    def reached(self, target: AnyTarget, within: int) -> bool | None:
        """Return whether the run reached the target by iteration ``within``.

        None where it was stopped before, and where its evaluations with that metric are not known.
        """
        if self.iterations_to(target) <= within:
            return True
        wanted = target_of(target)
        if wanted is not None and not wanted.metric.is_accuracy and wanted.metric.column != self.judged_by.column:
            return None
        return False if self.whole or self.iteration >= within else None

    def bests_of(self, metric: Objective) -> tuple[NewBest, ...]:
        """Return the evaluations with a new best value of a metric; none where they are not known."""
        if metric.is_accuracy:
            return self.curve
        known = self.judged_by
        return self.bests if (known.column, known.goal) == (metric.column, metric.goal) else ()


def metric_of(name: str) -> Metric:
    """Return the metric of that name, also of one that only a program knows."""
    return METRICS.get(name) or unknown_metric(name, higher_is_better=False)


def new_bests(evaluations: Mapping[str, NDArray[np.float64]], objective: Objective = ACCURACY) -> tuple[NewBest, ...]:
    """Return the evaluations after iteration 0 whose value is better than all before; NaN never is."""
    iterations, values = evaluations["iteration"], evaluations.get(objective.column)
    if values is None or not len(values):
        return ()
    ordered = np.where(iterations > 0, objective.sign * values, np.nan)
    seconds = evaluations.get("train_seconds", np.full(len(iterations), np.nan))
    before = np.concatenate([[-np.inf], np.fmax.accumulate(np.nan_to_num(ordered, nan=-np.inf))[:-1]])
    return tuple(
        NewBest(int(iterations[at]), float(values[at]), float(seconds[at]) if np.isfinite(seconds[at]) else None)
        for at in np.flatnonzero(ordered > before)
    )
