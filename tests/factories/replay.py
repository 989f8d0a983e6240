"""Runs replayed from a table of measured ones, to compare search methods without training again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.executors.dispatcher import Outcome
from lrbench.executors.plan import Task
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status, StatusName
from lrbench.tuning.trial_runner import TrialRunner


@dataclass(frozen=True)
class Played:
    """A measured run: how it ended, its evaluations, and at which iteration it ended; None: at the last evaluation."""

    status: StatusName
    rows: tuple[Evaluation, ...]
    iteration: int | None = None

    @property
    def iterations(self) -> int:
        """Training iterations of the run."""
        return self.rows[-1].iteration if self.iteration is None else self.iteration


@dataclass(frozen=True)
class ReplayRunner(TrialRunner):
    """A runner that replays the runs of a table; pauses and stopping rules work as on a real one.

    A run that is shorter than the table's is the beginning of that one, which holds for policies whose rates do not
    depend on the run's length.
    """

    table: Mapping[tuple[str, int], Played] = field(default_factory=dict)
    reached: dict[Path, tuple[Status, list[Evaluation]]] = field(default_factory=dict)

    def run(
        self, tasks: Iterable[Task | None], on_end: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Replay the runs one after another."""
        outcomes = []
        for task in filter(None, tasks):
            how = "skipped" if self.status(task).done else "ran"
            played, rows = self.table[task.run.policy.text, task.run.seed], list(self.evaluations(task))
            status = self.status(task) if how == "skipped" else self._reached(task, played, rows)
            while status is None:
                rows.append(played.rows[len(rows)])
                status = self._reached(task, played, rows)
            self.reached[task.folder] = status, rows
            outcomes.append(Outcome(task, how, status))  # type: ignore[arg-type]
            self.listener.ended(outcomes[-1])
            on_end(outcomes[-1])
        return outcomes

    def evaluations(self, task: Task) -> list[Evaluation]:
        """Return the evaluations replayed of a run."""
        return self.reached.get(task.folder, (Status("pending"), []))[1]

    def status(self, task: Task) -> Status:
        """Return the status of a replayed run."""
        return self.reached.get(task.folder, (Status("pending"), []))[0]

    def _reached(self, task: Task, played: Played, rows: list[Evaluation]) -> Status | None:
        """The status of a run that ends or pauses after these evaluations, else None; as the training loop decides."""
        at = rows[-1].iteration if rows else 0
        if len(rows) == len(played.rows):
            return Status(played.status, played.iterations if rows else 0)
        if at >= task.experiment.workload.iterations:
            return Status("finished", at)
        why = task.rules.verdict(rows)
        if why is not None:
            return Status("stopped", at, why)
        wait = task.pause(rows) if rows and task.pause is not None else None
        return None if wait is None else Status("pending", at, wait)
