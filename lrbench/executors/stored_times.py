"""Times of a program by its stored runs, from which a dry run estimates: nothing of a program is executed for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from lrbench.executors.plan import Task
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import RunRecord, find_runs, read_run
from lrbench.spec.program import ProgramWorkload


@dataclass(frozen=True)
class StoredTimes:
    """Medians over the stored runs of a program.

    Attributes:
        runs: number of these runs.
        iteration_seconds: of an iteration; ``evaluation_seconds`` of an evaluation.
    """

    runs: int
    iteration_seconds: float
    evaluation_seconds: float

    def text(self, tasks: Sequence[Task], jobs: int) -> str:
        """Return the time that the tasks take, such as ``0:05:00``."""
        seconds = sum(map(self._seconds, tasks)) / min(jobs, len(tasks))
        return str(timedelta(seconds=round(seconds)))

    def _seconds(self, task: Task) -> float:
        workload = task.experiment.workload
        evaluations = -(-workload.iterations // workload.test_interval)
        return workload.iterations * self.iteration_seconds + evaluations * self.evaluation_seconds


def stored_times(results: Path, workload: ProgramWorkload) -> StoredTimes | None:
    """Return the times of the program's runs at or under a results folder; None where there is none."""
    times = list(_times(results, workload)) if results.is_dir() else []
    if not times:
        return None
    iterations, evaluations = zip(*times, strict=True)
    return StoredTimes(len(times), median(iterations), median(evaluations))


def _times(results: Path, workload: ProgramWorkload) -> Iterator[tuple[float, float]]:
    """Yield the seconds of an iteration and of an evaluation of each run, whatever version of the program it is of."""
    for path in find_runs([results]):
        try:
            record = read_run(path)
        except DamagedRun:
            continue
        program = record.run.workload.get("program")
        if isinstance(program, dict) and program.get("name") == workload.net_name:
            yield from _of_run(record)


def _of_run(record: RunRecord) -> Iterator[tuple[float, float]]:
    columns = record.evaluations
    count = len(columns["iteration"])
    if not count or not columns["iteration"][-1] > 0:
        return
    trained, evaluated = (float(columns[name][-1]) for name in ("train_seconds", "evaluation_seconds"))
    if trained >= 0 and evaluated >= 0:  # False for NaN
        yield trained / float(columns["iteration"][-1]), evaluated / count
