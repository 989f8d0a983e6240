"""Reads what a report is asked for: results folders, run folders, and plain training logs of Caffe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import ResultsError
from lrbench.report.rows import RunRow, row_of_record
from lrbench.report.untrusted import path_text
from lrbench.runs.records import find_runs, read_run


@dataclass(frozen=True)
class Loaded:
    """The runs that could be read, and a line for each that could not."""

    runs: list[RunRow]
    problems: list[str]


def load(paths: Sequence[Path], target: float | None = None) -> Loaded:
    """Read every run at or under the paths; a path that is a file is read as a training log of Caffe.

    Args:
        target: the accuracy to reach, a fraction, in place of the one that each run has.

    Raises:
        ResultsError: a path does not exist, or there is no run that can be read.
    """
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise ResultsError("no such file or folder", where=str(missing), remedy="give a results folder or a Caffe log")
    loaded = Loaded([], [])
    for path in _found([path for path in paths if path.is_dir()], loaded):
        record = read_run(path)
        if record.problem is None:
            loaded.runs.append(row_of_record(record, target))
        else:
            loaded.problems.append(f"{path_text(path)}: {record.problem}")
    for path in dict.fromkeys(path for path in paths if not path.is_dir()):
        _load_log(path, target, loaded)
    if not loaded.runs:
        where, _, problem = (loaded.problems[0] if loaded.problems else "").partition(": ")
        raise ResultsError(
            f"{problem or 'there is no run'}, so there is nothing to report",
            where=where or None,
            remedy="give a results folder, such as `lrbench run` made, or a training log of Caffe",
        )
    return loaded


def _found(folders: Sequence[Path], loaded: Loaded) -> list[Path]:
    """The run folders, each once however it is reached; a folder without any is a problem."""
    found: dict[str, Path] = {}
    for folder in folders:
        runs = find_runs([folder])
        if not runs:
            loaded.problems.append(f"{path_text(folder)}: there is no run in this folder")
        for path in runs:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _load_log(path: Path, target: float | None, loaded: Loaded) -> None:
    from lrbench.engines.caffe.log import read_log
    from lrbench.report.caffe_log import row_of_log

    try:
        loaded.runs.append(row_of_log(path, read_log(path), target))
    except ResultsError as error:
        loaded.problems.append(str(error))
