"""Layers that work on each value alone: activations, elementary functions and Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Blob, Layer, Shape, only_bottom, refusal, value_by_value
from lrbench.nets.caffe_pb2 import TEST, FillerParameter, LayerParameter, Phase


def relu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ReLU: ``max(x, 0) + negative_slope min(x, 0)``."""
    slope = layer.relu_param.negative_slope
    return value_by_value(layer, bottoms, (lambda x: functional.leaky_relu(x, slope)) if slope else torch.relu)


def sigmoid(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Sigmoid: ``1 / (1 + exp(-x))``."""
    return value_by_value(layer, bottoms, torch.sigmoid)


def tanh(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """TanH: ``tanh(x)``."""
    return value_by_value(layer, bottoms, torch.tanh)


def elu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ELU: ``x`` where x > 0, else ``alpha (exp(x) - 1)``: Clevert et al., ICLR 2016."""
    alpha = layer.elu_param.alpha
    return value_by_value(layer, bottoms, lambda x: functional.elu(x, alpha))


def bnll(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """BNLL, the binomial normal log likelihood: ``log(1 + exp(x))``."""
    return value_by_value(layer, bottoms, functional.softplus)


def swish(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Swish: ``x / (1 + exp(-beta x))``: Ramachandran et al., arXiv:1710.05941."""
    beta = layer.swish_param.beta
    return value_by_value(layer, bottoms, lambda x: x * torch.sigmoid(beta * x))


def clip(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Clip: ``max(min(x, max), min)``, whose gradient is 1 from ``min`` to ``max``, both included, and 0 elsewhere.

    In place the gradient is 1 everywhere, as Caffe then looks at the values that it has clipped.
    """
    low, high = layer.clip_param.min, layer.clip_param.max
    if low <= high and list(layer.top) == list(layer.bottom):
        return value_by_value(layer, bottoms, lambda x: _ClipInPlace.apply(x, low, high))  # type: ignore[no-untyped-call]
    return value_by_value(layer, bottoms, lambda x: x.clamp(max=high).clamp(min=low))


class _ClipInPlace(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None


def prelu(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """PReLU: ``max(x, 0) + a min(x, 0)``, with a learnt slope ``a`` for each channel, or one for all."""
    bottom = only_bottom(layer, bottoms)
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
        return value_by_value(layer, bottoms, lambda x: x)
    kept, scale = 1.0 - ratio, 1.0 / (1.0 - ratio)

    def run(
        bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], generator: torch.Generator | None
    ) -> Sequence[Tensor]:
        mask = torch.empty_like(bottoms[0]).bernoulli_(kept, generator=generator).mul_(scale)
        return (bottoms[0] * mask,)

    return Layer((only_bottom(layer, bottoms),), run)


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
        return value_by_value(layer, bottoms, lambda x: torch.full_like(x, value))

    def function(x: Tensor) -> Tensor:
        x = x if scale == 1 else x * scale
        x = x + shift if shift else x
        return x if exponent == 1 else torch.pow(x, exponent)

    return value_by_value(layer, bottoms, function)


def exp(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Exp: ``base^(shift + scale x)``, where a base of -1 stands for e."""
    settings = layer.exp_param
    log_base = _log_of_base(layer, settings.base)
    factor, summand = settings.scale * log_base, settings.shift * log_base
    return value_by_value(layer, bottoms, lambda x: torch.exp(x * factor + summand))


def log_(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Log: ``log(shift + scale x) / log(base)``, where a base of -1 stands for e."""
    settings = layer.log_param
    scale, shift, log_base = settings.scale, settings.shift, _log_of_base(layer, settings.base)
    if log_base == 0:
        raise refusal(layer, "there are no logarithms to base 1")
    return value_by_value(layer, bottoms, lambda x: torch.log(x * scale + shift) / log_base)


def _log_of_base(layer: LayerParameter, base: float) -> float:
    if base == -1:
        return 1.0
    if not base > 0:
        raise refusal(layer, f"base {base:g} is not positive, nor -1, which stands for e")
    return log(base)


def absval(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """AbsVal: ``|x|``, whose gradient is 0 at 0."""
    return value_by_value(layer, bottoms, torch.abs)


def threshold(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Threshold: 1 where ``x > threshold``, else 0; it has no gradient."""
    least = layer.threshold_param.threshold
    return value_by_value(layer, bottoms, lambda x: (x > least).to(x.dtype))
