"""Finds and reads run directories for reports: complete, running, cut off or damaged ones.

Nothing is written here, and no lock file is made.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import ResultsError
from lrbench.runs.description import RunDescription, read_description
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import read_columns
from lrbench.runs.files import EVALUATIONS, RUN, STATUS, opened
from lrbench.runs.status import Status, read_status

# results/<experiment>/<run> is two deep; two more for a folder of results folders.
DEPTH = 4


@dataclass(frozen=True)
class RunRecord:
    """Content of a run directory.

    Attributes:
        path: the directory.
        evaluations: float64 columns by name, in the order of iterations, NaN for null; those before the first damaged
            line.
        problem: what is wrong with that line; None where there is none.
        cut_off: the status says "running", but no process holds the run's lock.
    """

    path: Path
    run: RunDescription
    status: Status
    evaluations: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    problem: str | None = None
    cut_off: bool = False


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The run directories at or under the given folders, sorted, each once.

    A folder with any file of a run is one, so that a damaged run is found and named. Links are followed, loops are
    not, and the search goes four levels deep.

    Raises:
        ResultsError: a path that is no folder.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.is_dir():
            raise ResultsError("no such folder", where=str(path), remedy="give a results folder or a run's folder")
        names: list[tuple[str, ...]] = []
        _search(str(path), (), DEPTH, seen, names)
        found += [path.joinpath(*name) for name in names]
    return sorted(found, key=lambda path: path.parts)


def _search(
    folder: str, name: tuple[str, ...], depth: int, seen: set[tuple[int, int]], found: list[tuple[str, ...]]
) -> None:
    """Add the names, from the searched folder on, of the runs at or under a folder: paths are slow to make."""
    try:
        place = os.stat(folder)
        identity = (place.st_dev, place.st_ino)
        if identity in seen:
            return
        seen.add(identity)
        with os.scandir(folder) as entries:
            # DirEntry.is_dir() raises for a link to itself.
            folders = {e.name: os.path.isdir(e.path) if e.is_symlink() else e.is_dir() for e in entries}
    except OSError:
        found.append(name)  # read_run says what is wrong with it
        return
    if RUN in folders or STATUS in folders or EVALUATIONS in folders:
        found.append(name)
    elif depth:
        for inner, is_folder in folders.items():
            if is_folder and not inner.startswith("."):
                _search(os.path.join(folder, inner), (*name, inner), depth - 1, seen, found)


def read_run(path: Path) -> RunRecord:
    """Read a run directory; the run may be in training.

    Raises:
        DamagedRun: run.json or status.json is damaged, or evaluations.jsonl cannot be read; without a place.
    """
    run = read_description(path)
    # The status before the evaluations: one that says "finished" then comes with all of them.
    status, cut_off = read_status(path), False
    if status.status == "running" and not RunDirectory(path).is_locked:
        # The run may have ended between the two looks: then its status says so by now.
        status = read_status(path)
        cut_off = status.status == "running"
    try:
        with opened(path / EVALUATIONS) as file:
            columns, problem = read_columns(file)
    except FileNotFoundError:
        columns, problem = read_columns(io.BytesIO())
    return RunRecord(path, run, status, columns, problem and f"{EVALUATIONS}{problem}", cut_off)
