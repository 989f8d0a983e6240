"""The last phase of a verification: search for a policy that reaches the target soonest, single or composite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from lrbench.policies import parse_policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.composing.building import compose
from lrbench.tuning.composing.result import ComposeResult
from lrbench.tuning.space import Space
from lrbench.tuning.tune import Tried, TuneResult, search, with_finals
from lrbench.tuning.verify import Candidate, Goal, aimed


@dataclass
class Searching:
    """Searches for one goal, on the data to choose by.

    Attributes:
        judge: called for a bench on the validation part.
        space: called for the policies to search among when it comes to that; it may take a range test.
        tuned, composed: what was searched so far.
    """

    judge: Callable[[], Bench]
    space: Callable[[], Space]
    goal: Goal
    storage: str | None = None
    tuned: TuneResult | None = field(default=None, init=False)
    composed: ComposeResult | None = field(default=None, init=False)

    def candidates(self) -> Iterator[Candidate]:
        """The best single policy, and, if that is not enough, a composite one.

        Raises:
            UsageError: as ``search`` and ``compose`` do.
            Interrupted: Ctrl-C; what was done is on disk.
        """
        judge, space = self._aimed(), self.space()
        self.tuned = with_finals(judge, search(judge, space, self.storage), 1)
        if self.tuned.best:
            best = self._chosen(self.tuned)
            reached = (
                f"after {best.iterations_to_target:,} iterations" if best.iterations_to_target is not None else "never"
            )
            yield Candidate(
                parse_policy(best.policy),
                f"the best of {len(self.tuned.tried)} policies searched; on the "
                f"{self.tuned.evaluated_on} images it reached it {reached}",
            )
        self.composed = compose(judge, space)
        yield Candidate(self.composed.policy, f"composed in {len(self.composed.stages)} stages")

    @staticmethod
    def _chosen(tuned: TuneResult) -> Tried:
        """The policy of the search that the finals put first."""
        first = tuned.chosen[0].text
        return next(tried for tried in tuned.best if tried.policy == first)

    def _aimed(self) -> Bench:
        """Searches want the fewest iterations to the target."""
        judge = aimed(self.judge(), self.goal).stopping()
        settings = judge.experiment.settings
        wanted = settings.search.model_copy(update={"objective": "iterations"})
        settings = settings.model_copy(update={"search": wanted, "name": f"{settings.name}-verify"})
        return replace(judge, experiment=replace(judge.experiment, settings=settings))
