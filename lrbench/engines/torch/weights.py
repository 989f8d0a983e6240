"""Weights in Caffe's own file, ``.caffemodel``: a NetParameter in protobuf's binary form, blobs by layer name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from lrbench.engines.torch.layer import Shape
from lrbench.engines.torch.net import TorchNet
from lrbench.engines.torch.parameters import Slot
from lrbench.errors import NetError, ResultsError
from lrbench.nets.caffe_pb2 import BlobProto, LayerParameter, NetParameter
from lrbench.nets.graph import layer_place
from lrbench.storage import atomic_write, read_regular, reason

_LEGACY = ("num", "channels", "height", "width")


def read_caffemodel(path: Path | str, net: TorchNet, parameters: Sequence[Tensor]) -> None:
    """Copy weights that Caffe, or :func:`write_caffemodel`, wrote into ``parameters``; all of them or none.

    Layers of the file that the net does not have are passed over, as Caffe does.

    Raises:
        NetError: the file is missing or no caffemodel, a layer with parameters is not in it, or a blob's shape does
            not fit; the place is the file and the layer.
    """
    stored = {layer.name: layer for layer in _read(Path(path)).layer}
    try:
        blobs = [
            (slot, blob)
            for name, slots in net.slots.items()
            for slot, blob in zip(slots, _blobs_of(name, slots, stored.get(name)), strict=True)
        ]
    except NetError as error:
        raise error.at(str(path)) from error
    with torch.no_grad():
        for slot, blob in blobs:
            tensor = parameters[slot.parameter]
            values = np.array(blob.double_data or blob.data, dtype=np.float32)
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def write_caffemodel(path: Path | str, net: TorchNet, parameters: Sequence[Tensor]) -> None:
    """Write the weights so that Caffe reads them; the whole file or, whatever happens, none of it.

    Raises:
        ResultsError: it cannot be written.
    """
    message = NetParameter(name=net.name)
    for layer in net.layers:
        written = message.layer.add()
        written.CopyFrom(layer)
        written.phase = net.phase
        for slot in net.slots.get(layer.name, ()):
            values = parameters[slot.parameter].detach().to("cpu", torch.float32).contiguous()
            blob = written.blobs.add()
            blob.shape.dim.extend(slot.shape)
            blob.data.extend(values.numpy().ravel())
    try:
        atomic_write(Path(path), message.SerializeToString())
    except OSError as error:
        raise ResultsError(f"cannot be written ({reason(error)})", where=str(path)) from error


def _read(path: Path) -> NetParameter:
    message = NetParameter()
    try:
        message.ParseFromString(read_regular(path))
    except OSError as error:
        raise NetError(f"cannot be read ({reason(error)})", where=str(path)) from error
    except DecodeError as error:
        raise NetError("is not a caffemodel, or is cut short", where=str(path)) from error
    if not message.layer:
        raise NetError("holds no layer", where=str(path), remedy="run Caffe's upgrade_net_proto_binary on an old one")
    return message


def _blobs_of(name: str, slots: Sequence[Slot], layer: LayerParameter | None) -> Sequence[BlobProto]:
    if layer is None:
        raise NetError(f'has no layer "{name}", whose weights the net needs')
    if len(layer.blobs) != len(slots):
        raise NetError(f"has {len(layer.blobs)} blobs, and the net's has {len(slots)}", where=layer_place(layer))
    for index, (blob, slot) in enumerate(zip(layer.blobs, slots, strict=True)):
        shape = _shape(blob, slot.shape)
        held = len(blob.double_data) or len(blob.data)
        if shape != slot.shape or held != int(np.prod(shape, dtype=np.int64)):
            raise NetError(
                f"blob {index} has shape {shape} and {held} values, and the net's has shape {slot.shape}",
                where=layer_place(layer),
            )
    return layer.blobs


def _shape(blob: BlobProto, wanted: Shape) -> Shape:
    """The blob's shape; of the old form with four axes, without the ones in front that ``wanted`` has not."""
    if not any(blob.HasField(field) for field in _LEGACY):
        return tuple(blob.shape.dim)
    shape = tuple(int(getattr(blob, field)) for field in _LEGACY)
    missing = max(0, len(shape) - len(wanted))
    return shape[missing:] if set(shape[:missing]) <= {1} else shape
