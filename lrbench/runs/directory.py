"""The run directory as the process that trains the run uses it: lock, status, evaluations, snapshots."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lrbench.errors import LRBenchError, ResultsError
from lrbench.runs.description import Branch, RunDescription, read_description
from lrbench.runs.evaluations import Evaluation, read_evaluations
from lrbench.runs.files import EVALUATIONS, LOCK, RUN, SNAPSHOTS, STATUS, DamagedRun
from lrbench.runs.status import Status, read_status
from lrbench.storage import atomic_write, is_irregular, open_regular, put_in_place, read_regular, remove_partials, sync

STAGING = "staging"
LOCK_SECONDS = 0.2
"""A report takes the lock for an instant, to see whether a run was cut off."""


class RunBusy(LRBenchError):
    """Another process is running this run."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a ResultsError that names the results folder."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"cannot write the results folder: {error.strerror or error}",
            where=str(path),
            remedy="name another with --results, or free space there",
        ) from error


def check_writable(folder: Path) -> None:
    """Raise ResultsError, before any run begins, unless an experiment's folder can be made and written to."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)


def _made(folder: Path) -> bool:
    """Make a folder unless it is there; return whether it was not."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    return True


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run."""

    path: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder if there is none, and hold the run for this process.

        Files that a kill left half written are removed. The system releases the lock when the process ends.

        Raises:
            RunBusy: another process holds it.
            ResultsError: the folder cannot be written, or a file of the run is not a regular file.
        """
        lock = FileLock(self.path / LOCK, thread_local=False)  # another thread may release it
        with writing(self.path):
            is_new = _made(self.path)
            try:
                lock.acquire(timeout=LOCK_SECONDS)
            except Timeout as error:
                raise RunBusy("another process is running it", where=str(self.path)) from error
        try:
            if not is_new:
                self._tidy()
            yield
        finally:
            lock.release()

    def _tidy(self) -> None:
        """Remove what a kill left half written."""
        for name in (RUN, STATUS, EVALUATIONS):  # a pipe would block; none is replaced in silence
            if is_irregular(self.path / name):
                raise ResultsError("is not a regular file", where=str(self.path / name), remedy="remove it")
        with writing(self.path):
            remove_partials(self.path)
            shutil.rmtree(self.path / SNAPSHOTS / STAGING, ignore_errors=True)

    @property
    def is_locked(self) -> bool:
        """Whether a process holds the run; True also where that cannot be told. Nothing is written."""
        try:
            import fcntl
        except ImportError:
            return self._is_locked_for_writing()
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            # The lock that FileLock takes is exclusive, so that a shared one is refused while a process holds the run;
            # FileLock itself would make the file, write to it, and keep other readers out.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _is_locked_for_writing(self) -> bool:
        """Take the lock for an instant, where there is none that can be shared, as on Windows."""
        if not (self.path / LOCK).exists():
            return False
        try:
            with FileLock(self.path / LOCK, blocking=False):
                return False
        except (Timeout, OSError):
            return True

    def describe(self, description: RunDescription) -> None:
        """Write run.json unless it is there; the caller holds the lock. Raises ResultsError if it cannot."""
        if (self.path / RUN).exists():
            return
        with writing(self.path):
            atomic_write(self.path / RUN, description.content(), sync_name=False)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Add what became known of the training with an evaluation to run.json; the caller holds the lock."""
        description = read_description(self.path)
        if dict(description.facts) != dict(facts):
            atomic_write(self.path / RUN, replace(description, facts=facts).content())

    @property
    def description(self) -> RunDescription | None:
        """Content of run.json; None where it is missing or damaged."""
        try:
            return read_description(self.path)
        except DamagedRun:
            return None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Declarations of the training that came with an evaluation; empty where none did."""
        description = self.description
        return {} if description is None else description.facts

    def branch(self, parent: RunDirectory, iteration: int, description: RunDescription) -> bool:
        """Begin as a copy of the state that another run had at an iteration; the caller holds this run's lock.

        The evaluations are written last, in one step. Without them a run begins at iteration 0, so a branch is whole
        or absent.

        Args:
            description: of this run; where it branches from is added.

        Returns:
            Whether there is a branch now; False where the parent no longer has a snapshot of that iteration.

        Raises:
            ResultsError: the folder cannot be written.
        """
        evaluations = [row for row in parent.evaluations() if row.iteration <= iteration]
        if not evaluations or evaluations[-1].iteration != iteration or not self._copy_snapshot(parent, iteration):
            return False
        self.describe(replace(description, branch=Branch(parent.path.name, iteration)))
        with writing(self.path):
            self.write_status(Status("pending", iteration))
            self.keep(evaluations)
        return True

    def _copy_snapshot(self, parent: RunDirectory, iteration: int) -> bool:
        source = parent.snapshot(iteration)
        with writing(self.path):
            try:
                if not self.snapshot(iteration).exists():
                    with self.new_snapshot(iteration) as folder:
                        shutil.copytree(source, folder)
            except OSError:
                if source.is_dir():
                    raise
                return False  # the parent was trained on, perhaps just now by another process, and has dropped it
        return True

    @property
    def branched_at(self) -> int:
        """Iteration at which the run branches from another; 0 for a run trained from the start."""
        try:
            branch = read_description(self.path).branch
        except DamagedRun:
            return 0
        return 0 if branch is None else branch.iteration

    def status(self) -> Status:
        """Read the status; ``pending`` where there is none or it is damaged."""
        try:
            return read_status(self.path)
        except DamagedRun:
            return Status("pending")

    def write_status(self, status: Status) -> None:
        """Replace the status; on a full disk, in place of the old one's bytes."""
        content = status.content()
        try:
            atomic_write(self.path / STATUS, content, sync_name=status.status != "running")
        except OSError:
            if not (self.path / STATUS).exists():
                raise
            with (self.path / STATUS).open("r+b") as file:
                file.write(content)
                file.truncate()

    def evaluations(self) -> list[Evaluation]:
        """Read the evaluations that the run can resume from, in order, up to the first damaged line."""
        with contextlib.suppress(FileNotFoundError), open_regular(self.path / EVALUATIONS) as file:
            return read_evaluations(file)
        return []

    def append(self, evaluation: Evaluation) -> None:
        """Add one evaluation; it is on disk when this returns."""
        with (self.path / EVALUATIONS).open("ab") as file:
            file.write(evaluation.line())
            file.flush()
            os.fsync(file.fileno())

    def keep(self, evaluations: Sequence[Evaluation]) -> None:
        """Drop all evaluations but these, which are the first of those on disk."""
        path, content = self.path / EVALUATIONS, b"".join(row.line() for row in evaluations)
        if (read_regular(path) if path.exists() else b"") != content:
            atomic_write(path, content)

    def snapshots(self) -> list[tuple[int, Path]]:
        """List the complete snapshots with their iterations, the newest last."""
        found = (self.path / SNAPSHOTS).glob("iter_*")
        numbered = ((path.name.removeprefix("iter_"), path) for path in found)
        return sorted((int(number), path) for number, path in numbered if number.isdecimal())

    def snapshot(self, iteration: int) -> Path:
        """Path of the snapshot of an iteration."""
        return self.path / SNAPSHOTS / f"iter_{iteration:08d}"

    @contextmanager
    def new_snapshot(self, iteration: int) -> Iterator[Path]:
        """Name a folder, not there yet, that becomes the snapshot of an iteration once the block has filled it.

        A block that fails, or that a kill cuts off, leaves no snapshot.
        """
        staging = self.path / SNAPSHOTS / STAGING
        try:
            yield staging
            put_in_place(staging, self.snapshot(iteration))
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def drop_snapshots(self, keep: int, held: Collection[int] = ()) -> None:
        """Delete all but the newest ``keep`` and those of the iterations ``held``."""
        found = self.snapshots()
        self._delete([path for iteration, path in found[: max(len(found) - keep, 0)] if iteration not in held])

    def drop_snapshots_after(self, iteration: int) -> None:
        """Delete the snapshots after an iteration, to which the run has gone back."""
        self._delete([path for reached, path in self.snapshots() if reached > iteration])

    def _delete(self, snapshots: list[Path]) -> None:
        """Delete snapshots; each is renamed first, so that a half-deleted one never counts."""
        for path in snapshots:
            path.rename(path.with_name(f"old_{path.name}"))
            sync(path.parent)
        for doomed in (self.path / SNAPSHOTS).glob("old_*"):
            shutil.rmtree(doomed)
