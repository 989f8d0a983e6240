"""Confirm policies that a search found: full runs from scratch, over seeds that the search did not see.

They train on the whole training set and are judged on the test set, which the search never looked at (unless the spec
says ``validation: 0``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from lrbench.executors.plan import Task
from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target
from lrbench.policies import Policy
from lrbench.runner import Pause
from lrbench.runs.status import COMPLETED
from lrbench.tuning.bench import Bench, best_accuracy, iterations_to

SUFFIX = "confirmed"


@dataclass(frozen=True)
class SeedOutcome:
    """One full run.

    Attributes:
        best_accuracy: a fraction; None where the run has none, as one that failed or diverged at once.
        iterations_to_target: None where the target was not reached, or there is none.
        iterations: how many were trained; ``seconds`` of training and evaluating they took.
        reason: why the run ended as it did, where that needs one.
    """

    seed: int
    status: str
    best_accuracy: float | None
    iterations_to_target: int | None
    iterations: int
    seconds: float
    run: str
    reason: str | None = None


@dataclass(frozen=True)
class Confirmed:
    """A policy over several seeds.

    Attributes:
        role: what it is here, such as "found" or "baseline".
        budget: the iterations of a full run.
    """

    policy: Policy
    role: str
    outcomes: tuple[SeedOutcome, ...]
    budget: int

    @property
    def diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(outcome.status == "diverged" for outcome in self.outcomes)

    @property
    def accuracy(self) -> Summary:
        """Best accuracy, a fraction, over the runs that did not diverge or fail."""
        return summarise(
            [
                outcome.best_accuracy
                for outcome in self.outcomes
                if outcome.best_accuracy is not None and outcome.status in COMPLETED
            ]
        )

    @property
    def to_target(self) -> TimesToTarget:
        """Iterations to the target, where a run that missed it counts with the budget."""
        return times_to_target(
            [outcome.iterations_to_target for outcome in self.outcomes], [float(self.budget)] * len(self.outcomes)
        )

    def ratio_to(self, other: Confirmed) -> Summary:
        """How many times the iterations to the target the other takes, over the seeds with which both reach it."""
        theirs = {outcome.seed: outcome.iterations_to_target for outcome in other.outcomes}
        pairs = [(theirs.get(outcome.seed), outcome.iterations_to_target) for outcome in self.outcomes]
        return summarise([their / own for their, own in pairs if their is not None and own is not None])


def confirm(
    bench: Bench, policies: Mapping[Policy, str], seeds: Sequence[int], give_up: Pause | None = None
) -> list[Confirmed]:
    """Run each policy with each seed, every policy once before any twice; runs that are done count.

    Args:
        bench: on the data to confirm on, with the folder for the runs; see ``Bench.named``.
        policies: what each is here, in the order of the answer.
        give_up: asked after each evaluation why a run should not go on.

    Raises:
        PolicyError: a policy is impossible in a run of that length.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    wanted = list(product(seeds, policies))
    tasks = [
        bench.task(policy, seed, number=number, pause=give_up) for number, (seed, policy) in enumerate(wanted, start=1)
    ]
    if tasks:
        bench.check(tasks[0])
    bench.run(tasks)
    found: dict[Policy, list[SeedOutcome]] = {policy: [] for policy in policies}
    for task, (_, policy) in zip(tasks, wanted, strict=True):
        found[policy].append(_outcome(bench, task))
    budget = bench.experiment.workload.iterations
    return [Confirmed(policy, role, tuple(found[policy]), budget) for policy, role in policies.items()]


def _outcome(bench: Bench, task: Task) -> SeedOutcome:
    rows, status = bench.evaluations(task), bench.status(task)
    target = bench.experiment.settings.target_accuracy
    return SeedOutcome(
        seed=task.run.seed,
        status=status.status,
        best_accuracy=best_accuracy(rows),
        iterations_to_target=None if target is None else iterations_to(rows, target),
        iterations=status.iteration,
        seconds=rows[-1].seconds if rows else 0.0,
        run=task.folder.name,
        reason=status.reason,
    )
