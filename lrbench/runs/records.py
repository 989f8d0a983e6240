"""Reads run directories: all that is known of a run, even of one under way, cut off or damaged.

Nothing is written here, no lock file is made, and a damaged run is a record with a ``problem``, not an error: one bad
folder must not hide a thousand good ones.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, get_args

import numpy as np
import orjson
from numpy.typing import NDArray

from lrbench.errors import ResultsError
from lrbench.runs.columns import Columns, read_columns
from lrbench.runs.directory import EVALUATIONS, LOCK, RUN, STATUS, StatusName
from lrbench.storage import open_regular

SCHEMA = 1
# results/<experiment>/<run> is two deep; two more for a folder of results folders.
DEPTH = 4
LARGEST_FILE = 1 << 30


@dataclass(frozen=True)
class RunRecord:
    """What a run directory says.

    Attributes:
        path: the directory.
        run: the content of run.json.
        status: the content of status.json.
        evaluations: float64 columns by name, in the order of iterations, NaN for null; those before the first damaged
            line.
        problem: why the record is not to be trusted, in one line; None when it is.
        cut_off: the status says "running", but no process holds the run's lock.
    """

    path: Path
    run: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    evaluations: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    problem: str | None = None
    cut_off: bool = False

    @property
    def readable(self) -> bool:
        """Whether there is something to show: all of it, or, with a problem, the first of its evaluations."""
        return bool(self.run and self.status)


class _Damaged(Exception):
    """A file of the run cannot be read or does not say what it should."""


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
        _search(path, DEPTH, seen, found)
    return sorted(found)


def _search(folder: Path, depth: int, seen: set[tuple[int, int]], found: list[Path]) -> None:
    try:
        place = folder.stat()
        identity = (place.st_dev, place.st_ino)
        if identity in seen:
            return
        seen.add(identity)
        with os.scandir(folder) as entries:
            folders = {entry.name: _is_folder(entry) for entry in entries}
    except OSError:
        found.append(folder)  # read_run says what is wrong with it
        return
    if any(name in folders for name in (RUN, STATUS, EVALUATIONS)):
        found.append(folder)
    elif depth:
        for name, is_folder in folders.items():
            if is_folder and not name.startswith("."):
                _search(folder / name, depth - 1, seen, found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir() raises for a link to itself.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def read_run(path: Path) -> RunRecord:
    """Read a run directory, however much of it is there; never raises for what is in it."""
    run: Mapping[str, Any] = {}
    try:
        run = _read_description(path / RUN)
        # The status before the evaluations: one that says "finished" then comes with all of them.
        status, cut_off = _read_status(path)
        evaluations, problem = _read_evaluations(path / EVALUATIONS)
        return RunRecord(path, run, status, evaluations, problem, cut_off)
    except _Damaged as damage:
        return RunRecord(path, run, problem=str(damage))


def _read_description(path: Path) -> dict[str, Any]:
    run = _read_object(path)
    if run is None:
        raise _Damaged("run.json is missing")
    schema = run.get("schema")
    if not isinstance(schema, int) or "policy" not in run:
        raise _Damaged("run.json was not written by LRBench")
    if schema > SCHEMA:
        raise _Damaged(f"run.json has schema {schema}, this version reads up to {SCHEMA}; install a newer LRBench")
    for key, expected in _FIELDS.items():
        if not isinstance(run.get(key), expected):
            raise _Damaged(f"run.json: {key!r} is missing or of the wrong type")
    return run


_FIELDS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "experiment": str,
    "policy": str,
    "function": str,
    "lr_scale": (int, float),
    "seed": int,
    "solver": dict,
    "workload": dict,
    "engine": dict,
}


def _read_status(path: Path) -> tuple[dict[str, Any], bool]:
    status = _read_object(path / STATUS) or {"status": "pending", "reason": None}
    if status.get("status") == "running" and _is_unlocked(path / LOCK):
        # The run may have ended between the two looks: then its status says so by now.
        status = _read_object(path / STATUS) or status
        return status, status.get("status") == "running"
    if status.get("status") not in get_args(StatusName):
        raise _Damaged(f"status.json: unknown status {str(status.get('status'))[:40]!r}")
    if not isinstance(status.get("iteration", 0), int):  # orjson gives a float for an integer beyond 64 bits
        raise _Damaged("status.json: 'iteration' is not a whole number of 64 bits")
    return status, False


def _is_unlocked(path: Path) -> bool:
    """Whether no process holds the run's lock; False where that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        # Shared, and let go at once by closing: the run's own lock is exclusive, so a live run makes this fail.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _read_evaluations(path: Path) -> tuple[Columns, str | None]:
    """The columns, and what is wrong with the first line that is none; the columns are those of the lines before it."""
    try:
        with _opened(path) as file:
            columns, problem = read_columns(file)
    except FileNotFoundError:
        columns, problem = read_columns(io.BytesIO())
    return columns, problem and f"{path.name}{problem}"


def _read_object(path: Path) -> dict[str, Any] | None:
    content = _read_bytes(path)
    if content is None:
        return None
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _Damaged(f"{path.name} is not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(value, dict):
        raise _Damaged(f"{path.name} is not a JSON object")
    return value


def _read_bytes(path: Path) -> bytes | None:
    """The content of a file, None where there is none."""
    try:
        with _opened(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise _Damaged(f"{path.name} is larger than {LARGEST_FILE >> 30} GiB")
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _Damaged(f"{path.name} cannot be read: {error.strerror}") from None
