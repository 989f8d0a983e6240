"""Layers that work on each value alone: ReLU, PReLU, Sigmoid, TanH, Power and Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Blob, Layer, Run, Shape, expect, refusal
from lrbench.nets.caffe_pb2 import TEST, FillerParameter, LayerParameter, Phase

_DEFAULT_SLOPE = 0.25


def relu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ReLU: ``max(x, 0) + negative_slope min(x, 0)``."""
    slope = layer.relu_param.negative_slope
    if slope:
        return _neuron(layer, bottoms, lambda bottoms, _p, _g: (functional.leaky_relu(bottoms[0], slope),))
    return _neuron(layer, bottoms, lambda bottoms, _p, _g: (torch.relu(bottoms[0]),))


def sigmoid(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Sigmoid: ``1 / (1 + exp(-x))``."""
    return _neuron(layer, bottoms, lambda bottoms, _p, _g: (torch.sigmoid(bottoms[0]),))


def tanh(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """TanH: ``tanh(x)``."""
    return _neuron(layer, bottoms, lambda bottoms, _p, _g: (torch.tanh(bottoms[0]),))


def power(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Power: ``(shift + scale x)^power``; where power or scale is 0, that constant, whatever x is."""
    settings = layer.power_param
    exponent, scale, shift = settings.power, settings.scale, settings.shift
    if exponent * scale == 0:
        if exponent < 0 and shift == 0:
            raise refusal(layer, "a scale and a shift of 0 to a negative power have no value")
        value = shift**exponent if exponent else 1.0
        if isinstance(value, complex):
            raise refusal(layer, f"shift {shift} has no real power {exponent}")
        return _neuron(layer, bottoms, lambda bottoms, _p, _g: (torch.full_like(bottoms[0], value),))

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = bottoms[0] if scale == 1 else bottoms[0] * scale
        x = x + shift if shift else x
        return (x if exponent == 1 else torch.pow(x, exponent),)

    return _neuron(layer, bottoms, run)


def prelu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """PReLU: ``max(x, 0) + a min(x, 0)``, with a learnt slope ``a`` for each channel, or one for all."""
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    (bottom,) = bottoms
    if len(bottom) < 2:
        raise refusal(layer, f"its bottom has shape {bottom}, and at least two axes are needed")
    settings = layer.prelu_param
    filler = settings.filler if settings.HasField("filler") else FillerParameter(value=_DEFAULT_SLOPE)
    shape = () if settings.channel_shared else (bottom[1],)
    return Layer((bottom,), lambda bottoms, parameters, _: (
        functional.prelu(bottoms[0], parameters[0].reshape(-1)),
    ), (Blob(shape, filler),))


def dropout(layer: LayerParameter, bottoms: Sequence[Shape], phase: Phase) -> Layer:
    """Dropout: in training each value is 0 with probability ``p``, else ``x / (1 - p)``; in a test, x."""
    ratio = layer.dropout_param.dropout_ratio
    if not 0 <= ratio < 1:
        raise refusal(layer, f"dropout_ratio {ratio:g} is not in [0, 1)")
    if phase == TEST:
        return _neuron(layer, bottoms, lambda bottoms, _p, _g: (bottoms[0],))
    kept, scale = 1.0 - ratio, 1.0 / (1.0 - ratio)

    def run(
        bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], generator: torch.Generator | None
    ) -> Sequence[Tensor]:
        mask = torch.empty_like(bottoms[0]).bernoulli_(kept, generator=generator).mul_(scale)
        return (bottoms[0] * mask,)

    return _neuron(layer, bottoms, run)


def _neuron(layer: LayerParameter, bottoms: Sequence[Shape], run: Run) -> Layer:
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    return Layer((bottoms[0],), run)
