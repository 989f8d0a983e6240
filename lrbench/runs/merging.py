"""Union of results folders of machines without a common disk; the folders merged are only read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.errors import ResultsError, path_text
from lrbench.runs.directory import RunDirectory
from lrbench.runs.files import LOCK
from lrbench.runs.records import find_runs
from lrbench.storage import reason


@dataclass
class Part:
    """Number of runs that one source has, and that were taken from it.

    Attributes:
        known: runs that are the same in a source before it.
    """

    source: str
    found: int = 0
    taken: int = 0
    known: int = 0


@dataclass
class Merged:
    """Result of a merge.

    Attributes:
        output: the new folder or file.
        conflicts: a line for each run that differs between sources, of which one was taken.
        left_out: a line for each run that was not taken from any source.
    """

    output: Path
    parts: list[Part]
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@contextmanager
def new_output(output: Path) -> Iterator[Path]:
    """Name a folder or file beside ``output`` that becomes it once the block has ended; a block that fails leaves none.

    Raises:
        ResultsError: ``output`` is there already, or cannot be made.
    """
    if output.exists():
        raise ResultsError("is there already", where=path_text(output), remedy="give -o the name of a new one")
    if not output.absolute().parent.is_dir():
        where = path_text(output)
        raise ResultsError(f"there is no folder {path_text(output.parent)}", where=where, remedy="create it")
    staging = output.with_name(f".{output.name}.partial")
    _remove(staging)
    try:
        yield staging
        staging.rename(output)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path_text(output)
        raise ResultsError(
            f"cannot be merged: {reason(error)}", where=where, remedy="free space, or change -o"
        ) from error
    finally:
        _remove(staging)


def _remove(staging: Path) -> None:
    if staging.is_dir():
        shutil.rmtree(staging)
    staging.unlink(missing_ok=True)


def merge_runs(folders: Sequence[Path], staging: Path, output: Path) -> Merged:
    """Copy every run of the folders to ``<staging>/<experiment>/<run id>``.

    Of a run that several folders have, the one that is done or came farther is copied, whole; of equals the first.
    Where two disagree on the values of an evaluation that both have, that is a conflict. Runs in training are left out.

    Raises:
        ResultsError: a path is not a folder.
        OSError: a file cannot be copied.
    """
    merged = Merged(output, [Part(path_text(folder)) for folder in folders])
    staging.mkdir()
    candidates: dict[tuple[str, str], list[tuple[Part, Path]]] = {}
    for folder, part in zip(folders, merged.parts, strict=True):
        found = find_runs([folder])
        part.found = len(found)
        for path in found:
            place = path.resolve()
            candidates.setdefault((place.parent.name, path.name or place.name), []).append((part, path))
    for (experiment, run), copies in sorted(candidates.items()):
        free = [(part, path) for part, path in copies if not RunDirectory(path).is_locked]
        if not free:
            merged.left_out.append(f"{experiment}/{run}: in training by another process")
            continue
        part, path = _farthest(free) if len(free) > 1 else free[0]
        for other_part, other in free:
            if other is not path and (difference := _difference(path, other)):
                kept = f"that of {path_text(path)} is kept"
                merged.conflicts.append(f"{experiment}/{run}: {path_text(other)} {difference}; {kept}")
            elif other is not path:
                other_part.known += 1
        part.taken += 1
        shutil.copytree(path, staging / experiment / run, ignore=shutil.ignore_patterns(LOCK, ".*.partial"))
    return merged


def _farthest(copies: Iterable[tuple[Part, Path]]) -> tuple[Part, Path]:
    """The copy that is done, or else has the most iterations; the first of equals."""

    def progress(copy: tuple[Part, Path]) -> tuple[bool, int]:
        directory = RunDirectory(copy[1])
        evaluations = directory.evaluations()
        return directory.status().done, evaluations[-1].iteration if evaluations else 0

    return max(copies, key=progress)


def _difference(kept: Path, other: Path) -> str | None:
    """Return the difference of another copy of a run from the one kept, times aside; None where there is none."""
    mine, theirs = RunDirectory(kept), RunDirectory(other)
    if theirs.status().done and mine.status().status != theirs.status().status:
        return f"is {theirs.status().status}, not {mine.status().status}"
    # A NaN that was read from a file is one object, and so equal to itself.
    values = {evaluation.iteration: evaluation.metrics for evaluation in mine.evaluations()}
    for evaluation in theirs.evaluations():
        if evaluation.iteration in values and values[evaluation.iteration] != evaluation.metrics:
            return f"has other values at iteration {evaluation.iteration}"
    return None
