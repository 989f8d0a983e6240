"""Progress of experiments: how many runs are planned, done and under way, where, and how long the rest takes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from lrbench.errors import ResultsError, path_text
from lrbench.executors.stored_times import some_runs
from lrbench.report.active_runs import ActiveRun, active_runs, duration
from lrbench.report.formats import counted
from lrbench.report.rows import CUT_OFF, UNDER_WAY, Columns, RunRow, row_of_record
from lrbench.runs.files import STATUS, DamagedRun
from lrbench.runs.planned import read_planned
from lrbench.runs.records import find_runs, read_run
from lrbench.runs.status import OUTCOMES, Status, read_status
from lrbench.storage import is_irregular

GIVEN_UP = "given up"
_UNDONE = UNDER_WAY | {"failed"}


@dataclass(frozen=True)
class ExperimentProgress:
    """Progress of the runs in one folder.

    Attributes:
        planned: number of runs that are there or are to come; None where that is not known, as in a search by cost.
        statuses: number of runs by status; planned ones that have not begun are ``pending``.
        active: the runs that a process is training.
        seconds_left: estimate for the runs left, as many at a time as are active, at least one; None where no run
            tells how fast they are.
        problems: a line for each run that cannot be read.
    """

    folder: Path
    planned: int | None
    statuses: Mapping[str, int]
    active: tuple[ActiveRun, ...]
    seconds_left: float | None
    problems: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """Number of runs with an outcome, and of those that a search gave up."""
        return sum(count for status, count in self.statuses.items() if status in OUTCOMES or status == GIVEN_UP)

    @property
    def left(self) -> str:
        """The time left as text, such as ``3 h 05 min``; empty where it is unknown or nothing is left."""
        return "" if self.seconds_left is None else duration(self.seconds_left)

    @property
    def text(self) -> str:
        """One line, such as ``quickstart: 12 of 21 runs done, 2 active, about 45 s left``."""
        runs = counted(self.done, "run", "runs") if self.planned is None else f"{self.done:,} of {self.planned:,} runs"
        parts = [f"{runs} done", f"{len(self.active):,} active" if self.active else ""]
        parts += [f"{self.statuses['failed']:,} failed" if self.statuses.get("failed") else ""]
        parts += [f"about {self.left} left" if self.left else ""]
        return f"{self.folder.name}: {', '.join(filter(None, parts))}"


def find_progress(paths: Sequence[Path], nothing: str = "there is no run in this folder") -> list[ExperimentProgress]:
    """Return the progress of each experiment at or under the folders.

    Args:
        nothing: message where there is no run.

    Raises:
        ResultsError: a path is not a folder, or there is no run in any of them.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for run in find_runs(paths):
        folders[run.parent].append(run)
    if not folders:
        remedy = "start one: lrbench run SPEC"
        raise ResultsError(nothing, where=", ".join(map(path_text, paths)), remedy=remedy)
    return [progress_of(folder, runs, read_planned(folder)) for folder, runs in folders.items()]


def progress_of(
    folder: Path, runs: Sequence[Path], planned: Sequence[str], most: int | None = None
) -> ExperimentProgress:
    """Return the progress of the runs of an experiment; of runs that no process holds only the status is read.

    Args:
        runs: directories of the runs that have begun.
        planned: ids of planned runs, begun or not; empty where the plan is not known.
        most: number of runs where the plan is not known, as of a search.
    """
    states: list[tuple[str, int]] = []
    active: list[ActiveRun] = []
    begun: list[Path] = []
    problems: list[str] = []
    for run in runs:
        is_damaged = False
        try:
            status = read_status(run)
        except DamagedRun:
            status, is_damaged = Status("pending"), is_irregular(run / STATUS)
        state, iteration = GIVEN_UP if status.given_up else status.status, status.iteration
        if status.status == "running" or is_damaged:
            try:
                row = row_of_record(read_run(run))
            except DamagedRun as damage:
                problems.append(str(damage.at(path_text(run))))
                state = CUT_OFF
            else:
                state, held = row.status, active_runs([row])
                active += held
                iteration = held[0].iteration if held else iteration
        states.append((state, iteration))
        begun += [run] if iteration else []
    names = {run.name for run in runs}
    to_come = sum(run_id not in names for run_id in planned)
    if not planned and most is not None:
        to_come = max(0, most - len(runs))
    states += [("pending", 0)] * to_come
    total = len(states) if planned or most is not None else None
    undone = [iteration for state, iteration in states if state in _UNDONE]
    records = some_runs(begun) if undone else ()
    speed = _speed((record.evaluations, record.run.workload) for record in records)
    statuses = Counter(state for state, _ in states)
    seconds = _seconds_left(undone, speed, len(active))
    return ExperimentProgress(folder, total, statuses, tuple(active), seconds, tuple(problems))


def progress_of_rows(runs: Sequence[RunRow]) -> list[ExperimentProgress]:
    """Return the progress of the experiments of runs that were read already, those with active runs alone."""
    folders: dict[Path, list[RunRow]] = defaultdict(list)
    for run in runs:
        folders[run.path.parent].append(run)
    found = []
    for folder, rows in folders.items():
        active = active_runs(rows)
        if active:
            names, planned = {row.path.name for row in rows}, read_planned(folder)
            states = [(row.status, row.iteration) for row in rows if row.status != "running"]
            states += [("running", run.iteration) for run in active]
            states += [("pending", 0) for run_id in planned if run_id not in names]
            undone = [iteration for state, iteration in states if state in _UNDONE]
            speed = _speed((row.evaluations, row.workload) for row in rows)
            statuses = Counter(state for state, _ in states)
            total, seconds = len(states) if planned else None, _seconds_left(undone, speed, len(active))
            found.append(ExperimentProgress(folder, total, statuses, tuple(active), seconds))
    return found


def _speed(runs: Iterable[tuple[Columns, Mapping[str, Any]]]) -> tuple[float, float] | None:
    """Seconds of an iteration, evaluations included, and iterations of a run; None where no run tells.

    Args:
        runs: evaluations and workloads of runs.
    """
    seconds, lengths = [], []
    for evaluations, workload in runs:
        iterations = workload.get("iterations")
        names = ("iteration", "train_seconds", "evaluation_seconds")
        last = [float(evaluations[name][-1]) for name in names if name in evaluations and len(evaluations[name])]
        if isinstance(iterations, int) and len(last) == len(names) and last[0] > 0 and math.isfinite(sum(last)):
            seconds.append((last[1] + last[2]) / last[0])
            lengths.append(iterations)
    return (median(seconds), median(lengths)) if seconds else None


def _seconds_left(undone: Iterable[int], speed: tuple[float, float] | None, active: int) -> float | None:
    """Seconds for the runs that have come to these iterations, as many at a time as are active, at least one."""
    undone = list(undone)
    if not undone or speed is None:
        return None
    seconds, length = speed
    return sum(max(0, length - done) for done in undone) * seconds / max(1, active)
