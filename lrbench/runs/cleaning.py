"""Snapshots of done runs, found and deleted to free the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.storage import folder_size


@dataclass(frozen=True)
class RunSnapshots:
    """Snapshots of one run.

    Attributes:
        done: whether the run has an outcome, so that it is never resumed.
        unneeded: snapshots that ``clean`` deletes; none of a run that is not done.
        size: bytes of ``unneeded``.
    """

    run: Path
    done: bool
    unneeded: tuple[Path, ...]
    size: int


def find_snapshots(runs: Sequence[Path], keep: int) -> list[RunSnapshots]:
    """Return the snapshots of each run; nothing is written.

    Args:
        keep: number of snapshots of a done run to keep, the newest ones.
    """
    found = []
    for run in runs:
        directory = RunDirectory(run)
        done = directory.status().done and not directory.is_locked
        snapshots = [path for _, path in directory.snapshots()] if done else []
        unneeded = tuple(snapshots[: max(len(snapshots) - keep, 0)])
        found.append(RunSnapshots(run, done, unneeded, sum(map(folder_size, unneeded))))
    return found


def delete_snapshots(found: RunSnapshots, keep: int) -> int:
    """Delete the snapshots of a done run but for the newest; return the bytes freed, 0 where it is under way by now.

    Raises:
        ResultsError: the folder cannot be written.
    """
    directory = RunDirectory(found.run)
    try:
        with directory.locked():
            if not directory.status().done:
                return 0
            before = folder_size(directory.path / "snapshots")
            directory.drop_snapshots(keep)
            return before - folder_size(directory.path / "snapshots")
    except RunBusy:
        return 0
