"""Prepare a data set once: read it, write it to a temporary folder, and move that into place when it is complete."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from lrbench.data.arrays import Arrays, Split, fingerprint
from lrbench.data.prepared import (
    MEAN,
    TEST,
    TRAIN,
    Prepared,
    prepared_folder,
    read_intact,
    write_manifest,
)
from lrbench.data.registry import find_data_set
from lrbench.data.sources import Progress, Sources, silent
from lrbench.data.store import mean_bytes, write_split
from lrbench.errors import DataError
from lrbench.storage import reason, sync, write_durably

UNFINISHED = ".partial"


def prepare(
    name: str, home: Path, source: Path | None = None, *, allow_altered: bool = False, progress: Progress | None = None
) -> Prepared:
    """The data set as LMDB under ``home``: made when it is not there or damaged, and otherwise left as it is.

    Args:
        name: one of ``data_set_names()``.
        home: the folder that LRBench keeps its data in.
        source: a folder to look for the files in; what is not there is downloaded.
        allow_altered: take files whose content is not the published one; the label then says so.
        progress: called with the progress of the work.

    Raises:
        DataError: the name is unknown, a file is missing, cut short or altered, or something cannot be written.
    """
    data_set = find_data_set(name)
    tell = progress or silent
    sources = Sources(source, home / "downloads", allow_altered, tell)
    return prepare_once(name, prepared_folder(name, home), lambda: data_set.read(sources), tell)


def prepare_once(name: str, folder: Path, read: Callable[[], Arrays], tell: Progress) -> Prepared:
    """Return the data set in that folder, written from the arrays of ``read`` if it is absent or damaged.

    Raises:
        DataError: as ``read`` does, or something cannot be written.
    """
    try:
        ready = _intact(name, folder, silent)
        if ready is not None:
            return ready
        with _alone(folder, tell):
            _remove_unfinished(folder)
            ready = _intact(name, folder, tell)
            if ready is None:
                arrays = read()
                arrays.check()
                ready = _put_in_place(name, arrays, folder, tell)
            return ready
    except OSError as error:
        raise DataError(
            f"cannot be read or written: {reason(error)}",
            where=str(folder.parent),
            remedy="free some space or choose another place with LRBENCH_HOME",
        ) from error


def _intact(name: str, folder: Path, tell: Progress) -> Prepared | None:
    try:
        return read_intact(name, folder)
    except DataError as error:
        tell(0, 0, f"{error.where}: {error.message}; it is prepared anew")
        return None


@contextmanager
def _alone(folder: Path, tell: Progress) -> Iterator[None]:
    """Hold the data set's lock, which the system frees however this process ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        tell(0, 0, f"waiting for another process that prepares {folder.name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove_unfinished(folder: Path) -> None:
    """Whoever holds the lock may do so: what is left is of a process that was killed."""
    for left in folder.parent.glob(f".{folder.name}.*{UNFINISHED}"):
        shutil.rmtree(left)


def _put_in_place(name: str, arrays: Arrays, folder: Path, tell: Progress) -> Prepared:
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
    try:
        new.chmod(0o755)
        prepared = _write(name, arrays, new, tell)
        if folder.exists():
            folder.rename(new.with_name(f"{new.name}.old{UNFINISHED}"))
        new.rename(folder)
        sync(folder.parent)
    finally:
        _remove_unfinished(folder)
    return replace(
        prepared, folder=folder, train=folder / TRAIN, test=folder / TEST, mean=folder / MEAN if prepared.mean else None
    )


def _write(name: str, arrays: Arrays, folder: Path, tell: Progress) -> Prepared:
    total = len(arrays.train.images) + len(arrays.test.images)
    text = f"writing {name}"
    _write_split(folder / TRAIN, arrays.train, lambda count: tell(count, total, text))
    _write_split(folder / TEST, arrays.test, lambda count: tell(len(arrays.train.images) + count, total, text))
    if arrays.mean is not None:
        write_durably(folder / MEAN, mean_bytes(arrays.mean))
    prepared = Prepared(
        name=name,
        label=arrays.label,
        folder=folder,
        train=folder / TRAIN,
        test=folder / TEST,
        mean=folder / MEAN if arrays.mean is not None else None,
        train_count=len(arrays.train.images),
        test_count=len(arrays.test.images),
        shape=arrays.train.shape,
        classes=arrays.classes,
        sha256=fingerprint(arrays),
    )
    write_manifest(prepared)
    sync(folder)
    return prepared


def _write_split(folder: Path, split: Split, done: Callable[[int], None]) -> None:
    folder.mkdir()
    write_split(folder, split, done)
    sync(folder)
