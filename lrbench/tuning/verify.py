"""Does a policy reach an accuracy within a budget, and if not, which one does?

Three phases, as in arXiv:2210.12936: the policy itself; policies of the database that reached the target on the same
or a like workload; a search for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lrbench.metrics.summary import TimesToTarget
from lrbench.policies import Policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.confirm import SeedOutcome, confirm
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
        times: iterations to the target over the seeds; a seed that missed it counts with the goal's iterations.
    """

    phase: Phase
    policy: Policy
    why: str
    outcomes: tuple[SeedOutcome, ...]
    times: TimesToTarget

    @property
    def reached(self) -> int:
        """How many seeds reached the target."""
        return self.times.n

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
        return Attempt(phase, candidate.policy, candidate.why, found.outcomes, found.to_target)


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
