"""Caffe's ``transform_param``, checked against the images it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lrbench.data.arrays import Mean
from lrbench.data.store import read_mean
from lrbench.errors import DataError, NetError
from lrbench.nets.caffe_pb2 import TransformationParameter
from lrbench.nets.images import check_transform


@dataclass(frozen=True)
class Transform:
    """What happens to an image's pixels: (pixel - mean) * scale, of a window, mirrored or not.

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
