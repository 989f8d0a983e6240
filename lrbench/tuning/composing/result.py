"""What composing found, with all that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.policies import Policy
from lrbench.tuning.composing.judging import Judged


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
        policy: the composition, an ordinary policy; one policy alone where going on with it was best all the time.
        evaluated_on: "validation" or "test", and ``images`` of it.
        target: the accuracy that candidates were to reach soonest; None where accuracy alone was chosen by.
    """

    policy: Policy
    stages: tuple[StageResult, ...]
    evaluated_on: str
    images: int
    target: float | None
    cost: Cost

    @property
    def best_single(self) -> Policy:
        """The policy for a whole run that the first stage had the best of."""
        return self.stages[0].best.candidate.path.policy

    @property
    def composite(self) -> bool:
        """Whether there is more than one policy in it."""
        return len(self.stages[-1].best.candidate.path.parts) > 1
