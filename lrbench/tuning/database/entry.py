"""Entries of the policy database: one policy on one workload, with its measured runs over seeds."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from lrbench.metrics.equal_seeds import is_clock
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective
from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target
from lrbench.tuning.database.measured import CHECKED, Count, MeasuredRun, Name, metric_of

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
    """Numbers of seeds that reached a target within a budget, missed it, or were stopped before it was known."""

    reached: int
    missed: int
    unknown: int


@dataclass(frozen=True)
class EntryCost:
    """Cost of all runs of an entry, the diverged and the stopped ones too; None where one is not known."""

    iterations: int
    train_seconds: float | None
    cpu_seconds: float | None


@dataclass(frozen=True)
class StoredWorkload:
    """Net, data, solver and engine of a run: results on an equal workload are comparable.

    Names and the label only describe the digests: two nets of the same content are the same net. The test batch size,
    threads and versions are left out, since they change results in the last digits only.

    A program stands in the place of the net, as ``train.py:training`` with the SHA-256 of all its files, and its
    arguments in that of the solver, with the type ``program``.

    Attributes:
        dataset_sha256: of a program that of its ``inputs``.
        evaluated_on: whether values are of the test set, or of a part held out of the training set.
        batch_size: None for a program.
        solver: the parameters that its type reads, ``type`` among them, by name.
        engine_precision: such as ``float32`` or ``bf16``.
    """

    net_name: Name
    net_sha256: Digest
    dataset_name: Name
    dataset_label: Name
    dataset_sha256: Digest
    evaluated_on: EvaluatedOn
    batch_size: Count | None
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
        """Digest that is the same for equal workloads, in every database."""
        decides = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _LABELS}
        # 35 and 35.0 are the same setting, True and 1.0 are not.
        solver = {name: float(value) if type(value) is int else value for name, value in self.solver.items()}
        return _digest(decides | {"solver": solver})

    @property
    def is_program(self) -> bool:
        """Whether it is a program of a user."""
        return self.engine_name == "program"

    @property
    def solver_type(self) -> str:
        """Solver type, for example ``SGD``."""
        return str(self.solver.get("type", "unknown"))


@dataclass(frozen=True)
class Entry:
    """One policy on one workload.

    A seed counts once: of several runs with the same seed, which differ in their stopping rules, the one that went
    farthest. Runs that were stopped early do not measure the whole budget: spreads leave them out, unless there are no
    others.

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
        """Digest that is the same for the same policy on an equal workload, in every database."""
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
        """The samples that spreads are computed over: the whole ones, or, where there is none, the stopped ones."""
        return tuple(run for run in self.samples if run.whole) or self.samples

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the samples, in the order of every list of values a seed."""
        return tuple(run.seed for run in self.samples)

    @property
    def shipped(self) -> bool:
        """Whether all runs came with LRBench."""
        return all(run.shipped for run in self.runs)

    @property
    def diverged_share(self) -> float:
        """The share of the samples that diverged."""
        return sum(run.status == "diverged" for run in self.samples) / len(self.samples)

    @property
    def objective(self) -> Objective:
        """The metric that judges its runs, with its evaluation; the accuracy where they differ in it."""
        objectives = {run.judged_by for run in self.samples}
        return objectives.pop() if len(objectives) == 1 else ACCURACY

    @property
    def facts(self) -> dict[str, bool | str]:
        """Declarations of a program about its training that all runs share."""
        first, *others = (dict(run.facts) for run in self.runs)
        return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}

    @cached_property
    def equal_seeds(self) -> bool:
        """Whether seeds change nothing: all that the counted runs keep of several seeds is equal, but for clocks."""
        first, *others = self.counted
        return bool(others) and first.is_measured and all(first.equals(run) for run in others)

    def spread(self, metric: str) -> Spread:
        """Return a metric, by its name, over the counted runs that have it; seeds that change nothing count as one."""
        values = [value for run in self.counted if (value := run.metrics.get(metric)) is not None]
        alike = self.equal_seeds and not is_clock(metric_of(metric))
        return replace(_spread(values[:1] if alike else values), equal_seeds=alike and bool(values))

    @property
    def best_accuracy(self) -> Spread:
        """The highest accuracy of each run, over the seeds."""
        return self.spread("best_accuracy")

    def iterations_to(self, target: AnyTarget) -> list[float]:
        """Return for each seed the first evaluated iteration that reaches the target; NaN where not reached."""
        return [run.iterations_to(target) for run in self.samples]

    def iterations_spread(self, target: AnyTarget) -> Spread:
        """Return the spread of ``iterations_to`` over the seeds that reached the target."""
        return _spread(self.iterations_to(target))

    def times_to(self, target: AnyTarget, within: int | None = None) -> TimesToTarget:
        """Return the iterations to a target; a seed that has not reached it counts with the budget.

        Args:
            within: the budget, by default the workload's iterations.
        """
        limit = float(self.workload.iterations if within is None else within)
        times = [time if time <= limit else None for time in self.iterations_to(target)]  # False for NaN
        times = times[:1] if self.equal_seeds else times
        return replace(times_to_target(times, [limit] * len(times)), equal_seeds=self.equal_seeds)

    def reached(self, target: AnyTarget, within: int | None = None) -> Reached:
        """Count the seeds that had reached it by iteration ``within``, by default in the workload's iterations."""
        limit = self.workload.iterations if within is None else within
        outcomes = [run.reached(target, limit) for run in self.samples]
        return Reached(outcomes.count(True), outcomes.count(False), outcomes.count(None))

    @property
    def cost(self) -> EntryCost:
        """Total cost of all runs."""
        iterations = sum(run.iteration for run in self.runs)
        return EntryCost(iterations, self._total("train_seconds"), self._total("cpu_seconds"))

    def _total(self, metric: str) -> float | None:
        values = [run.metrics.get(metric) for run in self.runs]
        known = [value for value in values if value is not None]
        return math.fsum(known) if len(known) == len(values) else None


ENTRY = TypeAdapter(Entry)


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation: the place and what is wrong there."""
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def joined(entries: Iterable[Entry]) -> list[Entry]:
    """Join entries of the same policy and workload, sorted by id; of a run that is there twice the first counts."""
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


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]
