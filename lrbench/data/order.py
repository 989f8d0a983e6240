"""Order of the training samples: as the data set stores them, or a permutation of them that a run's seed gives."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.data.prepare import UNFINISHED, alone, remove_unfinished
from lrbench.data.prepared import TRAIN, Prepared
from lrbench.data.store import copy_records, records
from lrbench.errors import DataError
from lrbench.storage import folder_size, reason, sync

STREAM = 2
"""Second word of the key of the generator; 0 and 1 are those of the training and the test phase's augmentation."""

_ORDERED = re.compile(r"(.+)-order(\d+)-[0-9a-f]{12}")


@dataclass(frozen=True)
class OrderedSamples:
    """The training samples of a data set in the order of a seed, as ``in_order`` stored them.

    Attributes:
        size: bytes on disk.
    """

    folder: Path
    data_set: str
    seed: int
    size: int


def sample_order(count: int, seed: int) -> NDArray[np.int64]:
    """Return the permutation of a seed: element s is the index of the stored sample that is read as sample s.

    It sorts the samples by words of numpy's Philox4x64-10 under the key (seed, 2), so it is the same on every machine.
    """
    words = np.random.Philox(key=np.array([seed, STREAM], np.uint64)).random_raw(count)
    return np.argsort(words, kind="stable")


def in_order(prepared: Prepared, seed: int, folder: Path, tell: Callable[[str], None] = lambda text: None) -> Prepared:
    """Return the data set with its training samples stored in the order of a seed, for engines that read in sequence.

    The LMDB is made once and shared by runs; it can be deleted while no run reads it.

    Args:
        folder: the folder that has a folder for each data set and seed.
        tell: called with a line where an LMDB is made.

    Raises:
        DataError: the training set cannot be read, or the LMDB cannot be written.
    """
    target = folder / f"{prepared.name}-order{seed}-{prepared.sha256[:12]}"
    ordered = replace(prepared, train=target / TRAIN)
    if _is_whole(ordered):
        return ordered
    with alone(target, lambda _done, _total, text: tell(text)):
        remove_unfinished(target)
        if not _is_whole(ordered):
            tell(f"storing the training samples of {prepared.label} in the order of seed {seed}")
            new = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=UNFINISHED, dir=folder))
            try:
                new.chmod(0o755)
                (new / TRAIN).mkdir()
                copy_records(prepared.train, new / TRAIN, sample_order(prepared.train_count, seed))
                sync(new / TRAIN)
                shutil.rmtree(target, ignore_errors=True)
                new.rename(target)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    return ordered


def _is_whole(prepared: Prepared) -> bool:
    try:
        with records(prepared.train) as (count, _):
            return count == prepared.train_count
    except DataError:
        return False


def find_ordered(folder: Path) -> list[OrderedSamples]:
    """Return the training samples that are stored in the order of a seed, by data set and seed; nothing is written."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        named = _ORDERED.fullmatch(path.name)
        if named and [inner.name for inner in path.iterdir()] == [TRAIN]:
            found.append(OrderedSamples(path, named[1], int(named[2]), folder_size(path)))
    return sorted(found, key=lambda ordered: (ordered.data_set, ordered.seed))


def delete_ordered(ordered: OrderedSamples) -> int:
    """Delete them; a run that reads them now keeps what it has open. Return the bytes freed.

    Raises:
        DataError: they cannot be deleted.
    """
    try:
        with alone(ordered.folder, lambda _done, _total, _text: None):
            shutil.rmtree(ordered.folder)
    except OSError as error:
        raise DataError(f"cannot be deleted: {reason(error)}", where=str(ordered.folder)) from error
    return ordered.size
