"""Slices of MNIST and CIFAR-10 that are small enough to travel."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

SLICES = {"mnist": (10_000, 2_000), "cifar10": (10_000, 2_000)}
"""Training and test images of each data set, from its beginning."""
JPEG_QUALITY = 80
ROWS = 32_000
"""Of pixels in a file; JPEG ends at 65,535."""


def encoded(images: np.ndarray) -> np.ndarray:
    """Colour images of shape (N, 3, height, width), one below the other in JPEG files; their lengths come first."""
    strip = images.transpose(0, 2, 3, 1).reshape(-1, images.shape[3], 3)
    pieces = [strip[start : start + ROWS] for start in range(0, len(strip), ROWS)]
    files = []
    for piece in pieces:
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(piece)).save(stream, "JPEG", quality=JPEG_QUALITY)
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    lengths = np.array([len(files), *map(len, files)], "<u4").view(np.uint8)
    return np.concatenate([lengths, *files])


def decoded(content: np.ndarray) -> np.ndarray:
    """The images of ``encoded``, shape (N, 3, 32, 32), as JPEG left them."""
    count = int(content[:4].view("<u4")[0])
    lengths = content[4 : 4 + 4 * count].view("<u4")
    ends = 4 + 4 * count + np.cumsum(lengths)
    strips = [
        np.asarray(Image.open(io.BytesIO(content[end - length : end].tobytes())))
        for end, length in zip(ends, lengths, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(strips).reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))


def prepare_slices(file: Path, home: Path) -> None:
    """Prepare the packed slices under LRBench's data folder, each in place of its whole data set."""
    from lrbench.data.arrays import Arrays, Split, mean_image
    from lrbench.data.prepare import prepare_once
    from lrbench.data.prepared import prepared_folder
    from lrbench.data.sources import silent

    packed = np.load(file)

    def split(name: str, part: str) -> Split:
        images = packed[f"{name}_{part}_images"] if name == "mnist" else decoded(packed[f"{name}_{part}_jpeg"])
        return Split(images, packed[f"{name}_{part}_labels"].astype(np.int64))

    def read(name: str) -> Arrays:
        train, test = split(name, "train"), split(name, "test")
        label = f"{name}, {len(train.images)} + {len(test.images)} images" + ", JPEG" * (name != "mnist")
        return Arrays(label, train, test, classes=10, mean=None if name == "mnist" else mean_image(train.images))

    for name in SLICES:
        prepare_once(name, prepared_folder(name, home), partial(read, name), silent)
