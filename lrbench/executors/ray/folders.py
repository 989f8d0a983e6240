"""Temporary folders of a worker; the next worker on the machine deletes those of one that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, LOCK = "lrbench-worker-", "lock"
MEMORY = Path("/dev/shm")
"""File system in memory, where Ray keeps its objects, too."""
MEMORY_BYTES = 256 << 20
"""Room that it must have to be used."""


def fast_parent() -> Path:
    """Return where a folder for little that is soon deleted is made: in memory where there is room, else on a disk."""
    with suppress(OSError):
        if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
            return MEMORY
    return Path(tempfile.gettempdir())


def make_folder(parent: Path) -> tuple[Path, FileLock]:
    """Make a folder, and hold its lock, which the system releases when the process ends."""
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    lock = FileLock(made / LOCK)
    lock.acquire()
    return made.rename(made.with_name(made.name[1:])), lock  # it gets its name once it is locked


def remove_left_behind() -> None:
    """Delete the folders of workers that were killed: the system has released their locks."""
    for parent in {Path(tempfile.gettempdir()), MEMORY}:
        for folder in parent.glob(f"{PREFIX}*"):
            with suppress(OSError, Timeout), FileLock(folder / LOCK, blocking=False):
                shutil.rmtree(folder)
