"""scikit-learn's handwritten digits as 28x28 images: real data that comes with an ordinary package."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.data.arrays import Arrays, Pixels, Split
from lrbench.data.sources import Differences, Sources
from lrbench.errors import DataError

TITLE = "digits"
TRAIN_COUNT = 1297
IMAGES_SHA256 = "331918d8109ff7047c13dba1cd71b6d83d36d80731fc70c2cbb4bf1cbd4cc56b"
LABELS_SHA256 = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
FILE = "datasets/data/digits.csv.gz"
"""Path in scikit-learn: a row an image, its 64 values and its label. ``load_digits`` loads SciPy first, for seconds."""


def read(sources: Sources) -> Arrays:
    """1297 training and 500 test images of 1x28x28, in the order of ``sklearn.datasets.load_digits``.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).

    Raises:
        DataError: scikit-learn is not installed, or its digits are other ones.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise DataError("the data set digits needs scikit-learn", remedy="pip install 'lrbench[digits]'")
    values = _values(Path(found.submodule_search_locations[0]) / FILE)
    images, labels = enlarge(values[:, :-1].reshape(-1, 8, 8)), values[:, -1].astype(np.int64)
    differences = Differences(
        pixels=_sha256(images) != IMAGES_SHA256, labels=_sha256(labels.astype(np.uint8)) != LABELS_SHA256
    )
    label = differences.judge(TITLE, "scikit-learn's load_digits", allow_altered=sources.allow_altered)
    return Arrays(
        label,
        Split(images[:TRAIN_COUNT], labels[:TRAIN_COUNT]),
        Split(images[TRAIN_COUNT:], labels[TRAIN_COUNT:]),
        classes=10,
    )


def _values(path: Path) -> NDArray[np.float64]:
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the digits of scikit-learn cannot be read: {error}", where=str(path), remedy="install scikit-learn again"
        ) from None


def enlarge(images: np.ndarray) -> Pixels:
    """8x8 values from 0 to 16 as 28x28 values from 0 to 255: each pixel 3x3 times, and 2 black pixels around."""
    scaled = np.rint(images * (255 / 16)).astype(np.uint8)
    blocks = np.kron(scaled, np.ones((1, 3, 3), np.uint8))
    return np.pad(blocks, ((0, 0), (2, 2), (2, 2)))[:, np.newaxis]


def _sha256(array: Pixels) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
