"""Proposals of rates to go on with after a finished run, each trained from the run's last snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lrbench.errors import SpecError
from lrbench.executors.plan import Task
from lrbench.executors.prefixes import with_prefixes
from lrbench.policies import Policy, policy_from_mapping
from lrbench.policies.family import rounded
from lrbench.runs.directory import RunDirectory
from lrbench.tuning.branching import StoredRun, follow_up

SUFFIX = "extend"
WARM = 0.05
"""Share of the extension in which the rate climbs again."""
ANNEALED = 0.05
"""A run whose last rate is below this share of its largest one has been annealed."""
LOWER = 0.1
"""Share of the largest rate with which an annealed run goes on where its rate does not climb again."""


def proposals(policy: Policy, iterations: int, end: int) -> dict[str, Policy]:
    """Return policies that go on with the rates of a finished run, by what they do.

    Two let the rate climb again, to the run's largest rate and to half of it, and fall along a cosine, as continued
    pre-training does (arXiv:2308.04014). One does not: the rate falls in a straight line from where it is, or, after an
    annealed run, from a tenth of its largest.

    Args:
        iterations: length of the run; ``end`` that to extend it to.
    """
    rates, length = policy.schedule(iterations), end - iterations
    peak, last = float(rates.max()), rounded(float(rates[-1]))
    warm = max(1, round(WARM * length))
    annealed = last < ANNEALED * peak
    low = rounded(LOWER * peak) if annealed else last

    def again(rate: float) -> dict[str, Any]:
        decay = {"function": "COSDECAY", "k0": rate, "k1": 0.0}
        return {"function": "WARMUP", "policy": decay, "l": warm, "k0": last}

    stages = {
        "climbs to its largest rate again": again(peak),
        "climbs to half of its largest rate": again(rounded(peak / 2)),
        f"goes on at {'a tenth of its largest' if annealed else 'its last'} rate": {
            "function": "LINEAR",
            "k0": low,
            "k1": 0.0,
        },
    }
    if length <= warm + 1:  # nothing to warm up in
        stages = dict([list(stages.items())[-1]])
    return {
        what: policy_from_mapping(
            {"function": "COMPOSE", "policies": [policy.mapping, stage], "boundaries": [iterations]}
        )
        for what, stage in stages.items()
    }


def extensions(runs: Sequence[StoredRun], end: int, threads: int) -> tuple[list[Task], dict[str, str]]:
    """Return the runs that train finished ones on to ``end``, and what each policy does, by its text.

    Raises:
        SpecError: a run has not finished, ends between evaluations, is as long as ``end``, or reacts to evaluations.
    """
    tasks: list[Task] = []
    meaning: dict[str, str] = {}
    for stored in runs:
        _check(stored, end)
        ended = Task(0, stored.run, stored.experiment, stored.data, stored.folder, threads)
        iterations = stored.experiment.workload.iterations
        for what, policy in proposals(stored.run.effective_policy, iterations, end).items():
            meaning[policy.text] = what
            _, task = with_prefixes([ended, follow_up(stored, policy, end, SUFFIX, threads)])
            tasks.append(replace(task, number=len(tasks) + 1))
    return tasks, meaning


def _check(stored: StoredRun, end: int) -> None:
    where, workload = str(stored.folder), stored.experiment.workload
    status = RunDirectory(stored.folder).status()
    if status.status != "finished":
        raise SpecError(f"the run has not finished: {status.status}", where=where, remedy="extend a finished run")
    if end <= workload.iterations:
        problem = f"the run has {workload.iterations} iterations, so that {end} do not extend it"
        raise SpecError(problem, where=where, remedy="give --to a larger number")
    if workload.iterations % workload.test_interval:
        problem = f"the run ends between its evaluations, which are every {workload.test_interval} iterations"
        raise SpecError(problem, where=where, remedy="extend a run whose length is a multiple of that")
    if stored.run.effective_policy.closed_loop:
        problem = (
            f"{stored.run.policy.name} reacts to evaluations, so that no policy can follow it at a fixed iteration"
        )
        raise SpecError(problem, where=where, remedy="extend a run of another policy")
