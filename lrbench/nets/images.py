"""Whether a net's Data layers can read images of a data set's shape, by the rules on which Caffe aborts."""

from __future__ import annotations

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import TEST, TRAIN, NetParameter, TransformationParameter
from lrbench.nets.phases import layers_in
from lrbench.nets.wiring import layer_place

ImageShape = tuple[int, int, int]
"""Channels, height and width."""


def check_images(net: NetParameter, shape: ImageShape, where: str) -> None:
    """Refuse a net whose Data layers, of either phase, cannot read images of this shape.

    Args:
        net: a train-and-test net.
        shape: channels, height and width of the data set's images.
        where: what an error calls the net, such as its path.

    Raises:
        NetError: a ``transform_param`` does not fit the images; the place is the net and the layer.
    """
    for phase in (TRAIN, TEST):
        for layer in layers_in(net, phase):
            if layer.type == "Data":
                try:
                    check_transform(layer.transform_param, shape)
                except NetError as error:
                    raise error.at(f"{where}: {layer_place(layer)}") from error


def check_transform(message: TransformationParameter, shape: ImageShape) -> None:
    """Raise NetError for a crop larger than the images, or for means that do not fit their channels."""
    channels, height, width = shape
    if message.crop_size > min(height, width):
        raise NetError(
            f"crop_size is {message.crop_size}, and the images are {height}x{width}",
            remedy=f"set it to {min(height, width)} or less",
        )
    if message.mean_value and message.HasField("mean_file"):
        raise NetError("has both mean_file and mean_value", remedy="keep one")
    if len(message.mean_value) not in (0, 1, channels):
        raise NetError(
            f"has {len(message.mean_value)} values of mean_value for images of {channels} channels",
            remedy=f"give one, or {channels}",
        )
