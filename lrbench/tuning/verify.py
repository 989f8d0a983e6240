"""Verification that a policy reaches a target within a budget, or search for one that does.

Three phases, as in arXiv:2210.12936: the policy itself; policies of the database that reached the target on the same
or a similar workload; a search for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lrbench.errors import PolicyError
from lrbench.metrics.objective import AnyTarget, Target, target_of
from lrbench.metrics.summary import TimesToTarget
from lrbench.policies import Policy
from lrbench.spec.objective import ObjectiveSettings, TargetSettings
from lrbench.spec.program import ProgramArguments, ProgramSource, ProgramWorkload
from lrbench.tuning.composing.building import NotResumable, compose
from lrbench.tuning.composing.selection import ComposeResult
from lrbench.tuning.confirm import SeedOutcome, confirm
from lrbench.tuning.database.database import Database
from lrbench.tuning.database.entry import Entry
from lrbench.tuning.database.schema import EntryQuery
from lrbench.tuning.early_stopping import Curve, TargetFeasibility
from lrbench.tuning.recommending.ranking import effective_policy
from lrbench.tuning.recommending.similarity import WorkloadQuery, similarity
from lrbench.tuning.result import TuneResult
from lrbench.tuning.space import Space
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.tune import reranked, search

SUFFIX = "verify"
Phase = Literal["policy", "database", "search"]
PHASES: tuple[Phase, ...] = ("policy", "database", "search")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Goal:
    """A target, a budget, and the seeds that have to reach it.

    Attributes:
        target: accuracy on the test set, a fraction, or a value of another metric there.
        within: the budget in iterations.
        share: share of the seeds that have to reach the target.
        early_stop: whether a run ends as soon as the target is out of reach; it always ends once that is reached.
    """

    target: AnyTarget
    within: int
    seeds: tuple[int, ...]
    share: float = 1.0
    early_stop: bool = True


@dataclass(frozen=True)
class Candidate:
    """A policy to test, and why."""

    policy: Policy
    why: str


@dataclass(frozen=True)
class Attempt:
    """A policy that was tested.

    Attributes:
        why: the reason to test it.
        times: iterations to the target over the seeds; a seed that missed it counts with the goal's iterations.
        equal_seeds: whether seeds change nothing, so that they say no more than one.
        declared: sentences on what a program declares.
    """

    phase: Phase
    policy: Policy
    why: str
    outcomes: tuple[SeedOutcome, ...]
    times: TimesToTarget
    equal_seeds: bool = False
    declared: tuple[str, ...] = ()

    @property
    def reached(self) -> int:
        """Number of seeds that reached the target."""
        return sum(outcome.iterations_to_target is not None for outcome in self.outcomes)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share of seeds that reach it (Clopper and Pearson, 1934)."""
        from scipy.stats import binomtest

        samples = 1 if self.equal_seeds else len(self.outcomes)
        found = binomtest(min(self.reached, samples), samples).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)

    def enough(self, share: float) -> bool:
        """Whether at least that share of the seeds reached the target."""
        return self.reached >= math.ceil(share * len(self.outcomes) - 1e-9)


@dataclass(frozen=True)
class Verdict:
    """Result of a verification.

    Attributes:
        attempts: the policies tested, in order; the last one reached the target if any did.
        evidence: by what runs were given up, where that was asked for.
        notes: the phases that were skipped, and why.
    """

    goal: Goal
    attempts: tuple[Attempt, ...]
    evidence: str | None
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> Attempt | None:
        """The policy that reaches the target, if there is one."""
        return next((attempt for attempt in self.attempts if attempt.enough(self.goal.share)), None)


@dataclass
class Verification:
    """Tests of policies for one goal on one workload.

    Args:
        runner: trains and evaluates on the test set.
        earlier: curves of earlier runs of the workload that reached the target.
    """

    runner: TrialRunner
    goal: Goal
    earlier: tuple[Curve, ...] = ()

    @property
    def feasibility(self) -> TargetFeasibility:
        """The rule by which runs are given up."""
        return TargetFeasibility(self.goal.target, self.goal.within, self.earlier)

    def attempt(self, phase: Phase, candidate: Candidate) -> Attempt:
        """Train with every seed, each until it reaches the target, or cannot any more.

        Raises:
            PolicyError: the policy is impossible in a run of that length.
            Interrupted: Ctrl-C; what was done is on disk.
        """
        runner = _aimed(self.runner, self.goal).with_suffix(SUFFIX)
        give_up = self.feasibility.out_of_reach if self.goal.early_stop else None
        (found,) = confirm(runner, {candidate.policy: phase}, self.goal.seeds, give_up)
        folders = [runner.folder / outcome.run for outcome in found.outcomes]
        return Attempt(
            phase,
            candidate.policy,
            candidate.why,
            found.outcomes,
            found.to_target,
            found.equal_seeds,
            runner.declared(folders),
        )


def _aimed(runner: TrialRunner, goal: Goal) -> TrialRunner:
    """The runner with runs of the goal's length that end once they reach its target."""
    runner = runner.with_iterations(goal.within).with_stopping(at_target=True)
    if not isinstance(goal.target, Target):
        return runner.with_settings(target_accuracy=goal.target, target=None)
    wanted = goal.target.metric
    return runner.with_settings(
        target_accuracy=None,
        target=TargetSettings(metric=wanted.metric, value=goal.target.value),
        objective=ObjectiveSettings(metric=wanted.metric, goal=wanted.goal),
    )


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
    evidence = verification.feasibility.evidence if goal.early_stop else None
    return Verdict(goal, tuple(attempts), evidence, notes=tuple(notes))


_NOTHING: dict[Phase, str] = {
    "policy": "no policy was given",
    "database": "the policy database has no policy that reached this target within this budget on this workload or a "
    "like one",
    "search": "the search found no policy that could be trained to its end",
}


def known_candidates(entries: Iterable[Entry], query: WorkloadQuery, goal: Goal, most: int) -> Iterator[Candidate]:
    """Yield at most ``most`` policies of a database that reached the target within the budget on this data set.

    Those of the most similar workloads come first (see ``recommending.similarity``); within a workload the surest, and
    of equally sure ones the soonest. Accuracies on another data set do not compare. The rates of a policy are divided
    by the query's ``lr_scale``, so that this spec's solver trains at the rates that the net had there.
    """
    asked = replace(query, iterations=goal.within)
    similar = [(entry, found) for entry in entries if (found := similarity(asked, entry.workload)) is not None]
    similar.sort(key=lambda each: (each[1].distance, *each[0].times_to(goal.target, goal.within).order, each[0].id))
    seen: set[str] = set()
    for entry, found in similar:
        known, policy = entry.reached(goal.target, goal.within), effective_policy(entry)
        if not found.same_data or not known.reached or policy is None or len(seen) >= most:
            continue
        policy = policy.scaled(1 / query.lr_scale)
        try:
            policy.check(goal.within)
        except PolicyError:
            continue
        if policy.text not in seen:
            seen.add(policy.text)
            yield Candidate(
                policy,
                f"reached it with {known.reached} of {len(entry.samples)} seeds on: "
                f"{', '.join(found.reasons)} (entry {entry.id[:8]}, {entry.workload.evaluated_on} set)",
            )


def earlier_runs(database: Database, runner: TrialRunner, goal: Goal) -> tuple[Curve, ...]:
    """Return the curves of the database's runs of this net, data, batch size and solver that reached the target."""
    wanted = target_of(goal.target)
    assert wanted is not None  # a target is given
    entries = [entry for entry in database.entries(_of_workload(runner)) if entry.lr_scale == 1]
    arguments = runner.experiment.settings.solver[0]
    if isinstance(arguments, ProgramArguments):
        entries = [entry for entry in entries if dict(entry.workload.solver) == arguments.resolved()]
    return tuple(
        tuple((point.iteration, point.value) for point in run.bests_of(wanted.metric) if point.iteration > 0)
        for entry in entries
        for run in entry.samples
        if run.reached(goal.target, goal.within)
    )


def _of_workload(runner: TrialRunner) -> EntryQuery:
    workload, data = runner.experiment.workload, runner.data
    if isinstance(workload, ProgramWorkload):
        return EntryQuery(net=data.sha256, solver="program", evaluated_on="test")
    return EntryQuery(
        net=workload.net_sha256,
        dataset=data.sha256,
        batch_size=workload.batch_size,
        solver=runner.experiment.settings.solver[0].type,
        evaluated_on="test",
    )


@dataclass
class SearchPhase:
    """Search for the policy that reaches a goal soonest, single or composite, on the data to choose by.

    Attributes:
        search_runner: called for a runner on the validation part.
        space: called for the policies to search among when it comes to that; it may take a range test.
        tuned, composed: what was searched so far.
        not_composed: why no policy is composed, in a sentence.
    """

    search_runner: Callable[[], TrialRunner]
    space: Callable[[], Space]
    goal: Goal
    storage: str | None = None
    tuned: TuneResult | None = field(default=None, init=False)
    composed: ComposeResult | None = field(default=None, init=False)
    not_composed: str | None = field(default=None, init=False)

    def candidates(self) -> Iterator[Candidate]:
        """Yield the best single policy, and, if that is not enough, a composite one.

        Raises:
            UsageError: as ``search`` and ``compose`` do.
            Interrupted: Ctrl-C; what was done is on disk.
        """
        runner, space = self._aimed(), self.space()
        self.tuned = reranked(runner, search(runner, space, self.storage), 1)
        if self.tuned.best:
            policy = self.tuned.chosen[0]
            iterations = next(tried.iterations_to_target for tried in self.tuned.best if tried.policy == policy.text)
            reached = "never" if iterations is None else f"after {iterations:,} iterations"
            data = "data" if isinstance(runner.data, ProgramSource) else "images"
            yield Candidate(
                policy,
                f"the best of {len(self.tuned.tried)} policies searched; on the "
                f"{self.tuned.evaluated_on} {data} it reached it {reached}",
            )
        try:
            self.composed = compose(runner, space)
        except NotResumable as error:
            self.not_composed = f"no policy was composed: {error}"
            return
        count = len(self.composed.stages)
        yield Candidate(self.composed.policy, f"composed in {count} {'stage' if count == 1 else 'stages'}")

    def _aimed(self) -> TrialRunner:
        """The runner of searches for the fewest iterations to the target."""
        runner = _aimed(self.search_runner(), self.goal).with_stopping().with_suffix(SUFFIX)
        search_settings = runner.experiment.settings.search.model_copy(update={"by": "iterations"})
        return runner.with_settings(search=search_settings)
