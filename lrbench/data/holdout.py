"""A validation part held out of a training set, so that policies can be chosen without a look at the test set.

The result is a data set like any other: it trains on what is left and is evaluated on what was held out. So whatever
works on a data set works on it, on every engine, and its runs are ordinary runs of another data set.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from lrbench.data.arrays import Arrays, Split, mean_image
from lrbench.data.prepare import prepare_once
from lrbench.data.prepared import Prepared, load
from lrbench.data.sources import Progress, silent
from lrbench.errors import DataError

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
    return "validation" if MARK in dataset else "test"


def suggested(prepared: Prepared, batch_size: int) -> int:
    """As many as there are test images, at most a sixth of the training images, in whole batches (one at least)."""
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
