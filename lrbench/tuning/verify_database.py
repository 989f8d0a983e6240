"""What a policy database knows for a verification: policies that reached the target, and how runs came to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lrbench.errors import PolicyError
from lrbench.policies import Policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.database import Database, Entry, EntryQuery
from lrbench.tuning.outlook import Curve
from lrbench.tuning.recommending.asked import Asked
from lrbench.tuning.recommending.likeness import Likeness, likeness
from lrbench.tuning.recommending.standing import effective_policy
from lrbench.tuning.verify import Candidate, Goal


def known_candidates(entries: Iterable[Entry], asked: Asked, goal: Goal, most: int) -> Iterator[Candidate]:
    """Policies of a database that reached the target within the budget on this data set, at most so many.

    Those of the workloads that are most like this one come first (see ``recommending.likeness``); within a workload the
    surest, and of equally sure ones the soonest. Accuracies on another data set say nothing of this one.
    """
    seen: set[str] = set()
    for entry, alike in _alike(entries, replace(asked, iterations=goal.within), goal):
        known = entry.reached(goal.target, goal.within)
        policy = _given(entry, asked)
        if known.reached and policy is not None and policy.text not in seen and len(seen) < most:
            try:
                policy.check(goal.within)
            except PolicyError:
                continue
            seen.add(policy.text)
            yield Candidate(
                policy,
                f"reached it with {known.reached} of {len(entry.samples)} seeds on: "
                f"{', '.join(alike.reasons)} (entry {entry.id[:8]}, "
                f"{entry.workload.evaluated_on} set)",
            )


def _given(entry: Entry, asked: Asked) -> Policy | None:
    """The policy with which this spec's solver trains at the rates that the net had there."""
    policy = effective_policy(entry)
    return None if policy is None else policy.scaled(1 / asked.lr_scale)


def _alike(entries: Iterable[Entry], asked: Asked, goal: Goal) -> list[tuple[Entry, Likeness]]:
    found = [
        (entry, alike)
        for entry in entries
        if (alike := likeness(asked, entry.workload)) is not None and alike.same_data
    ]
    return sorted(found, key=lambda each: (each[1].distance, *_order(each[0], goal)))


def _order(entry: Entry, goal: Goal) -> tuple[float, float, str]:
    return *entry.times_to(goal.target, goal.within).order, entry.id


def earlier_runs(database: Database, bench: Bench, goal: Goal) -> tuple[Curve, ...]:
    """The curves of the database's runs of this net, data, batch size and solver type that reached the target."""
    workload, data = bench.experiment.workload, bench.data
    query = EntryQuery(
        net=workload.net_sha256,
        dataset=data.sha256,
        batch_size=workload.batch_size,
        solver=bench.experiment.settings.solver[0].type,
        evaluated_on="test",
    )
    return tuple(
        tuple((point.iteration, point.accuracy) for point in run.curve if point.iteration > 0)
        for entry in database.entries(query)
        if entry.lr_scale == 1
        for run in entry.samples
        if run.reached(goal.target, goal.within)
    )
