"""Prefixes that runs share: iterations with the same seed, learning rates and momentum, which are trained once.

Up to an evaluation at which the rates and the momentum of two runs have been the same, one is a copy of the other: a
run begins there as a branch of the run before it, and its results are those of training from scratch, bit for bit where
the engine resumes so. Runs of closed-loop policies, and those of the native driver, which has no snapshots, are trained
from the start.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from lrbench.executors.dispatcher import Dispatcher, Outcome
from lrbench.executors.plan import Prefix, Task
from lrbench.policies import Policy
from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.spec.program import ProgramWorkload


def run_sharing(dispatcher: Dispatcher, tasks: Sequence[Task]) -> list[Outcome]:
    """Run tasks as ``Dispatcher.run`` does, and train each prefix that several share once.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    return run_planned(dispatcher, with_prefixes(tasks))


def run_planned(dispatcher: Dispatcher, planned: Sequence[Task]) -> list[Outcome]:
    """Run tasks that have their prefixes, as ``run_sharing`` does; a prefix of another run than theirs is on disk."""
    ended: set[Path] = set()
    outcomes = dispatcher.run(_ready(planned, ended), lambda outcome: ended.add(outcome.task.folder))
    for task in planned:
        keep = task.experiment.settings.snapshots.keep
        if task.held and keep != "all":
            directory = RunDirectory(task.folder)
            with suppress(RunBusy), directory.locked():
                directory.drop_snapshots(keep)
    return outcomes


def with_prefixes(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks, each with the longest prefix that an earlier one has, and the snapshots to keep for others."""
    likeness: dict[tuple[int, int, int, int], str] = {}  # many tasks differ in their policies alone
    groups: dict[str, list[int]] = defaultdict(list)
    for index, task in enumerate(tasks):
        if _can_share(task):
            place = id(task.experiment), id(task.data), id(task.run.solver), task.run.seed
            if place not in likeness:
                likeness[place] = _likeness(task)
            groups[likeness[place]].append(index)
    parents: dict[int, tuple[int, int]] = {}
    rates = cache(_rates)
    for group in groups.values():
        parents |= _parents(tasks, group, rates)
    held: dict[int, set[int]] = defaultdict(set)
    for parent, iteration in parents.values():
        held[parent].add(iteration)
    found = list(tasks)
    for index, task in enumerate(tasks):
        prefix = Prefix(tasks[parents[index][0]].folder, parents[index][1]) if index in parents else None
        if prefix != task.prefix or held[index] != task.held:
            found[index] = replace(task, prefix=prefix, held=frozenset(held[index]))
    return found


def saved_iterations(tasks: Sequence[Task]) -> int:
    """Return how many iterations of planned tasks are taken over from others."""
    return sum(task.prefix.iteration for task in tasks if task.prefix is not None)


def _can_share(task: Task) -> bool:
    settings = task.experiment.settings
    native = settings.engine.driver == "native"
    return settings.share_prefixes and not native and not task.run.effective_policy.closed_loop


def _likeness(task: Task) -> str:
    """Everything that decides the outcome but the policies, and the length where the training cannot depend on it."""
    identity = {**task.experiment.identity(task.run, task.data), "policy": None, "rates": None}
    if task.run.momentum_policy is not None:
        identity["solver"] = {**identity["solver"], "momentum": "policy"}
    workload = task.experiment.workload
    if not isinstance(workload, ProgramWorkload) or workload.function is not None:
        identity["workload"] = {**identity["workload"], "iterations": None}
    return json.dumps(identity, sort_keys=True)


def _rates(policy: Policy, iterations: int, start: int, end: int) -> bytes:
    return policy.start(iterations).rates(start, end).tobytes()


def _parents(
    tasks: Sequence[Task], group: list[int], rates: Callable[[Policy, int, int, int], bytes]
) -> dict[int, tuple[int, int]]:
    """For each task the earlier one that shares most with it, and the last evaluation that they share.

    Groups of tasks are split by the rates, and by the momentum where a policy gives it, of one interval between
    evaluations after the other, so that rates are computed only as far as they are shared, and one interval further.
    """
    interval = tasks[group[0]].experiment.workload.test_interval
    found: dict[int, tuple[int, int]] = {}
    left = [(group, 0)]
    while left:
        alike, start = left.pop()
        parts: dict[bytes, list[int]] = defaultdict(list)
        for index in alike:
            iterations = tasks[index].experiment.workload.iterations
            if start + interval <= iterations:
                run = tasks[index].run
                policies = [run.effective_policy, *([run.momentum_policy] if run.momentum_policy else [])]
                values = b"".join(rates(policy, iterations, start, start + interval) for policy in policies)
                parts[values].append(index)
        for first, *others in parts.values():
            found |= dict.fromkeys(others, (first, start + interval))
            if others:
                left.append(([first, *others], start + interval))
    return found


def _ready(tasks: Sequence[Task], ended: set[Path]) -> Iterator[Task | None]:
    """Yield each task once the run that it branches from has come that far or has ended; None while there is none."""
    under_way = {task.folder for task in tasks}
    left = list(tasks)
    while left:
        passed = cache(partial(_has_passed, under_way - ended))
        ready = next((task for task in left if task.prefix is None or passed(task.prefix)), None)
        if ready is not None:
            left.remove(ready)
        yield ready


def _has_passed(under_way: AbstractSet[Path], prefix: Prefix) -> bool:
    """Whether a run has a snapshot where another branches, or will not have one: it has ended, or gone on without."""
    if prefix.folder not in under_way:
        return True
    directory = RunDirectory(prefix.folder)
    if directory.snapshot(prefix.iteration).is_dir():
        return True
    rows = directory.evaluations()
    return bool(rows) and rows[-1].iteration > prefix.iteration
