"""How the layers of one phase are joined: which layer made what each layer reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.errors import NetError, did_you_mean
from lrbench.nets.caffe_pb2 import LayerParameter

# Layers that leave the number of channels as it is, so that the number of classes can be seen through them.
_KEEPS_CHANNELS = {
    "AbsVal",
    "BNLL",
    "BatchNorm",
    "Bias",
    "Clip",
    "Dropout",
    "ELU",
    "Eltwise",
    "Exp",
    "LRN",
    "Log",
    "MVN",
    "PReLU",
    "Pooling",
    "Power",
    "ReLU",
    "Scale",
    "Sigmoid",
    "Softmax",
    "Split",
    "Swish",
    "TanH",
    "Threshold",
}


@dataclass(frozen=True)
class Wiring:
    """The joints of one phase's layers. Layers are named by their position, as a blob may be rewritten in place.

    Attributes:
        makers: for each layer, the positions of the layers that last wrote its bottoms.
        last_makers: for each blob, the position of the layer that wrote it last of all.
    """

    makers: list[list[int]]
    last_makers: dict[str, int]


def trace(layers: Sequence[LayerParameter]) -> Wiring:
    """Follow the blobs through the layers.

    Errors:
        NetError: a bottom that no earlier layer makes, or a top that two layers make (other than in place).
    """
    makers: list[list[int]] = []
    last_makers: dict[str, int] = {}
    for position, layer in enumerate(layers):
        makers.append([_maker(layer, blob, last_makers) for blob in layer.bottom])
        for index, blob in enumerate(layer.top):
            in_place = index < len(layer.bottom) and layer.bottom[index] == blob
            if blob in last_makers and not in_place:
                earlier = layers[last_makers[blob]].name
                raise NetError(f'its top "{blob}" is also the top of layer "{earlier}"', where=layer_place(layer))
            last_makers[blob] = position
    return Wiring(makers, last_makers)


def layer_place(layer: LayerParameter) -> str:
    """How an error names a layer."""
    return f'layer "{layer.name}"'


def _maker(layer: LayerParameter, blob: str, last_makers: dict[str, int]) -> int:
    if blob in last_makers:
        return last_makers[blob]
    remedy = did_you_mean(blob, last_makers) or "layers stand in the order in which they run"
    raise NetError(f'its bottom "{blob}" is made by no earlier layer', where=layer_place(layer), remedy=remedy)


def count_channels(layers: Sequence[LayerParameter], wiring: Wiring, position: int) -> int | None:
    """The number of channels that the layer at ``position`` puts out, or None where that takes running the net."""
    while layers[position].type in _KEEPS_CHANNELS and wiring.makers[position]:
        position = wiring.makers[position][0]
    layer = layers[position]
    if layer.type == "InnerProduct" and layer.inner_product_param.axis == 1:
        return layer.inner_product_param.num_output
    if layer.type in ("Convolution", "Deconvolution") and layer.convolution_param.axis == 1:
        return layer.convolution_param.num_output
    return None
