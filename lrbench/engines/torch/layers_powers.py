"""Layers that apply an elementary function to each value: Power, Exp, Log, AbsVal and Threshold."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Layer, Shape, refusal, value_by_value
from lrbench.nets.caffe_pb2 import LayerParameter, Phase

_BASE_E = -1.0


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
    if base == _BASE_E:
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
