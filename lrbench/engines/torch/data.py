"""Batches as Caffe's Data layer reads them, from uint8 images kept on the device.

    sample s, counted from the start over all epochs, is image s mod N, in the order of the database or of a seed
    batch n holds the samples n B ... n B + B - 1, so that it may straddle the end of the database
    value = (pixel - mean at the pixel's own place) * scale, of a window of the image, mirrored or not

The window's place is random in the TRAIN phase; in the TEST phase its first row is (height - size) // 2, and so for
columns. Mirroring is random in both. Source: src/caffe/layers/data_layer.cpp and src/caffe/data_transformer.cpp of
Caffe 1.0; the random numbers are our own, see ``Augmentation``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data import Prepared, Split, load
from lrbench.data.arrays import Mean
from lrbench.data.order import sample_order
from lrbench.data.store import read_mean
from lrbench.engines.torch.streams import upload
from lrbench.errors import DataError, LRBenchError, NetError
from lrbench.nets.caffe_pb2 import TRAIN, LayerParameter, Phase, TransformationParameter
from lrbench.nets.graph import layer_place
from lrbench.nets.refusals import check_transform
from lrbench.spec.sections import Order

WORDS = 4
"""64-bit words of one block of Philox; each sample has a block of its own: row, column, mirror, and one to spare."""


@dataclass(frozen=True)
class Augmentation:
    """Random crops and mirroring, sample by sample.

    The numbers of sample s are block s of numpy's Philox4x64-10 under the key (seed, phase): a function of those
    three, whatever was drawn before. They are not the numbers that Caffe draws under the same seed.

    Attributes:
        seed: of the run.
        phase: Caffe's number of the phase, so that training and testing do not share numbers.
        rows: how many places a window has vertically, and ``columns`` horizontally; 1 where it does not vary.
        mirror: whether half of the samples are flipped.
    """

    seed: int
    phase: int
    rows: int = 1
    columns: int = 1
    mirror: bool = False

    @property
    def random(self) -> bool:
        """Whether anything varies."""
        return self.mirror or self.rows > 1 or self.columns > 1

    def draw(self, first: int, count: int) -> NDArray[np.int64]:
        """Row, column and mirroring (0 or 1) of ``count`` samples from sample ``first`` on, shape (count, 3)."""
        if not self.random:
            return np.zeros((count, 3), np.int64)
        key = np.array([self.seed, self.phase], np.uint64)
        words = np.random.Philox(key=key, counter=first).random_raw(WORDS * count).reshape(count, WORDS)
        choices = np.array([self.rows, self.columns, 2 if self.mirror else 1], np.uint64)
        drawn: NDArray[np.int64] = (words[:, :3] % choices).astype(np.int64)  # the bias is below 2^-50
        return drawn


@dataclass(frozen=True)
class Transform:
    """Transformation of an image's pixels: (pixel - mean) * scale, of a window, mirrored or not.

    Attributes:
        mean: of shape (height, width, channels), or None.
        window: height and width of what is left of an image.
        mirror: whether half of the images are flipped left to right.
    """

    mean: Mean | None
    scale: float
    window: tuple[int, int]
    mirror: bool


def read_transform(message: TransformationParameter, shape: tuple[int, int, int]) -> Transform:
    """The transformation of images of this shape (channels, height, width).

    Raises:
        NetError: it does not fit the images, or holds what Caffe ignores or aborts on.
        DataError: the mean file is absent, damaged or of another shape.
    """
    for field in ("force_color", "force_gray"):
        if getattr(message, field):
            raise NetError(f"{field} is not supported: Caffe ignores it unless images are encoded", remedy="remove it")
    check_transform(message, shape)
    crop: int = message.crop_size
    _, height, width = shape
    return Transform(
        mean=_mean(message, shape),
        scale=message.scale,
        window=(crop, crop) if crop else (height, width),
        mirror=message.mirror,
    )


def _mean(message: TransformationParameter, shape: tuple[int, int, int]) -> Mean | None:
    values = np.array(message.mean_value, np.float32)
    if message.HasField("mean_file"):
        mean = read_mean(Path(message.mean_file))
        if mean.shape != shape:
            raise DataError(
                f"is {mean.shape}, the images {shape}", where=message.mean_file, remedy="use the mean of these images"
            )
        return np.ascontiguousarray(mean.transpose(1, 2, 0))
    channels, height, width = shape
    return np.broadcast_to(values, (height, width, channels)).copy() if len(values) else None


@dataclass(frozen=True)
class Reading:
    """Settings of one phase's reading: samples in a batch, TRAIN or TEST, and the run's seed."""

    batch_size: int
    phase: Phase
    seed: int = 0


class Batches:
    """All batches of one phase of a run; any of them at any time, in any order.

    Args:
        split: images and labels.
        transform: what happens to the pixels.
        reading: how they are read.
        device: where the images stay and the batches are made.

    Raises:
        NetError: a transformation that does not fit the images, or that Caffe ignores or aborts on.
        DataError: the mean file is absent, damaged or of another shape.
    """

    def __init__(
        self, split: Split, transform: TransformationParameter, reading: Reading, device: torch.device | str = "cpu"
    ) -> None:
        wanted = read_transform(transform, split.shape)
        self._reading, self._count, self._device = reading, len(split.images), torch.device(device)
        self._scale, self._window = wanted.scale, wanted.window
        images = torch.from_numpy(split.images).permute(0, 2, 3, 1)  # pixels together: a window is whole pixels
        mean = None if wanted.mean is None else torch.from_numpy(wanted.mean)
        places = [length - kept + 1 for length, kept in zip(images.shape[1:3], wanted.window, strict=True)]
        if reading.phase != TRAIN:
            images, mean = _centre(images, wanted), None if mean is None else _centre(mean, wanted)
            places = [1, 1]
        self._augmentation = Augmentation(reading.seed, reading.phase, places[0], places[1], wanted.mirror)
        self._order: NDArray[np.int64] | None = None
        self._images = images.contiguous().to(device)
        self._mean = None if mean is None else mean.contiguous().to(device)
        self._labels = torch.from_numpy(split.labels).to(device)
        height, width = wanted.window
        rows, columns = torch.arange(height)[:, None] * self._images.shape[2], torch.arange(width)
        # Places of a window's pixels from its first one on, shape (2, pixels): as they are, and mirrored.
        offsets = torch.stack([(rows + columns).view(-1), (rows + columns.flip(0)).view(-1)])
        self._offsets = offsets.to(self._device)

    @classmethod
    def of(
        cls, prepared: Prepared, layer: LayerParameter, phase: Phase, seed: int, device: torch.device | str = "cpu"
    ) -> Batches:
        """Make the batches of a Data layer of a bound net, of the training or the test images as the phase says.

        Raises:
            NetError, DataError: as above, with the layer's name; or the images cannot be read.
        """
        split = load(prepared, "train" if phase == TRAIN else "test")
        try:
            return cls(split, layer.transform_param, Reading(layer.data_param.batch_size, phase, seed), device)
        except LRBenchError as error:
            raise error.at(layer_place(layer)) from error

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a batch's data: (samples, channels, height, width)."""
        return self._reading.batch_size, self._images.shape[3], *self._window

    @property
    def random(self) -> bool:
        """Whether the seed matters: samples are cropped or mirrored at random, or their order is by seed."""
        return self._augmentation.random or self._order is not None

    def with_seed(self, seed: int, order: Order = "as stored") -> Batches:
        """The batches of another run of the same data, on the very same images."""
        other = copy.copy(self)
        other._augmentation = replace(self._augmentation, seed=seed)
        other._order = sample_order(self._count, seed) if order == "by seed" else None
        return other

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """The batch of that index, from 0: data, float32 of :attr:`shape`, and labels, int64 of shape (samples,).

        The data are in channels_last order where there is more than one channel.
        """
        return self.read(self.plan(index, 1)[0])

    def plan(self, first: int, count: int) -> Tensor:
        """Plan of ``count`` batches from ``first`` on, for ``read``: int64 of shape (count, samples, 4).

        Image, row, column and mirroring of each sample; made on the host and moved to the device at once, so that
        training need not wait for it again.
        """
        size = self._reading.batch_size
        samples = np.arange(first * size, (first + count) * size)
        drawn = self._augmentation.draw(first * size, count * size)
        indices = samples % self._count
        indices = indices if self._order is None else self._order[indices]
        plan = np.concatenate([indices[:, None], drawn], axis=1)
        return upload(plan.reshape(count, size, 4), self._device)

    def read(self, plan: Tensor) -> tuple[Tensor, Tensor]:
        """One batch by its row of a plan, which is on the device; runs there without waiting, in a CUDA graph too."""
        sources = plan[:, 0]
        values = self._images.index_select(0, sources).to(torch.float32)
        if self._mean is not None:
            values.sub_(self._mean)
        if self._scale != 1:
            values.mul_(self._scale)
        samples, channels, height, width = self.shape
        if self._augmentation.random:  # each sample's window, gathered pixel by pixel
            _, rows, columns, _ = values.shape
            starts = torch.arange(samples, device=values.device) * (rows * columns) + plan[:, 1] * columns + plan[:, 2]
            pixels = starts[:, None] + self._offsets.index_select(0, plan[:, 3])
            values = values.view(-1, channels).index_select(0, pixels.view(-1)).view(samples, height, width, channels)
        data = values.view(samples, 1, height, width) if channels == 1 else values.permute(0, 3, 1, 2)
        return data, self._labels.index_select(0, sources)


def _centre(values: Tensor, transform: Transform) -> Tensor:
    """The central window of images, or of a mean image, of shape (..., height, width, channels)."""
    for axis, kept in zip((-3, -2), transform.window, strict=True):
        values = values.narrow(axis, (values.shape[axis] - kept) // 2, kept)
    return values
