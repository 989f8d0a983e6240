"""Times of a workload by its stored runs, from which a dry run estimates without executing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from lrbench.runs.description import RunDescription
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import RunRecord, find_runs, read_run
from lrbench.spec.experiment import Experiment
from lrbench.spec.program import ProgramWorkload

MOST_READ = 25


@dataclass(frozen=True)
class StoredTimes:
    """Medians over the stored runs of a workload.

    Attributes:
        runs: number of these runs.
        iteration_seconds: of an iteration; ``evaluation_seconds`` of an evaluation.
    """

    runs: int
    iteration_seconds: float
    evaluation_seconds: float

    def text(self, iterations: int, evaluations: int, jobs: int) -> str:
        """Return the time that so many iterations and evaluations take in ``jobs`` sessions, such as ``0:05:00``."""
        seconds = iterations * self.iteration_seconds + evaluations * self.evaluation_seconds
        return str(timedelta(seconds=round(seconds / jobs)))


def times_of_runs(folders: Sequence[Path]) -> StoredTimes | None:
    """Return the times of runs with equal nets or programs, by at most ``MOST_READ`` of them; None where none tells."""
    return _median_times([times for record in some_runs(folders) for times in _of_run(record)])


def some_runs(folders: Sequence[Path]) -> Iterator[RunRecord]:
    """Read at most ``MOST_READ`` of the runs, evenly spread; those that are damaged are left out."""
    for folder in folders[:: max(1, -(-len(folders) // MOST_READ))]:
        with suppress(DamagedRun):
            yield read_run(folder)


def stored_times(results: Path, experiment: Experiment) -> StoredTimes | None:
    """Return the times of the workload's runs at or under a results folder; None where there is none.

    Lengths and seeds of these runs may be others, and the version of a program.
    """
    return _median_times(list(_times(results, experiment)) if results.is_dir() else [])


def _median_times(times: Sequence[tuple[float, float]]) -> StoredTimes | None:
    if not times:
        return None
    iterations, evaluations = zip(*times, strict=True)
    return StoredTimes(len(times), median(iterations), median(evaluations))


def _times(results: Path, experiment: Experiment) -> Iterator[tuple[float, float]]:
    """Yield the seconds of an iteration and of an evaluation of each run."""
    for path in find_runs([results]):
        try:
            record = read_run(path)
        except DamagedRun:
            continue
        if _is_of(record.run, experiment):
            yield from _of_run(record)


def _is_of(run: RunDescription, experiment: Experiment) -> bool:
    """Whether a run is of the program, or of the net on its data set, with its batch size, engine and device."""
    workload, engine = experiment.workload, experiment.settings.engine
    named = {key: part for key, part in run.workload.items() if isinstance(part, dict)}
    names = {key: part.get("name") for key, part in named.items()}
    if isinstance(workload, ProgramWorkload):
        return names.get("program") == workload.net_name
    wanted = {"net": workload.net_name, "dataset": workload.dataset}
    same_engine = (run.engine.get("name"), run.engine.get("device")) == (engine.name, engine.device)
    return same_engine and names == wanted and run.workload.get("batch_size") == workload.batch_size


def _of_run(record: RunRecord) -> Iterator[tuple[float, float]]:
    columns = record.evaluations
    count = len(columns["iteration"])
    if not count or not columns["iteration"][-1] > 0:
        return
    trained, evaluated = (float(columns[name][-1]) for name in ("train_seconds", "evaluation_seconds"))
    if trained >= 0 and evaluated >= 0:  # False for NaN
        yield trained / float(columns["iteration"][-1]), evaluated / count
