"""An entry of the policy database: one policy on one workload, with all that was measured of it over its seeds."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target
from lrbench.tuning.database.measured import CHECKED, Count, MeasuredRun, Name

EvaluatedOn = Literal["test", "validation"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ID_DIGITS = 16
_LABELS = {"net_name", "dataset_name", "dataset_label"}


@dataclass(frozen=True)
class Spread(Summary):
    """A metric over the seeds: mean, sample standard deviation and count, with the extremes; None where unknown."""

    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Reached:
    """How many seeds reached an accuracy within a budget, how many missed it, and of how many it is not known."""

    reached: int
    missed: int
    unknown: int


@dataclass(frozen=True)
class Cost:
    """What all runs of an entry took together, the diverged and the stopped ones too; None where one is not known."""

    iterations: int
    train_seconds: float | None
    cpu_seconds: float | None


@dataclass(frozen=True)
class StoredWorkload:
    """What was trained, on what, with which solver and engine: results on an equal one are comparable.

    Names and the label only say what the digests are of: two nets of the same content are the same net. Batch size of
    the test, threads and versions are left out, since they do not change what is measured but in its last digits.

    Attributes:
        evaluated_on: whether accuracies are of the test set, or of a part held out of the training set.
        solver: the parameters that its type reads, ``type`` among them, by name.
        engine_precision: such as ``float32`` or ``bf16``.
    """

    net_name: Name
    net_sha256: Digest
    dataset_name: Name
    dataset_label: Name
    dataset_sha256: Digest
    evaluated_on: EvaluatedOn
    batch_size: Count
    iterations: Count
    test_interval: Count
    solver: Mapping[Name, bool | int | float | Name]
    engine_name: Name
    engine_driver: Name
    engine_device: Name
    engine_precision: Name

    __pydantic_config__ = CHECKED

    @cached_property
    def id(self) -> str:
        """The same for equal workloads, in every database."""
        decides = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _LABELS}
        return _digest(decides | {"solver": {name: _number(value) for name, value in self.solver.items()}})

    @property
    def solver_type(self) -> str:
        """Such as ``SGD``."""
        return str(self.solver.get("type", "unknown"))


@dataclass(frozen=True)
class Entry:
    """One policy on one workload.

    A seed counts once: of several runs with the same one, which differ in their stopping rules, the one that went
    farthest. Runs that were stopped early are no measure of the whole budget: spreads leave them out, unless there are
    no others.

    Attributes:
        policy: canonical text.
        function: the LR function.
        lr_scale: the robustness factor on its rates, 1 for the policy itself.
        runs: by seed and run id.
    """

    workload: StoredWorkload
    policy: Name
    function: Name
    lr_scale: Annotated[float, Field(gt=0)]
    runs: Annotated[tuple[MeasuredRun, ...], Field(min_length=1)]

    __pydantic_config__ = CHECKED

    @cached_property
    def id(self) -> str:
        """The same for the same policy on an equal workload, in every database."""
        return _digest({"workload": self.workload.id, "policy": self.policy, "lr_scale": float(self.lr_scale)})

    @cached_property
    def samples(self) -> tuple[MeasuredRun, ...]:
        """One run a seed, by seed."""
        farthest: dict[int, MeasuredRun] = {}
        for run in sorted(self.runs, key=lambda run: (not run.whole, -run.iteration, run.run_id)):
            farthest.setdefault(run.seed, run)
        return tuple(farthest[seed] for seed in sorted(farthest))

    @cached_property
    def counted(self) -> tuple[MeasuredRun, ...]:
        """The samples that the spreads are of: the whole ones, or, where there is none, the stopped ones."""
        return tuple(run for run in self.samples if run.whole) or self.samples

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the samples, in the order of every list of values a seed."""
        return tuple(run.seed for run in self.samples)

    @property
    def shipped(self) -> bool:
        """Whether all of its runs came with LRBench."""
        return all(run.shipped for run in self.runs)

    @property
    def diverged_share(self) -> float:
        """The share of the samples that diverged."""
        return sum(run.status == "diverged" for run in self.samples) / len(self.samples)

    def spread(self, metric: str) -> Spread:
        """A metric, by its name, over the counted runs that have it."""
        return _spread(value for run in self.counted if (value := run.metrics.get(metric)) is not None)

    @property
    def best_accuracy(self) -> Spread:
        """The highest accuracy of each run, over the seeds."""
        return self.spread("best_accuracy")

    def iterations_to(self, accuracy: float) -> list[float]:
        """For each seed the first evaluated iteration with at least that accuracy; NaN where it was not reached."""
        return [run.iterations_to(accuracy) for run in self.samples]

    def iterations_spread(self, accuracy: float) -> Spread:
        """The same over the seeds that reached it."""
        return _spread(self.iterations_to(accuracy))

    def times_to(self, accuracy: float, within: int | None = None) -> TimesToTarget:
        """The iterations to an accuracy over the seeds; one that has not reached it in the budget counts with that.

        Args:
            within: the budget, by default the workload's iterations.
        """
        limit = float(self.workload.iterations if within is None else within)
        times = [time if time <= limit else None for time in self.iterations_to(accuracy)]  # False for NaN
        return times_to_target(times, [limit] * len(times))

    def seconds_to(self, accuracy: float) -> list[float]:
        """For each seed the training seconds up to there; NaN where it was not reached or is not known."""
        points = [run.first_at(accuracy) for run in self.samples]
        return [math.nan if p is None or p.train_seconds is None else p.train_seconds for p in points]

    def reached(self, accuracy: float, within: int | None = None) -> Reached:
        """How many seeds had that accuracy by iteration ``within``, by default in the workload's iterations."""
        limit = self.workload.iterations if within is None else within
        outcomes = [run.reached(accuracy, limit) for run in self.samples]
        return Reached(outcomes.count(True), outcomes.count(False), outcomes.count(None))

    def reached_share(self, accuracy: float, within: int | None = None) -> float:
        """The share of seeds known to have had that accuracy by then; one of which it is not known counts as not."""
        return self.reached(accuracy, within).reached / len(self.samples)

    @property
    def cost(self) -> Cost:
        """What all its runs took together."""
        return Cost(sum(run.iteration for run in self.runs), self._total("train_seconds"), self._total("cpu_seconds"))

    def _total(self, metric: str) -> float | None:
        values = [run.metrics.get(metric) for run in self.runs]
        known = [value for value in values if value is not None]
        return math.fsum(known) if len(known) == len(values) else None


ENTRY = TypeAdapter(Entry)


def joined(entries: Iterable[Entry]) -> list[Entry]:
    """The same runs with one entry for each policy on each workload, by id; of a run that is there twice the first."""
    found: dict[str, Entry] = {}
    for entry in entries:
        known = found.setdefault(entry.id, entry)
        if known is not entry:
            runs = {run.run_id: run for run in (*entry.runs, *known.runs)}
            ordered = sorted(runs.values(), key=lambda run: (run.seed, run.run_id))
            found[entry.id] = replace(known, runs=tuple(ordered))
    return [found[identity] for identity in sorted(found)]


def _spread(values: Iterable[float]) -> Spread:
    known = [value for value in values if math.isfinite(value)]
    summary = summarise(known)
    return Spread(summary.mean, summary.deviation, summary.n, min(known, default=None), max(known, default=None))


def _number(value: Any) -> Any:
    """35 and 35.0 are the same setting."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]
