"""Runs as the policy database keeps them: every metric, and the evaluations with a new best accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, ConfigDict, Field

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
    """An evaluation with a higher accuracy than all before it; training seconds up to there, None if unknown."""

    iteration: Natural
    accuracy: float
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

    __pydantic_config__ = CHECKED

    @property
    def whole(self) -> bool:
        """Whether the run was not stopped early, so that it measures the policy in the whole budget."""
        return self.status != "stopped"

    def first_at(self, accuracy: float) -> NewBest | None:
        """Return the first evaluation with at least that accuracy, None where it was not reached."""
        return next((point for point in self.curve if point.accuracy >= accuracy and point.iteration > 0), None)

    def iterations_to(self, accuracy: float) -> float:
        """Return the first evaluated iteration with at least that accuracy; NaN where it was not reached."""
        point = self.first_at(accuracy)
        return math.nan if point is None else float(point.iteration)

    def reached(self, accuracy: float, within: int) -> bool | None:
        """Return whether the run had that accuracy by iteration ``within``; None where it was stopped before."""
        if self.iterations_to(accuracy) <= within:
            return True
        return False if self.whole or self.iteration >= within else None


def new_bests(evaluations: Mapping[str, NDArray[np.float64]]) -> tuple[NewBest, ...]:
    """Return the evaluations after iteration 0 whose accuracy is above that of all before; NaN never is."""
    iterations, accuracies = evaluations["iteration"], evaluations.get("accuracy_top1")
    if accuracies is None or not len(accuracies):
        return ()
    accuracies = np.where(iterations > 0, accuracies, np.nan)
    seconds = evaluations.get("train_seconds", np.full(len(iterations), np.nan))
    before = np.concatenate([[-np.inf], np.fmax.accumulate(np.nan_to_num(accuracies, nan=-np.inf))[:-1]])
    return tuple(
        NewBest(int(iterations[at]), float(accuracies[at]), float(seconds[at]) if np.isfinite(seconds[at]) else None)
        for at in np.flatnonzero(accuracies > before)
    )
