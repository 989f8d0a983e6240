"""The graph of a net's layers: which of them each phase has, and which layer made what each of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.errors import NetError, did_you_mean
from lrbench.nets.caffe_pb2 import TRAIN, LayerParameter, NetParameter, NetState, NetStateRule, Phase, PoolingParameter


def layers_in(net: NetParameter, phase: Phase) -> list[LayerParameter]:
    """The layers that Caffe keeps in ``phase``, in the net's order.

    Levels and stages are those of the net's own ``state``, as nothing else sets any here.

    Errors:
        NetError: a layer has both include and exclude rules, which Caffe aborts on.
    """
    return [layer for layer in net.layer if is_in(layer, net.state, phase)]


def is_in(layer: LayerParameter, state: NetState, phase: Phase) -> bool:
    """Whether Caffe keeps the layer: no exclude rule holds, or, where there are include rules, one of them does."""
    if layer.include and layer.exclude:
        raise NetError("has both include and exclude rules", where=f'layer "{layer.name}"', remedy="keep one kind")
    if layer.include:
        return any(_holds(rule, state, phase) for rule in layer.include)
    return not any(_holds(rule, state, phase) for rule in layer.exclude)


def _holds(rule: NetStateRule, state: NetState, phase: Phase) -> bool:
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def random_layers(net: NetParameter, phase: Phase = TRAIN) -> list[str]:
    """The names of the layers that draw random numbers each time they run forward in ``phase``, in the net's order.

    Running each of them forward once an iteration brings Caffe's generator to where it was. Data layers, which
    crop and mirror at random, are not among them: each of those has a generator of its own.
    """
    return [layer.name for layer in layers_in(net, phase) if _draws(layer, phase)]


def _draws(layer: LayerParameter, phase: Phase) -> bool:
    if layer.HasField("phase"):
        phase = layer.phase
    if layer.type == "Dropout":
        return phase == TRAIN  # with a ratio of 0 too: Caffe draws the mask before it keeps everything
    stochastic = layer.type == "Pooling" and layer.pooling_param.pool == PoolingParameter.STOCHASTIC
    return stochastic and phase == TRAIN


# Layers that leave the number of channels as it is, so that the number of classes can be seen through them.
_CHANNEL_KEEPERS = (
    "AbsVal BNLL BatchNorm Bias Clip Dropout ELU Eltwise Exp LRN Log MVN PReLU Pooling Power ReLU Scale Sigmoid "
    "Softmax Split Swish TanH Threshold"
)
_KEEPS_CHANNELS = frozenset(_CHANNEL_KEEPERS.split())


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
        for blob in layer.bottom:
            if blob not in last_makers:
                remedy = did_you_mean(blob, last_makers) or "layers stand in the order in which they run"
                raise NetError(
                    f'its bottom "{blob}" is made by no earlier layer', where=layer_place(layer), remedy=remedy
                )
        makers.append([last_makers[blob] for blob in layer.bottom])
        for index, blob in enumerate(layer.top):
            in_place = index < len(layer.bottom) and layer.bottom[index] == blob
            if blob in last_makers and not in_place:
                earlier = layers[last_makers[blob]].name
                raise NetError(f'its top "{blob}" is also the top of layer "{earlier}"', where=layer_place(layer))
            last_makers[blob] = position
    return Wiring(makers, last_makers)


def layer_place(layer: LayerParameter) -> str:
    """Name of a layer in errors."""
    return f'layer "{layer.name}"'


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
