"""What composing found, with all that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.policies import Policy
from lrbench.tuning.composing.judging import Judge, Judged
from lrbench.tuning.confirm import Confirmed


@dataclass(frozen=True)
class StageResult:
    """One stage.

    Attributes:
        start: the iteration that its candidates branch from.
        judged_at: the iteration at which they were compared.
        end: where the stage ended, with the run's end or where the next one branches.
        ranked: all of its candidates, the best first.
        chosen: those that went on, as they were at ``end``, the best first.
    """

    number: int
    start: int
    judged_at: int
    end: int
    ranked: tuple[Judged, ...]
    chosen: tuple[Judged, ...]

    @property
    def best(self) -> Judged:
        """The one that leads when the stage has ended."""
        return self.chosen[0]

    @property
    def diverged(self) -> int:
        """How many of its candidates diverged."""
        return sum(judged.diverged for judged in self.ranked)


@dataclass(frozen=True)
class Cost:
    """What a search has taken, runs done before it included, what a run took over from another counted once.

    Attributes:
        full_runs: the iterations, in runs of the workload's length.
        seconds: of training and evaluating, added up over the runs.
    """

    runs: int
    iterations: int
    full_runs: float
    seconds: float


@dataclass(frozen=True)
class ComposeResult:
    """What composing found on one workload.

    Attributes:
        evaluated_on: "validation" or "test"; ``data`` is what that is part of.
        judge: how candidates were compared.
        best_single: the best policy for a whole run that is known; ``single_from`` says where from.
        confirmed: full runs of the policy found, the best single one and the baselines, on the test set.
    """

    stages: tuple[StageResult, ...]
    evaluated_on: str
    data: str
    judge: Judge
    cost: Cost
    best_single: Policy
    single_from: str
    confirmed: tuple[Confirmed, ...] = ()

    @property
    def policy(self) -> Policy:
        """The composition, an ordinary policy; one policy alone where going on with it was best all the time."""
        return self.stages[-1].best.candidate.path.policy

    @property
    def composite(self) -> bool:
        """Whether there is more than one policy in it."""
        return len(self.stages[-1].best.candidate.path.parts) > 1
