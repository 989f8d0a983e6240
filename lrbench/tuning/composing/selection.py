"""Which candidates of a stage go on: how they are compared, and what counts as a draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.policies import Policy
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.tuning.composing.proposals import Continuation
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.trial_runner import iterations_to


@dataclass(frozen=True)
class CandidateScore:
    """A candidate at the end of its stretch.

    Attributes:
        run: its folder's name.
        accuracy: of its last evaluation up to there, a fraction; None where it diverged. ``loss`` likewise.
        reached: iterations up to the first evaluation with the target accuracy; None where there is none.
    """

    candidate: Continuation
    run: str
    accuracy: float | None
    loss: float | None
    reached: int | None

    @property
    def diverged(self) -> bool:
        """Whether it has nothing to be judged by."""
        return self.accuracy is None


@dataclass(frozen=True)
class Ranker:
    """Ranks candidates.

    Attributes:
        images: how many each was evaluated on.
        target: the accuracy to reach; None where only the accuracy counts.
    """

    images: int
    target: float | None = None

    def judged(self, candidate: Continuation, run: str, rows: Sequence[Evaluation], status: Status) -> CandidateScore:
        """A candidate by its evaluations up to the end of the stretch, of which there is one at least."""
        last = rows[-1]
        reached = None if self.target is None else iterations_to(rows, self.target)
        if status.status == "diverged" and status.iteration <= last.iteration:
            return CandidateScore(candidate, run, None, None, reached)
        accuracy, loss = last.accuracy, last.metrics["test_loss"]
        if not math.isfinite(accuracy):
            return CandidateScore(candidate, run, None, None, reached)
        return CandidateScore(candidate, run, accuracy, loss if math.isfinite(loss) else math.inf, reached)

    def noise(self, accuracy: float) -> float:
        """The standard error of an accuracy measured on so many images: sqrt(a (1 - a) / n).

        Of all or none right it is that of one image wrong or right.
        """
        within = min(max(accuracy, 1 / self.images), 1 - 1 / self.images)
        return math.sqrt(within * (1 - within) / self.images)

    def ranked(self, judged: Sequence[CandidateScore]) -> list[CandidateScore]:
        """The best first.

        Those that reached the target come first, the soonest before the others. Of the rest the one with the highest
        accuracy leads those within one standard error of it, and among these the lower loss goes first; then the same
        for those that are left. The diverged come last.
        """
        reached = sorted((one for one in judged if one.reached is not None and not one.diverged), key=_soonest)
        left = sorted((one for one in judged if one.reached is None and not one.diverged), key=_highest)
        ranked = list(reached)
        while left:
            least = _known(left[0].accuracy) - self.noise(_known(left[0].accuracy))
            even = [one for one in left if _known(one.accuracy) >= least]
            ranked += sorted(even, key=_lowest_loss)
            left = left[len(even) :]
        return ranked + [one for one in judged if one.diverged]


def _soonest(judged: CandidateScore) -> tuple[float, ...]:
    return (_known(judged.reached), *_lowest_loss(judged))


def _highest(judged: CandidateScore) -> tuple[float, ...]:
    return -_known(judged.accuracy), _known(judged.loss)


def _lowest_loss(judged: CandidateScore) -> tuple[float, ...]:
    return _known(judged.loss), -_known(judged.accuracy)


def _known(value: float | None) -> float:
    assert value is not None
    return value


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
    ranked: tuple[CandidateScore, ...]
    chosen: tuple[CandidateScore, ...]

    @property
    def best(self) -> CandidateScore:
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
    judge: Ranker
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
