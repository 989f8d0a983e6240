"""Prepare a data set, or a validation part held out of one: written to a temporary folder, then moved into place."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np

from lrbench.data.arrays import Arrays, Split, fingerprint, mean_image
from lrbench.data.prepared import MEAN, TEST, TRAIN, Prepared, load, prepared_folder, read_intact, write_manifest
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
        with alone(folder, tell):
            remove_unfinished(folder)
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
def alone(folder: Path, tell: Progress) -> Iterator[None]:
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


def remove_unfinished(folder: Path) -> None:
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
        remove_unfinished(folder)
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


MARK = "-holdout"


def hold_out(prepared: Prepared, count: int, home: Path, progress: Progress | None = None) -> Prepared:
    """The data set whose test images are ``count`` of the training images, which it does not train on.

    Which they are follows from their place alone (those with the smallest SHA-256 of it), so the parts are the same
    on every machine; both keep the order of the training set. A mean image is made anew, of the images left to train
    on. Under ``home``, made once.

    Raises:
        DataError: too many are to be held out, or the result cannot be written.
    """
    if not 0 < count < prepared.train_count:
        raise DataError(
            f"cannot hold {count} of {prepared.train_count} training images out for validation",
            where=prepared.label,
            remedy=f"hold out {suggested(prepared, 1)} for instance",
        )
    name = f"{prepared.name}{MARK}{count}"
    folder = home / "data" / f"{name}-{prepared.sha256[:12]}"
    return prepare_once(name, folder, lambda: _arrays(prepared, count), progress or silent)


def evaluated_on(dataset: str) -> str:
    """Return "validation" for the name of a data set made by ``hold_out``, else "test"."""
    return "validation" if re.search(rf"{MARK}\d+$", dataset) else "test"


def suggested(prepared: Prepared, batch_size: int) -> int:
    """Count to hold out: that of the test images, at most a sixth of the training images, in whole batches."""
    most = min(prepared.test_count, prepared.train_count // 6)
    return max(most // batch_size, 1) * batch_size


def _arrays(prepared: Prepared, count: int) -> Arrays:
    images, labels = load(prepared, "train")
    held = np.zeros(len(images), dtype=bool)
    hashes = [hashlib.sha256(f"validation {place}".encode()).digest() for place in range(len(images))]
    held[sorted(range(len(images)), key=hashes.__getitem__)[:count]] = True
    train, validation = Split(images[~held], labels[~held]), Split(images[held], labels[held])
    label = f"{prepared.label}, {count} training images held out"
    mean = None if prepared.mean is None else mean_image(train.images)
    return Arrays(label, train, validation, prepared.classes, mean)
