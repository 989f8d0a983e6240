"""Which layers of a train-and-test net are there in each phase, by Caffe's own rules."""

from __future__ import annotations

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import (
    TRAIN,
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
    Phase,
    PoolingParameter,
)


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


def data_layers(net: NetParameter, phase: Phase) -> list[str]:
    """The names of the ``Data`` layers in ``phase``, in the net's order."""
    return [layer.name for layer in layers_in(net, phase) if layer.type == "Data"]


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
