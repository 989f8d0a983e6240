"""Cooldowns from a stable run: for each of several lengths, a run that goes along with it and then anneals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lrbench.errors import SpecError
from lrbench.executors.plan import Task
from lrbench.executors.prefixes import with_prefixes
from lrbench.policies import Policy, policy_from_mapping
from lrbench.runs.directory import RunDirectory
from lrbench.spec.expansion import Run
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.momentum import momentum_of

SUFFIX = "branch"
CooldownShape = Literal["linear", "sqrt", "cosine"]
SHAPES: tuple[CooldownShape, ...] = ("linear", "sqrt", "cosine")


@dataclass(frozen=True)
class LengthResult:
    """The runs of one length, a run for each seed.

    Attributes:
        policy: the composed policy.
        start: iteration at which the cooldown begins.
        final: value of the objective at the end, by seed; NaN where there is none.
        statuses: how the runs ended, by seed.
        trained: iterations that were trained for them, without those taken over from other runs.
    """

    policy: str
    iterations: int
    start: int
    seeds: tuple[int, ...]
    final: tuple[float, ...]
    statuses: tuple[str, ...]
    trained: int


@dataclass(frozen=True)
class StoredRun:
    """A run on disk with all that trains it on: its experiment, its settings, its data and its folder."""

    experiment: Experiment
    run: Run
    data: Data
    folder: Path


def branches(
    stable: Sequence[StoredRun], ends: Sequence[int], cooldown: float, shape: CooldownShape, threads: int
) -> list[Task]:
    """Return the runs that end at ``ends``, each with the rates of a stable run up to its cooldown.

    They begin at snapshots of the stable run where it has kept those, else one branches from another, the longest being
    trained from the start.

    Args:
        cooldown: share of each run in which the rate falls to 0.

    Raises:
        SpecError: an end leaves no room for a cooldown between evaluations, or the rates of the policy depend on the
            run's length.
    """
    tasks = [task for one in stable for task in _of(one, ends, cooldown, shape, threads)]
    return [replace(task, number=number) for number, task in enumerate(tasks, start=1)]


def _of(stable: StoredRun, ends: Sequence[int], cooldown: float, shape: CooldownShape, threads: int) -> list[Task]:
    tasks = [_branch(stable, end, cooldown, shape, threads) for end in sorted(ends, reverse=True)]
    trunk = Task(0, stable.run, stable.experiment, stable.data, stable.folder, threads)
    planned = with_prefixes([trunk, *tasks])[1:]
    kept = RunDirectory(stable.folder)
    of_stable = [task.prefix.iteration for task in planned if task.prefix and task.prefix.folder == stable.folder]
    if all(kept.snapshot(iteration).is_dir() for iteration in of_stable):
        return planned
    return with_prefixes(tasks)


def cooldown_start(end: int, cooldown: float, interval: int, where: str = "") -> int:
    """Return the evaluation at which a cooldown begins that ends at ``end``.

    Raises:
        SpecError: none is within the run.
    """
    last = (end - 1) // interval
    start = min(max(1, round((1 - cooldown) * end / interval)), last) * interval
    if last < 1:
        raise SpecError(
            f"a run of {end} iterations with an evaluation every {interval} has none at which a cooldown of "
            f"{cooldown:g} could begin",
            where=where,
            remedy=f"end it later, after {interval} iterations, or evaluate more often",
        )
    return start


def cooled(policy: Policy, start: int, end: int, shape: CooldownShape) -> Policy:
    """Return the policy up to ``start``, from where its rate falls to 0 at ``end``.

    Raises:
        SpecError: the rates of the policy depend on the run's length, so that those before ``start`` would be others.
    """
    rate, length = float(policy.schedule(start + 1)[-1]), end - start
    falls: dict[CooldownShape, dict[str, Any]] = {
        "linear": {"function": "LINEAR", "k0": rate, "k1": 0.0, "l": length},
        "cosine": {"function": "COSDECAY", "k0": rate, "k1": 0.0, "l": length},
        "sqrt": {"function": "WSD", "k0": rate, "warmup": 0, "decay": length, "l": length, "anneal": "sqrt"},
    }
    stages = [policy.mapping, falls[shape]]
    return policy_from_mapping({"function": "COMPOSE", "policies": stages, "boundaries": [start]})


def _branch(stable: StoredRun, end: int, cooldown: float, shape: CooldownShape, threads: int) -> Task:
    workload, policy = stable.experiment.workload, stable.run.effective_policy
    start = cooldown_start(end, cooldown, workload.test_interval, str(stable.folder))
    along = min(start, workload.iterations)
    composed = cooled(policy, start, end, shape)
    if not np.array_equal(policy.schedule(workload.iterations)[:along], composed.schedule(end)[:along]):
        raise SpecError(
            f"the rates of {policy.text} depend on the length of its run, so that other lengths cannot share them",
            where=str(stable.folder),
            remedy="branch from a run whose policy stays the same, such as WARMUP(policy=FIX(k0=0.01), l=100)",
        )
    return follow_up(stable, composed, end, SUFFIX, threads)


def follow_up(stored: StoredRun, policy: Policy, end: int, suffix: str, threads: int) -> Task:
    """Return the run of a policy with ``end`` iterations and a stored run's seed, in the experiment ``<name>-suffix``.

    Args:
        policy: with the rates of the solver's and the robustness scale in it, as the stored run's effective policy.
    """
    settings, workload = stored.experiment.settings, stored.experiment.workload
    settings = settings.model_copy(update={"name": f"{settings.name}-{suffix}", "share_prefixes": True})
    experiment = replace(stored.experiment, settings=settings, workload=replace(workload, iterations=end))
    solver = stored.run.solver
    if isinstance(solver, SolverSettings):
        _check_momentum(stored, end)
        solver = solver.model_copy(update={"lr_scale": 1.0})
    run = Run(policy, 1.0, solver, stored.run.seed)
    folder = stored.folder.parent.parent / experiment.name / experiment.run_id(run, stored.data)
    return Task(1, run, experiment, stored.data, folder, threads)


def _check_momentum(stored: StoredRun, end: int) -> None:
    """Raise SpecError where a run of ``end`` iterations would have another momentum than the stored run."""
    policy, iterations = stored.run.momentum_policy, stored.experiment.workload.iterations
    if policy is None:
        return
    along = min(iterations, end)
    if not np.array_equal(momentum_of(policy, 0, along, iterations), momentum_of(policy, 0, along, end)):
        raise SpecError(
            f"the momentum {policy} depends on the length of its run, so that runs of other lengths cannot share it",
            where=str(stored.folder),
            remedy="use a run whose momentum is a number, or a policy that has its l",
        )


def results_by_length(tasks: Sequence[Task], cooldown: float) -> list[LengthResult]:
    """Return the results of branches on disk, the shortest first."""
    lengths: dict[tuple[int, str], list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.experiment.workload.iterations):
        lengths.setdefault((task.experiment.workload.iterations, task.run.effective_policy.text), []).append(task)
    found = []
    for (iterations, policy), alike in lengths.items():
        directories = [RunDirectory(task.folder) for task in alike]
        objective = alike[0].experiment.settings.objective.resolved
        finals = (objective.final(directory.evaluations()) for directory in directories)
        found.append(
            LengthResult(
                policy,
                iterations,
                cooldown_start(iterations, cooldown, alike[0].experiment.workload.test_interval),
                tuple(task.run.seed for task in alike),
                tuple(math.nan if value is None else value for value in finals),
                tuple(directory.status().status for directory in directories),
                sum(directory.status().iteration - directory.branched_at for directory in directories),
            )
        )
    return found
