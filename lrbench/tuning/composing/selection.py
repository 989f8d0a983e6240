"""Selection of a stage's candidates: scores, their ranking, and the results of the stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, target_of
from lrbench.policies import Policy
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.tuning.composing.proposals import Continuation
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.range_test.result import RangeCost


@dataclass(frozen=True)
class CandidateScore:
    """A candidate where the candidates of its stage are compared.

    Attributes:
        run: name of its folder.
        accuracy: value of the objective, by default the accuracy, at its last evaluation up to there; None where it
            diverged. ``loss`` is the test loss there, infinite where it is not known.
        reached: iterations up to the first evaluation with the target accuracy; None where there is none.
    """

    candidate: Continuation
    run: str
    accuracy: float | None
    loss: float | None
    reached: int | None

    @property
    def diverged(self) -> bool:
        """Whether the candidate has no accuracy to be ranked by."""
        return self.accuracy is None


@dataclass(frozen=True)
class Ranker:
    """Scores and ranks candidates.

    Attributes:
        images: number of images that each is evaluated on; None where it is not known.
        target: the target to reach; None where only the value of the objective counts.
        objective: the metric of that value.
    """

    images: int | None
    target: AnyTarget | None = None
    objective: Objective = ACCURACY

    def score(self, candidate: Continuation, run: str, rows: Sequence[Evaluation], status: Status) -> CandidateScore:
        """Score a candidate by its evaluations up to the comparison, of which there is at least one."""
        last = rows[-1]
        target = target_of(self.target)
        reached = None if target is None else target.iterations(rows)
        value, loss = self.objective.value(last), last.metrics.get("test_loss", math.nan)
        if not math.isfinite(value) or (status.status == "diverged" and status.iteration <= last.iteration):
            return CandidateScore(candidate, run, None, None, reached)
        return CandidateScore(candidate, run, value, loss if math.isfinite(loss) else math.inf, reached)

    def noise(self, accuracy: float) -> float:
        """Return the standard error of an accuracy measured on n images: sqrt(a (1 - a) / n).

        That of all or none right is that of one image wrong or right. 0 for another metric, and where n is not known.
        """
        if not self.objective.is_accuracy or self.images is None:
            return 0.0
        within = min(max(accuracy, 1 / self.images), 1 - 1 / self.images)
        return math.sqrt(within * (1 - within) / self.images)

    def ranked(self, scores: Sequence[CandidateScore]) -> list[CandidateScore]:
        """Rank scores, the best first.

        Those that reached the target come first, the soonest before the others. Of the rest the one with the best
        value of the objective leads those within one standard error of it, and among these the lower loss goes first;
        then the same for those that are left. The diverged come last.
        """
        trained = [one for one in scores if not one.diverged]
        reached = [(one.reached, one) for one in trained if one.reached is not None]
        ranked = [one for _, one in sorted(reached, key=lambda pair: (pair[0], self._order(pair[1])))]
        left = [
            (self.objective.order(one.accuracy), one)
            for one in trained
            if one.accuracy is not None and one.reached is None
        ]
        left.sort(key=lambda pair: (-pair[0], self._order(pair[1])))
        while left:
            least = left[0][0] - self.noise(left[0][0])
            even = [one for value, one in left if value >= least]
            ranked += sorted(even, key=self._order)
            left = left[len(even) :]
        return ranked + [one for one in scores if one.diverged]

    def _order(self, score: CandidateScore) -> tuple[float, float]:
        """Lower loss first, of equal ones the better value; inf where it diverged."""
        if score.accuracy is None or score.loss is None:
            return math.inf, math.inf
        return score.loss, -self.objective.order(score.accuracy)


@dataclass(frozen=True)
class StageResult:
    """One stage.

    Attributes:
        start: the iteration that its candidates branch from.
        judged_at: the iteration at which they were compared.
        end: the iteration at which the next stage branches, or the run's end.
        ranked: all of its candidates, the best first.
        chosen: the candidates that went on, scored at ``end``, the best first.
    """

    number: int
    start: int
    judged_at: int
    end: int
    ranked: tuple[CandidateScore, ...]
    chosen: tuple[CandidateScore, ...]

    @property
    def best(self) -> CandidateScore:
        """The best candidate at the stage's end."""
        return self.chosen[0]

    @property
    def diverged(self) -> int:
        """Number of candidates that diverged."""
        return sum(score.diverged for score in self.ranked)


@dataclass(frozen=True)
class ComposeCost:
    """Cost of a composition, runs done before it included, what a run took over from another counted once.

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
    """The composition found on one workload.

    Attributes:
        evaluated_on: "validation" or "test"; ``data`` is what that is part of.
        ranker: the comparison of candidates.
        best_single: the best known policy for a whole run; ``single_from`` says where from.
        confirmed: full runs of the policy found, the best single one and the baselines, on the test set.
        declared: sentences on what a program declares.
        baseline_reason: why the baselines are what they are; empty where the spec names them.
        range_cost: of the range test that found the base rates, where one was run.
    """

    stages: tuple[StageResult, ...]
    evaluated_on: str
    data: str
    ranker: Ranker
    cost: ComposeCost
    best_single: Policy
    single_from: str
    confirmed: tuple[Confirmed, ...] = ()
    declared: tuple[str, ...] = ()
    baseline_reason: str = ""
    range_cost: RangeCost | None = None

    @property
    def policy(self) -> Policy:
        """The composition as an ordinary policy; one policy alone where going on with it was always best."""
        return self.stages[-1].best.candidate.path.policy

    @property
    def composite(self) -> bool:
        """Whether the policy is made of more than one."""
        return len(self.stages[-1].best.candidate.path.parts) > 1
