"""Layers that LRBench does not train with, each with the reason and what to do instead."""

from __future__ import annotations

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import LayerParameter
from lrbench.nets.wiring import layer_place

_USE_DATA = 'put the images in an LMDB and read them by a layer of type "Data"'

# type: (why it is refused, remedy)
_REFUSED_TYPES = {
    "Python": ("would run code of its own", "use one of Caffe's built-in layers"),
    "HDF5Output": ("would write a file of its own", "remove it"),
    "HDF5Data": ("does not read the spec's data set", _USE_DATA),
    "ImageData": ("does not read the spec's data set", _USE_DATA),
    "MemoryData": ("does not read the spec's data set", _USE_DATA),
    "WindowData": ("does not read the spec's data set", _USE_DATA),
    "Input": ("is never filled, as this is the deploy form of a net", "give the train-and-test form, with Data layers"),
}
_IGNORED_DATA_FIELDS = ("scale", "mean_file", "crop_size", "mirror")


def refuse_layer(layer: LayerParameter) -> None:
    """Raise NetError if the layer is of a kind, or has a setting, that LRBench does not train with."""
    place = layer_place(layer)
    if not layer.name:
        raise NetError(f'a layer of type "{layer.type}" has no name', remedy="name every layer")
    if not layer.type:
        raise NetError("has no type", where=place)
    if layer.type in _REFUSED_TYPES:
        reason, remedy = _REFUSED_TYPES[layer.type]
        raise NetError(f'its type "{layer.type}" is refused: it {reason}', where=place, remedy=remedy)
    if layer.type == "DummyData" and any(filler.type != "constant" for filler in layer.dummy_data_param.data_filler):
        raise NetError("draws its data at random", where=place, remedy='use the filler "constant"')
    if layer.type == "Data":
        _refuse_data_settings(layer)


def _refuse_data_settings(layer: LayerParameter) -> None:
    if layer.data_param.rand_skip:
        raise NetError(
            "rand_skip starts each run at another sample, so that no run could be repeated",
            where=layer_place(layer),
            remedy="remove it",
        )
    for field in _IGNORED_DATA_FIELDS:
        if layer.data_param.HasField(field):
            raise NetError(
                f"Caffe ignores {field} in data_param", where=layer_place(layer), remedy="move it to transform_param"
            )
