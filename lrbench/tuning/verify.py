"""Does a policy reach an accuracy within a budget, and if not, which one does?

Three phases, as in arXiv:2210.12936: the policy itself; policies of the database that reached the target on the same
or a like workload; a search for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lrbench.errors import PolicyError
from lrbench.policies import Policy, parse_policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.confirm import SeedOutcome, confirm
from lrbench.tuning.database import Database, Entry, EntryQuery
from lrbench.tuning.outlook import Curve, Outlook

SUFFIX = "verify"
Phase = Literal["policy", "database", "search"]
PHASES: tuple[Phase, ...] = ("policy", "database", "search")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Goal:
    """What is asked for.

    Attributes:
        target: accuracy on the test set, a fraction; ``within`` so many iterations.
        share: of the seeds that have to reach it.
        early_stop: whether a run ends as soon as the target is out of reach; it always ends once that is reached.
    """

    target: float
    within: int
    seeds: tuple[int, ...]
    share: float = 1.0
    early_stop: bool = True


@dataclass(frozen=True)
class Attempt:
    """A policy put to the test.

    Attributes:
        why: why this one.
    """

    phase: Phase
    policy: Policy
    why: str
    outcomes: tuple[SeedOutcome, ...]

    @property
    def reached(self) -> int:
        """How many seeds reached the target."""
        return sum(outcome.iterations_to_target is not None for outcome in self.outcomes)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share of seeds that reach it (Clopper and Pearson, 1934)."""
        from scipy.stats import binomtest

        found = binomtest(self.reached, len(self.outcomes)).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)

    def enough(self, share: float) -> bool:
        """Whether that share of the seeds reached it."""
        return self.reached >= math.ceil(share * len(self.outcomes) - 1e-9)


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes:
        attempts: the policies tested, in order; the last one reached the target if any did.
        evidence: by what runs were given up, where that was asked for.
        notes: what was skipped, and why.
    """

    goal: Goal
    attempts: tuple[Attempt, ...]
    evidence: str | None
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> Attempt | None:
        """The policy that reaches the target, if there is one."""
        return next((attempt for attempt in self.attempts if attempt.enough(self.goal.share)), None)


@dataclass(frozen=True)
class Candidate:
    """A policy to test, and why."""

    policy: Policy
    why: str


@dataclass
class Verification:
    """The tests of one goal on one workload.

    Args:
        bench: on the test set.
        earlier: curves of earlier runs of the workload that reached the target.
    """

    bench: Bench
    goal: Goal
    earlier: tuple[Curve, ...] = ()

    @property
    def outlook(self) -> Outlook:
        """What runs are given up by."""
        return Outlook(self.goal.target, self.goal.within, self.earlier)

    def attempt(self, phase: Phase, candidate: Candidate) -> Attempt:
        """Train with every seed, each until it reaches the target, or cannot any more.

        Raises:
            PolicyError: the policy is impossible in a run of that length.
            Interrupted: Ctrl-C; what was done is on disk.
        """
        bench = aimed(self.bench, self.goal).named(SUFFIX)
        give_up = self.outlook.hopeless if self.goal.early_stop else None
        (found,) = confirm(bench, {candidate.policy: phase}, self.goal.seeds, give_up)
        return Attempt(phase, candidate.policy, candidate.why, found.outcomes)


def aimed(bench: Bench, goal: Goal) -> Bench:
    """The bench with runs of the goal's length that end once they reach its target."""
    aiming = bench.lasting(goal.within).stopping(at_target=True)
    settings = aiming.experiment.settings.model_copy(update={"target_accuracy": goal.target})
    return replace(aiming, experiment=replace(aiming.experiment, settings=settings))


def verify(verification: Verification, phases: Sequence[tuple[Phase, Callable[[], Iterator[Candidate]]]]) -> Verdict:
    """Test candidates, phase after phase, until one reaches the target."""
    attempts: list[Attempt] = []
    goal = verification.goal
    notes: list[str] = []
    for phase, candidates in phases:
        empty = True
        for candidate in candidates():
            empty = False
            if candidate.policy in {attempt.policy for attempt in attempts}:
                continue
            attempts.append(verification.attempt(phase, candidate))
            if attempts[-1].enough(goal.share):
                break
        if empty:
            notes.append(_NOTHING[phase])
        if attempts and attempts[-1].enough(goal.share):
            break
    evidence = verification.outlook.evidence if goal.early_stop else None
    return Verdict(goal, tuple(attempts), evidence, notes=tuple(notes))


_NOTHING: dict[Phase, str] = {
    "policy": "no policy was given",
    "database": "the policy database has no policy that reached this target within this budget on this workload or a "
                "like one",
    "search": "the search found no policy that could be trained to its end",
}


def known_candidates(database: Database, bench: Bench, goal: Goal, most: int) -> Iterator[Candidate]:
    """Policies of the database that reached the target within the budget, the surest first, at most so many.

    Those of the same net, data set and solver type come before those of the same data set and another net.
    """
    workload, data = bench.experiment.workload, bench.data
    solver = bench.experiment.settings.solver[0].type
    same = database.entries(EntryQuery(net=workload.net_sha256, dataset=data.sha256, solver=solver))
    like = database.entries(EntryQuery(dataset=data.sha256))
    seen: set[str] = set()
    for entries, whose in ((same, "this net and data set"), (like, "this data set and another net or solver")):
        for entry in sorted(entries, key=lambda entry: _order(entry, goal)):
            known = entry.reached(goal.target, goal.within)
            if known.reached and entry.lr_scale == 1 and entry.policy not in seen and len(seen) < most:
                seen.add(entry.policy)
                try:
                    policy = parse_policy(entry.policy)
                    policy.check(goal.within)
                except PolicyError:
                    continue
                yield Candidate(policy, f"reached it with {known.reached} of {len(entry.samples)} seeds on {whose} "
                                        f"(entry {entry.id[:8]}, {entry.workload.evaluated_on} set)")


def _order(entry: Entry, goal: Goal) -> tuple[float, float, str]:
    mean = entry.iterations_spread(goal.target).mean
    return -entry.reached_share(goal.target, goal.within), math.inf if mean is None else mean, entry.id


def earlier_runs(database: Database, bench: Bench, goal: Goal) -> tuple[Curve, ...]:
    """The curves of the database's runs of this net, data, batch size and solver type that reached the target."""
    workload, data = bench.experiment.workload, bench.data
    query = EntryQuery(net=workload.net_sha256, dataset=data.sha256, batch_size=workload.batch_size,
                       solver=bench.experiment.settings.solver[0].type, evaluated_on="test")
    return tuple(tuple((point.iteration, point.accuracy) for point in run.curve)
                 for entry in database.entries(query) if entry.lr_scale == 1 for run in entry.samples
                 if run.reached(goal.target, goal.within))
