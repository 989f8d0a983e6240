"""Layers that work on each value alone: activations, elementary functions and Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Blob, Layer, Shape, expect, refusal, value_by_value
from lrbench.nets.caffe_pb2 import TEST, FillerParameter, LayerParameter, Phase


def relu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ReLU: ``max(x, 0) + negative_slope min(x, 0)``."""
    slope = layer.relu_param.negative_slope
    if slope:
        return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (functional.leaky_relu(bottoms[0], slope),))
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (torch.relu(bottoms[0]),))


def sigmoid(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Sigmoid: ``1 / (1 + exp(-x))``."""
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (torch.sigmoid(bottoms[0]),))


def tanh(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """TanH: ``tanh(x)``."""
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (torch.tanh(bottoms[0]),))


def elu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ELU: ``x`` where x > 0, else ``alpha (exp(x) - 1)``: Clevert et al., ICLR 2016."""
    alpha = layer.elu_param.alpha
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (functional.elu(bottoms[0], alpha),))


def bnll(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """BNLL, the binomial normal log likelihood: ``log(1 + exp(x))``."""
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (functional.softplus(bottoms[0]),))


def swish(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Swish: ``x / (1 + exp(-beta x))``: Ramachandran et al., arXiv:1710.05941."""
    beta = layer.swish_param.beta
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (bottoms[0] * torch.sigmoid(beta * bottoms[0]),))


def clip(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Clip: ``max(min(x, max), min)``, whose gradient is 1 from ``min`` to ``max``, both included, and 0 elsewhere.

    In place the gradient is 1 everywhere, as Caffe then looks at the values that it has clipped.
    """
    low, high = layer.clip_param.min, layer.clip_param.max
    in_place = low <= high and list(layer.top) == list(layer.bottom)

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        if in_place:
            return (_ClipInPlace.apply(bottoms[0], low, high),)  # type: ignore[no-untyped-call]
        return (bottoms[0].clamp(max=high).clamp(min=low),)

    return value_by_value(layer, bottoms, run)


class _ClipInPlace(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None


def prelu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """PReLU: ``max(x, 0) + a min(x, 0)``, with a learnt slope ``a`` for each channel, or one for all."""
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    (bottom,) = bottoms
    if len(bottom) < 2:
        raise refusal(layer, f"its bottom has shape {bottom}, and at least two axes are needed")
    settings = layer.prelu_param
    filler = settings.filler if settings.HasField("filler") else FillerParameter(value=0.25)
    shape = () if settings.channel_shared else (bottom[1],)
    return Layer(
        (bottom,),
        lambda bottoms, parameters, _: (functional.prelu(bottoms[0], parameters[0].reshape(-1)),),
        (Blob(shape, filler),),
    )


def dropout(layer: LayerParameter, bottoms: Sequence[Shape], phase: Phase) -> Layer:
    """Dropout: in training each value is 0 with probability ``p``, else ``x / (1 - p)``; in a test, x."""
    ratio = layer.dropout_param.dropout_ratio
    if not 0 <= ratio < 1:
        raise refusal(layer, f"dropout_ratio {ratio:g} is not in [0, 1)")
    if phase == TEST:
        return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (bottoms[0],))
    kept, scale = 1.0 - ratio, 1.0 / (1.0 - ratio)

    def run(
        bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], generator: torch.Generator | None
    ) -> Sequence[Tensor]:
        mask = torch.empty_like(bottoms[0]).bernoulli_(kept, generator=generator).mul_(scale)
        return (bottoms[0] * mask,)

    return value_by_value(layer, bottoms, run)


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
        return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (torch.full_like(bottoms[0], value),))

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = bottoms[0] if scale == 1 else bottoms[0] * scale
        x = x + shift if shift else x
        return (x if exponent == 1 else torch.pow(x, exponent),)

    return value_by_value(layer, bottoms, run)


def exp(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Exp: ``base^(shift + scale x)``, where a base of -1 stands for e."""
    settings = layer.exp_param
    log_base = _log_of_base(layer, settings.base)
    factor, summand = settings.scale * log_base, settings.shift * log_base

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        return (torch.exp(bottoms[0] * factor + summand),)

    return value_by_value(layer, bottoms, run)


def log_(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Log: ``log(shift + scale x) / log(base)``, where a base of -1 stands for e."""
    settings = layer.log_param
    scale, shift, log_base = settings.scale, settings.shift, _log_of_base(layer, settings.base)
    if log_base == 0:
        raise refusal(layer, "there are no logarithms to base 1")

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        return (torch.log(bottoms[0] * scale + shift) / log_base,)

    return value_by_value(layer, bottoms, run)


def _log_of_base(layer: LayerParameter, base: float) -> float:
    if base == -1:
        return 1.0
    if not base > 0:
        raise refusal(layer, f"base {base:g} is not positive, nor -1, which stands for e")
    return log(base)


def absval(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """AbsVal: ``|x|``, whose gradient is 0 at 0."""
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: (torch.abs(bottoms[0]),))


def threshold(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Threshold: 1 where ``x > threshold``, else 0; it has no gradient."""
    least = layer.threshold_param.threshold
    return value_by_value(layer, bottoms, lambda bottoms, _p, _g: ((bottoms[0] > least).to(bottoms[0].dtype),))
