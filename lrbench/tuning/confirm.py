"""Confirmation of policies over several seeds, and reranking of the best of a search.

Confirming runs start from scratch, train on the whole training set, and are evaluated on the test set, which the search
never looked at (unless the spec says ``validation: 0``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from lrbench.executors.plan import Task
from lrbench.metrics.equal_seeds import seeds_change_nothing
from lrbench.metrics.objective import ACCURACY, Objective, target_of
from lrbench.metrics.summary import RankKey, Summary, TimesToTarget, rank_key, summarise, times_to_target
from lrbench.policies import Policy, parse_policy
from lrbench.runner import Pause
from lrbench.runs.evaluations import columns_of
from lrbench.runs.status import COMPLETED
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.trial_runner import TrialRunner

SUFFIX, FINALIST = "confirmed", "finalist"
FEWEST_FINALISTS, MOST_FINALISTS, POLICIES_PER_FINALIST = 3, 10, 4
"""Number of finalists by default: one for so many policies trained to their end, within limits."""
EvaluatedAt = Literal["final", "best"]


@dataclass(frozen=True)
class SeedOutcome:
    """One full run.

    Attributes:
        best_accuracy: a fraction; None where the run has none, as one that failed or diverged at once.
        final_accuracy: likewise, of the last evaluation; None for a run that diverged.
        best_value, final_value: likewise, of the objective; None where the accuracy is it.
        iterations_to_target: None where the target was not reached, or there is none.
        iterations: training iterations; ``seconds`` of training and evaluating.
        reason: why the run stopped, diverged or failed.
    """

    seed: int
    status: str
    best_accuracy: float | None
    iterations_to_target: int | None
    iterations: int
    seconds: float
    run: str
    reason: str | None = None
    final_accuracy: float | None = None
    best_value: float | None = None
    final_value: float | None = None


@dataclass(frozen=True)
class Confirmed:
    """A policy over several seeds.

    Attributes:
        role: for example "found" or "baseline".
        budget: the iterations of a full run.
        at: evaluation of a run by whose value policies are compared, as in the spec's ``objective``.
        objective: the metric of that value.
        equal_seeds: whether seeds change nothing: all evaluations are equal over the seeds, which count as one.
    """

    policy: Policy
    role: str
    outcomes: tuple[SeedOutcome, ...]
    budget: int
    at: EvaluatedAt = "final"
    objective: Objective = ACCURACY
    equal_seeds: bool = False

    @property
    def diverged(self) -> int:
        """Number of runs that diverged."""
        return sum(outcome.status == "diverged" for outcome in self.outcomes)

    @property
    def value(self) -> Summary:
        """Value by which policies are compared; see ``value_at``."""
        return self.value_at(self.at)

    def value_at(self, at: EvaluatedAt) -> Summary:
        """Best or final value of the objective over the runs that did not diverge or fail."""
        if self.objective.is_accuracy:
            return self.accuracy_at(at)
        return self._summary([each.best_value if at == "best" else each.final_value for each in self._completed])

    def accuracy_at(self, at: EvaluatedAt) -> Summary:
        """Best or final accuracy, a fraction, over the runs that did not diverge or fail."""
        values = [each.best_accuracy if at == "best" else each.final_accuracy for each in self._completed]
        return self._summary(values)

    @property
    def _samples(self) -> tuple[SeedOutcome, ...]:
        return self.outcomes[:1] if self.equal_seeds else self.outcomes

    @property
    def _completed(self) -> list[SeedOutcome]:
        return [outcome for outcome in self._samples if outcome.status in COMPLETED]

    def _summary(self, values: Sequence[float | None]) -> Summary:
        return replace(summarise([each for each in values if each is not None]), equal_seeds=self.equal_seeds)

    @property
    def unknown_share(self) -> float:
        """Share of the seeds without a value, as where the training diverged."""
        return 1 - self.value.n / len(self._samples)

    @property
    def reached(self) -> int:
        """Number of runs that reached the target."""
        return sum(outcome.iterations_to_target is not None for outcome in self.outcomes)

    @property
    def to_target(self) -> TimesToTarget:
        """Iterations to the target, where a run that missed it counts with the budget."""
        times = [outcome.iterations_to_target for outcome in self._samples]
        return replace(times_to_target(times, [float(self.budget)] * len(times)), equal_seeds=self.equal_seeds)

    def ratio_to(self, other: Confirmed) -> Summary:
        """Ratio of the other's iterations to the target to this policy's, over the seeds with which both reach it."""
        theirs = {outcome.seed: outcome.iterations_to_target for outcome in other.outcomes}
        pairs = [(theirs.get(outcome.seed), outcome.iterations_to_target) for outcome in self._samples]
        return summarise([their / own for their, own in pairs if their is not None and own is not None])


def confirm(
    runner: TrialRunner, policies: Mapping[Policy, str], seeds: Sequence[int], give_up: Pause | None = None
) -> list[Confirmed]:
    """Run each policy with each seed, every policy once before any twice; runs that are done count.

    Args:
        runner: evaluates on the data to confirm on; see ``TrialRunner.with_suffix`` for the runs' folder.
        policies: the role of each, in the order of the answer.
        give_up: called after each evaluation; returns a reason to give the run up, or None to go on.

    Raises:
        PolicyError: a policy is impossible in a run of that length.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    tasks = [
        runner.task(policy, seed, number=number, pause=give_up)
        for number, (seed, policy) in enumerate(product(seeds, policies), start=1)
    ]
    if tasks:
        runner.check(tasks[0])
    runner.run(tasks)
    outcomes = [_outcome(runner, task) for task in tasks]
    budget = runner.experiment.workload.iterations
    objective = runner.experiment.settings.objective.resolved
    return [
        Confirmed(
            policy,
            role,
            tuple(outcomes[index :: len(policies)]),
            budget,
            objective.at,
            objective,
            seeds_change_nothing([columns_of(runner.evaluations(task)) for task in tasks[index :: len(policies)]]),
        )
        for index, (policy, role) in enumerate(policies.items())
    ]


def _outcome(runner: TrialRunner, task: Task) -> SeedOutcome:
    rows, status = runner.evaluations(task), runner.status(task)
    target, objective = target_of(runner.experiment.settings.aim), runner.experiment.settings.objective.resolved
    own = () if objective.is_accuracy else (objective.best(rows), objective.final(rows))
    return SeedOutcome(
        seed=task.run.seed,
        status=status.status,
        best_accuracy=ACCURACY.best(rows),
        iterations_to_target=None if target is None else target.iterations(rows),
        iterations=status.iteration,
        seconds=rows[-1].seconds if rows else 0.0,
        run=task.folder.name,
        reason=status.reason,
        final_accuracy=ACCURACY.final(rows),
        **dict(zip(("best_value", "final_value"), own, strict=False)),
    )


def finalist_count(settings: SearchSettings, trained: int) -> int:
    """Return how many policies of a search that trained so many to their end are trained with further seeds."""
    default = max(FEWEST_FINALISTS, min(trained // POLICIES_PER_FINALIST, MOST_FINALISTS))
    return min(settings.finalists or default, trained)


def final_rounds(settings: SearchSettings, trained: int, chosen: int) -> list[int]:
    """Return the number of policies in each round of the finals, of which ``chosen`` are chosen; see ``rerank``."""
    finalists = finalist_count(settings, trained)
    if not chosen or finalists <= chosen:
        return []
    rounds = [finalists]
    while len(rounds) < settings.final_seeds:
        rounds.append(min(rounds[-1], max(-(-rounds[-1] // 2), chosen + 1, FEWEST_FINALISTS)))
    return rounds[: settings.final_seeds]


def rerank(runner: TrialRunner, texts: Sequence[str], chosen: int) -> tuple[Confirmed, ...]:
    """Run the best policies of a search with further seeds, before ``chosen`` of them are chosen; the best first.

    A search trains each policy once, so the best of many results is partly luck: a rate just below what makes the net
    diverge looks best with one seed, and breaks down with the next. The finals are successive halving: each round
    trains its policies with one seed more, and the better half of them, at least three, is in the next. So the true
    best need not be among the first few of the search. Empty where nothing is to be chosen. The evaluation that counts
    is that of the search; the best accuracy is what early stopping on the same held-out images would keep.

    Args:
        runner: the runner of the search; the runs that it made there count.
        texts: the policies that the search found, in its order.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    settings, at = runner.experiment.settings.search, runner.experiment.settings.objective.searched.at

    def order(row: Confirmed) -> tuple[RankKey, ...]:
        metric = row.objective.best_metric
        value = rank_key(row.value, row.unknown_share, metric)
        return (rank_key(row.to_target, 0, metric), value) if settings.by == "iterations" else (value,)

    policies, ranked = [parse_policy(text) for text in texts], list[Confirmed]()
    for number, count in enumerate(final_rounds(settings, len(texts), chosen), start=1):
        seeds = range(settings.search_seed, settings.search_seed + number + 1)
        rows = (replace(row, at=at) for row in confirm(runner, dict.fromkeys(policies[:count], FINALIST), seeds))
        ranked = [*sorted(rows, key=order), *ranked[count:]]
        policies = [row.policy for row in ranked]
    return tuple(ranked)
