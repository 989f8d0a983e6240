"""A data set in memory: images, labels and the mean image as numpy arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lrbench.errors import DataError

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Mean = npt.NDArray[np.float32]


class Split(NamedTuple):
    """Images, shape (N, channels, height, width), and their labels, shape (N,), in the data set's own order."""

    images: Pixels
    labels: Labels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width


@dataclass(frozen=True)
class Arrays:
    """A whole data set, with what to call it in reports and, where its nets want one, the training mean image."""

    label: str
    train: Split
    test: Split
    classes: int
    mean: Mean | None = None

    def check(self) -> None:
        """Refuse what cannot be trained on.

        Raises:
            DataError: a type, a shape or a label that does not fit.
        """
        for name, split in (("training", self.train), ("test", self.test)):
            if split.images.dtype != np.uint8 or split.images.ndim != 4 or not len(split.images):
                raise DataError(f"the {name} images are not uint8 of shape (N, channels, height, width)")
            if split.labels.shape != (len(split.images),):
                raise DataError(f"{len(split.images)} {name} images have {split.labels.size} labels")
            if split.labels.min() < 0 or split.labels.max() >= self.classes:
                raise DataError(f"a {name} label lies outside 0 to {self.classes - 1}")
        if self.train.shape != self.test.shape:
            raise DataError(f"training images are {self.train.shape}, test images {self.test.shape}")


class Fingerprint:
    """SHA-256 of the content of a data set: the same on every machine, however the records are stored.

    What is hashed, for the training and then the test images: a line ``count channels height width``, then of each
    image its label (4 bytes, little endian) and its pixels; last, where there is one, the mean image (float32,
    little endian), since it decides the outcome of a training too.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def begin(self, count: int, shape: tuple[int, int, int]) -> None:
        """Start a split of ``count`` images of ``shape``."""
        self._digest.update(f"{count} {shape[0]} {shape[1]} {shape[2]}\n".encode("ascii"))

    def add(self, label: int, pixels: bytes) -> None:
        """Take in the next image."""
        self._digest.update(label.to_bytes(4, "little") + pixels)

    def finish(self, mean: Mean | None) -> str:
        """The fingerprint as hexadecimal digits."""
        if mean is not None:
            self._digest.update(mean.astype("<f4").tobytes())
        return self._digest.hexdigest()


def fingerprint(arrays: Arrays) -> str:
    """The ``Fingerprint`` of a whole data set."""
    digest = Fingerprint()
    for split in (arrays.train, arrays.test):
        digest.begin(len(split.images), split.shape)
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            digest.add(label, image.tobytes())
    return digest.finish(arrays.mean)


def mean_image(images: Pixels) -> Mean:
    """Mean of each pixel over the images, shape (channels, height, width).

    The sum is exact (integers in float64, far below 2**53), so the mean is the same on every machine.
    """
    mean: Mean = (images.sum(axis=0, dtype=np.float64) / len(images)).astype(np.float32)
    return mean


def pad(images: Pixels, border: int, values: Pixels) -> Pixels:
    """Images with ``border`` pixels more on each side, filled with ``values``, one for each channel."""
    count, channels, height, width = images.shape
    padded = np.empty((count, channels, height + 2 * border, width + 2 * border), np.uint8)
    padded[:] = values.reshape(1, channels, 1, 1)
    padded[:, :, border : border + height, border : border + width] = images
    return padded
