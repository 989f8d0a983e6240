"""Runs played back from a table of measured ones, so that ways of choosing can be compared without training again."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import ResultsError
from lrbench.executors.local import Outcome
from lrbench.executors.plan import Task
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status, StatusName
from lrbench.tuning.bench import Bench


@dataclass(frozen=True)
class Played:
    """A measured run: how it ended, and its evaluations."""

    status: StatusName
    rows: tuple[Evaluation, ...]


def read_table(path: Path) -> tuple[dict[str, Any], dict[tuple[str, int], Played]]:
    """What was measured (workload, commands), and each run by policy text and seed.

    The file is gzipped JSON: ``about``, ``iterations`` (of the evaluations) and ``runs``, each with policy, seed,
    status and the accuracy at each evaluation (null where it diverged).

    Raises:
        ResultsError: it is no such table.
    """
    try:
        with gzip.open(path, "rt") as file:
            table = json.load(file)
        return table["about"], dict(_runs(table))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"is no table of runs: {error}", where=str(path)) from error


def _runs(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], Played]]:
    for run in table["runs"]:
        rows = [
            Evaluation(iteration, {"accuracy_top1": math.nan if accuracy is None else accuracy})
            for iteration, accuracy in zip(table["iterations"], run["accuracy"], strict=False)
        ]
        yield (run["policy"], run["seed"]), Played(run["status"], tuple(rows))


@dataclass(frozen=True)
class ReplayBench(Bench):
    """A bench whose runs are those of a table; pauses and stopping rules work as on a real one.

    A run that is shorter than the table's is the beginning of that one, which holds for policies whose rates do not
    depend on the run's length.
    """

    table: Mapping[tuple[str, int], Played] = field(default_factory=dict)
    reached: dict[Path, tuple[Status, list[Evaluation]]] = field(default_factory=dict)

    def run(self, tasks: Iterable[Task | None]) -> list[Outcome]:
        """Play the runs one after another."""
        outcomes = []
        for task in filter(None, tasks):
            how = "skipped" if self.status(task).done else "ran"
            status = self._play(task) if how == "ran" else self.status(task)
            outcomes.append(Outcome(task, how, status))  # type: ignore[arg-type]
            self.listener.ended(outcomes[-1])
        return outcomes

    def evaluations(self, task: Task) -> list[Evaluation]:
        """What was played of a run."""
        return self.reached.get(task.folder, (Status("pending"), []))[1]

    def status(self, task: Task) -> Status:
        """How far a run was played."""
        return self.reached.get(task.folder, (Status("pending"), []))[0]

    def _play(self, task: Task) -> Status:
        played = self.table[task.run.policy.text, task.run.seed]
        rows = list(self.evaluations(task))
        status = self._reached(task, played, rows)
        while status is None:
            rows.append(played.rows[len(rows)])
            status = self._reached(task, played, rows)
        self.reached[task.folder] = status, rows
        return status

    def _reached(self, task: Task, played: Played, rows: list[Evaluation]) -> Status | None:
        """How a run ends after these evaluations, None if it goes on; in the runner's order of things."""
        at = rows[-1].iteration if rows else 0
        if len(rows) == len(played.rows):
            return Status(played.status, at)
        if at >= task.experiment.workload.iterations:
            return Status("finished", at)
        why = task.rules.verdict(rows)
        if why is not None:
            return Status("stopped", at, why)
        wait = task.pause(rows) if rows else None
        return None if wait is None else Status("pending", at, wait)
