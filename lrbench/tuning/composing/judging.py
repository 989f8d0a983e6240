"""Which candidates of a stage go on: how they are compared, and what counts as a draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.tuning.bench import iterations_to
from lrbench.tuning.composing.drawing import Continued


@dataclass(frozen=True)
class Judged:
    """A candidate at the end of its stretch.

    Attributes:
        run: its folder's name.
        accuracy: of its last evaluation up to there, a fraction; None where it diverged. ``loss`` likewise.
        reached: iterations up to the first evaluation with the target accuracy; None where there is none.
    """

    candidate: Continued
    run: str
    accuracy: float | None
    loss: float | None
    reached: int | None

    @property
    def diverged(self) -> bool:
        """Whether it has nothing to be judged by."""
        return self.accuracy is None


@dataclass(frozen=True)
class Judge:
    """Ranks candidates.

    Attributes:
        images: how many each was evaluated on.
        target: the accuracy to reach; None where only the accuracy counts.
    """

    images: int
    target: float | None = None

    def judged(self, candidate: Continued, run: str, rows: Sequence[Evaluation], status: Status) -> Judged:
        """A candidate by its evaluations up to the end of the stretch, of which there is one at least."""
        last = rows[-1]
        reached = None if self.target is None else iterations_to(rows, self.target)
        if status.status == "diverged" and status.iteration <= last.iteration:
            return Judged(candidate, run, None, None, reached)
        accuracy, loss = last.accuracy, last.metrics["test_loss"]
        if not math.isfinite(accuracy):
            return Judged(candidate, run, None, None, reached)
        return Judged(candidate, run, accuracy, loss if math.isfinite(loss) else math.inf, reached)

    def noise(self, accuracy: float) -> float:
        """The standard error of an accuracy measured on so many images: sqrt(a (1 - a) / n).

        Of all or none right it is that of one image wrong or right.
        """
        within = min(max(accuracy, 1 / self.images), 1 - 1 / self.images)
        return math.sqrt(within * (1 - within) / self.images)

    def ranked(self, judged: Sequence[Judged]) -> list[Judged]:
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


def _soonest(judged: Judged) -> tuple[float, ...]:
    return (_known(judged.reached), *_lowest_loss(judged))


def _highest(judged: Judged) -> tuple[float, ...]:
    return -_known(judged.accuracy), _known(judged.loss)


def _lowest_loss(judged: Judged) -> tuple[float, ...]:
    return _known(judged.loss), -_known(judged.accuracy)


def _known(value: float | None) -> float:
    assert value is not None
    return value
