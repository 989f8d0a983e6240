"""Reading of results folders, run folders and plain training logs of Caffe for a report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lrbench.errors import LRBenchError, ResultsError, path_text
from lrbench.metrics.divergence import divergence
from lrbench.metrics.objective import AnyTarget, Objective, known_goal
from lrbench.metrics.registry import CLOCKS, METRICS, Metric, metric_named
from lrbench.report.build import Report, build_report
from lrbench.report.rows import RunRow, row_of_record
from lrbench.runs.description import read_description
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import find_runs, read_run
from lrbench.runs.status import COMPLETED


@dataclass(frozen=True)
class Loaded:
    """Runs that could be read, and an error for each that could not.

    Attributes:
        notes: a line for each run that was read only in part, or from another place.
    """

    runs: list[RunRow] = field(default_factory=list)
    errors: list[LRBenchError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """A line for each run that could not be read."""
        return list(map(str, self.errors))


def read_report(paths: Sequence[Path], metric: str | None = None, target: AnyTarget | None = None) -> Report:
    """Build a report of every run at or under the paths.

    Args:
        metric: name of the metric that ranks the policies; None: the objective of a workload's specs where they agree,
            else the accuracy at the end of a run.
        target: as for ``load``.

    Raises:
        UsageError: there is no such metric or path, or no run that can be read.
    """
    loaded = load(paths, target)
    chosen = None if metric is None else _named(metric, loaded)
    report = build_report(loaded.runs, chosen, paths, loaded.problems)
    return replace(report, notes=(*loaded.notes, *report.notes))


def _named(name: str, loaded: Loaded) -> Metric:
    """The metric of that name: one of LRBench's, or one that the programs of the runs report."""
    if name in METRICS:
        objectives = {run.objective for run in loaded.runs if run.objective is not None}
        of_objective = name == "lr_scale_robustness" and len(objectives) == 1
        return replace(METRICS[name], unit=objectives.pop().unit) if of_objective else METRICS[name]
    column = name.removeprefix("best_")
    for run in loaded.runs:
        objective = run.objective
        if objective is not None and name in (objective.final_metric.name, objective.best_metric.name):
            return objective.final_metric if name == objective.final_metric.name else objective.best_metric
        goal = known_goal(column) if column in run.evaluations and column not in CLOCKS else None
        if goal is not None and column == name:
            return Objective(name, goal).ranking
    return metric_named(name)


def load(paths: Sequence[Path], target: AnyTarget | None = None) -> Loaded:
    """Read every run at or under the paths; a path that is a file is read as a training log of Caffe.

    For a log of a run of LRBench the run is read: the log does not say that the rates were set from outside, nor what
    was evaluated.

    Args:
        target: the accuracy to reach, a fraction, in place of the one that each run has.

    Raises:
        ResultsError: a path does not exist, or there is no run that can be read.
    """
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise ResultsError("no such file or folder", where=str(missing), remedy="give a results folder or a Caffe log")
    loaded = Loaded()
    logs = list(dict.fromkeys(path for path in paths if not path.is_dir()))
    own = [path for path in logs if _is_of_a_run(path)]
    for path in own:
        loaded.notes.append(f"{path_text(path)}: this log belongs to a run of LRBench, which is read in its place")
    for path in _found([path for path in paths if path.is_dir()] + [path.parent for path in own], loaded):
        _load_run(path, target, loaded)
    for path in logs:
        if path not in own:
            _load_log(path, target, loaded)
    loaded.notes.extend(_unknown_nets(loaded.runs))
    if not loaded.runs:
        first = loaded.errors[0] if loaded.errors else ResultsError("there is no run")
        raise ResultsError(
            f"{first.message}, so there is nothing to report",
            where=first.where,
            remedy=first.remedy or "give a results folder, such as `lrbench run` made, or a training log of Caffe",
        )
    return loaded


def _found(folders: Sequence[Path], loaded: Loaded) -> list[Path]:
    """Return the run folders, each once however it is reached; a folder without any is an error."""
    found: dict[str, Path] = {}
    for folder in folders:
        runs = find_runs([folder])
        if not runs:
            loaded.errors.append(ResultsError("there is no run in this folder", where=path_text(folder)))
        for path in runs:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _is_of_a_run(log: Path) -> bool:
    """Whether the log is of a run of LRBench; a run's folder may hold others, of `caffe train` by hand."""
    from lrbench.engines.caffe.run_folder import LOG_NAME

    try:
        return log.name == LOG_NAME and bool(read_description(log.parent))
    except DamagedRun:
        return False


def _load_run(path: Path, target: AnyTarget | None, loaded: Loaded) -> None:
    try:
        record = read_run(path)
    except DamagedRun as damage:
        loaded.errors.append(damage.at(path_text(path)))
        return
    row = row_of_record(record, target)
    loaded.runs.append(row)
    loss, accuracy = row.evaluations.get("test_loss"), row.evaluations.get("accuracy_top1")
    if row.status in COMPLETED and loss is not None and accuracy is not None and len(loss):
        why = divergence(float(loss[-1]), float(accuracy[-1]), None)
        if why is not None:  # an earlier version did not notice
            note = f"this run is stored as {row.status}, but in its last evaluation {why}, as after divergence"
            loaded.notes.append(f"{row.where}: {note}")
    if record.problem:
        loaded.notes.append(f"{row.where}: {record.problem}; only the evaluations before that are shown")


def _unknown_nets(runs: Sequence[RunRow]) -> Iterator[str]:
    """Yield a line if several runs of unknown nets stand in one table."""
    unknown = [row for row in runs if row.engine.get("driver") == "log" and row.workload["net"]["sha256"] is None]
    if len(unknown) > 1:
        yield (
            f"{unknown[0].where} and {len(unknown) - 1} more: these logs do not say which net was trained on which "
            "data, so whether they are comparable is unknown"
        )


def _load_log(path: Path, target: AnyTarget | None, loaded: Loaded) -> None:
    from lrbench.engines.caffe.log import read_log
    from lrbench.report.caffe_log import notes_of_log, row_of_log

    try:
        log = read_log(path)
    except ResultsError as error:
        loaded.errors.append(error)
        return
    loaded.runs.append(row_of_log(path, log, target))
    loaded.notes.extend(f"{path_text(path)}: {note}" for note in notes_of_log(log))
