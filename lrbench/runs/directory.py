"""A run's folder, for the one process that is running it: status, evaluations, snapshots, lock."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from lrbench.errors import LRBenchError, ResultsError
from lrbench.storage import atomic_write, is_irregular, open_regular, put_in_place, read_regular, remove_partials, sync

RUN, STATUS, EVALUATIONS, SNAPSHOTS, LOCK = "run.json", "status.json", "evaluations.jsonl", "snapshots", "lock"
NEEDED = {"iteration", "accuracy_top1", "train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"}
BRANCH = "branch"
KEPT_SNAPSHOTS = 2
LOCK_SECONDS = 0.2
"""A report takes the lock for an instant, to see whether a run was cut off."""

StatusName = Literal["pending", "running", "finished", "diverged", "stopped", "failed"]
OUTCOMES: frozenset[StatusName] = frozenset({"finished", "diverged", "stopped"})
"""Statuses with which a run is done; any other is run again."""


class RunBusy(LRBenchError):
    """Another process is running this run."""


@dataclass(frozen=True)
class Status:
    """How far a run is and, where that needs one, the reason."""

    status: StatusName
    iteration: int = 0
    reason: str | None = None

    @property
    def done(self) -> bool:
        """Whether the run reached an outcome."""
        return self.status in OUTCOMES


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the results folder in what goes wrong with it.

    Raises:
        ResultsError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"cannot write the results folder: {error.strerror or error}",
            where=str(path),
            remedy="name another with --results, or free space there",
        ) from error


def check_writable(folder: Path) -> None:
    """Make an experiment's folder and write a file in it, before any run is begun.

    Raises:
        ResultsError: it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run."""

    path: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder if it is not there, and hold the run for this process.

        What a kill left of half-written files is removed. The system lets go when the process ends, however it ends.

        Raises:
            RunBusy: another process holds it.
            ResultsError: the folder cannot be written, or a file of the run is not a regular file.
        """
        lock = FileLock(self.path / LOCK)
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=LOCK_SECONDS)
            except Timeout as error:
                raise RunBusy("another process is running it", where=str(self.path)) from error
        try:
            self._refuse_irregular()
            with writing(self.path):
                remove_partials(self.path)
            yield
        finally:
            lock.release()

    def _refuse_irregular(self) -> None:
        """A pipe would be waited for for ever, and none of them be replaced in silence."""
        for name in (RUN, STATUS, EVALUATIONS):
            if is_irregular(self.path / name):
                raise ResultsError("is not a regular file", where=str(self.path / name), remedy="remove it")

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write run.json unless it is there; the caller holds the lock.

        Raises:
            ResultsError: the folder cannot be written.
        """
        if (self.path / RUN).exists():
            return
        with writing(self.path):
            self.write_status(Status("pending"))
            atomic_write(self.path / RUN, json.dumps(description, indent=1).encode())

    def branch(self, parent: RunDirectory, iteration: int, description: Mapping[str, Any]) -> bool:
        """Begin as a copy of another run as it was at an iteration; the caller holds this one's lock.

        The evaluations up to there come last, and at once: without them a run begins at iteration 0, so that a branch
        is whole or none.

        Args:
            description: for run.json, which also says from where this run branches.

        Returns:
            Whether there is a branch now; not where the parent has no snapshot of that iteration any more.

        Raises:
            ResultsError: the folder cannot be written.
        """
        rows = [row for row in parent.rows() if row["iteration"] <= iteration]
        if not rows or rows[-1]["iteration"] != iteration or not self._copy_snapshot(parent, iteration):
            return False
        self.describe({**description, BRANCH: {"run": parent.path.name, "iteration": iteration}})
        with writing(self.path):
            self.write_status(Status("pending", iteration))
            self.keep(rows)
        return True

    def _copy_snapshot(self, parent: RunDirectory, iteration: int) -> bool:
        source, target = parent.snapshot(iteration), self.snapshot(iteration)
        staging = target.with_name(f"old_{target.name}")  # what is left of one in the making is deleted with the old
        with writing(self.path):
            try:
                if not target.exists():
                    shutil.rmtree(staging, ignore_errors=True)
                    shutil.copytree(source, staging)
                    put_in_place(staging, target)
            except OSError:
                if source.is_dir():
                    raise
                return False  # the parent was trained on, perhaps just now by another process, and has dropped it
        return True

    @property
    def branched_at(self) -> int:
        """The iteration at which the run branches from another; 0 where it was trained from the start."""
        try:
            return int(json.loads(read_regular(self.path / RUN))[BRANCH]["iteration"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def status(self) -> Status:
        """The status on disk; ``pending`` where there is none or it is torn."""
        try:
            found = json.loads(read_regular(self.path / STATUS))
            return Status(found["status"], found["iteration"], found["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return Status("pending")

    def write_status(self, status: Status) -> None:
        """Replace the status; on a full disk, within the space that the old one has."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        content = json.dumps(
            {"status": status.status, "reason": status.reason, "iteration": status.iteration, "updated": now}
        ).encode()
        try:
            atomic_write(self.path / STATUS, content)
        except OSError:
            if not (self.path / STATUS).exists():
                raise
            with (self.path / STATUS).open("r+b") as file:
                file.write(content)
                file.truncate()

    def rows(self) -> list[dict[str, Any]]:
        """The evaluations on disk, in order, up to the first line that is none; null is NaN again."""
        rows: list[dict[str, Any]] = []
        try:
            with open_regular(self.path / EVALUATIONS) as file:
                for line in file:
                    row = _row(line)
                    if row is None:
                        break
                    rows.append(row)
        except FileNotFoundError:
            return rows
        return rows

    def append(self, row: Mapping[str, float]) -> None:
        """Add one evaluation; it is on disk when this returns."""
        with (self.path / EVALUATIONS).open("ab") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def keep(self, rows: list[dict[str, Any]]) -> None:
        """Keep only these evaluations, which are a beginning of those on disk."""
        path, content = self.path / EVALUATIONS, b"".join(map(_line, rows))
        if (read_regular(path) if path.exists() else b"") != content:
            atomic_write(path, content)

    def snapshots(self) -> list[tuple[int, Path]]:
        """Complete snapshots by iteration, the newest last."""
        found = (self.path / SNAPSHOTS).glob("iter_*")
        numbered = ((path.name.removeprefix("iter_"), path) for path in found)
        return sorted((int(number), path) for number, path in numbered if number.isdecimal())

    def snapshot(self, iteration: int) -> Path:
        """Where the snapshot of an iteration goes."""
        return self.path / SNAPSHOTS / f"iter_{iteration:08d}"

    def drop_snapshots(self, keep: int = KEPT_SNAPSHOTS) -> None:
        """Delete all but the newest."""
        found = self.snapshots()
        self._delete([path for _, path in found[: len(found) - keep]])

    def drop_snapshots_after(self, iteration: int) -> None:
        """Delete those that lie after an iteration to which the run has gone back."""
        self._delete([path for reached, path in self.snapshots() if reached > iteration])

    def _delete(self, snapshots: list[Path]) -> None:
        """Delete, each under another name first so that a half-deleted one never counts."""
        for path in snapshots:
            path.rename(path.with_name(f"old_{path.name}"))
            sync(path.parent)
        for doomed in (self.path / SNAPSHOTS).glob("old_*"):
            shutil.rmtree(doomed)


def _row(line: bytes) -> dict[str, Any] | None:
    """An evaluation from its line; None where it is torn or none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not row.keys() >= NEEDED:
        return None
    if not all(value is None or isinstance(value, (int, float)) for value in row.values()) or row["iteration"] is None:
        return None
    # Each name once in memory, not once a line: a resumed run may have a million evaluations.
    return {sys.intern(name): math.nan if value is None else value for name, value in row.items()}


def _line(row: Mapping[str, float]) -> bytes:
    finite = {name: value if math.isfinite(value) else None for name, value in row.items()}
    return json.dumps(finite).encode() + b"\n"
