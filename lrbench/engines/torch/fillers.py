"""Caffe's fillers: what parameters hold before training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, prod, sqrt
from types import MappingProxyType

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Shape
from lrbench.errors import NetError, did_you_mean
from lrbench.nets.caffe_pb2 import FillerParameter

Fill = Callable[[FillerParameter, Shape, torch.Generator], Tensor]


def fill(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    """A new float32 tensor of ``shape`` on the generator's device, filled as ``filler`` says.

    With ``fan_in = count / shape[0]``, ``fan_out = count / shape[1]``, and n one of them or their mean
    (``variance_norm``):

    =====================  ==================================================================
    ``constant``           ``value``
    ``uniform``            uniform in [min, max)
    ``gaussian``           normal, ``mean`` and ``std``; with ``sparse`` each value is kept with
                           probability ``sparse / shape[0]``, else 0
    ``positive_unitball``  uniform in [0, 1), divided by the sum over all but the first axis
    ``xavier``             uniform in [-a, a), a = sqrt(3 / n): Glorot and Bengio, AISTATS 2010
    ``msra``               normal with std = sqrt(2 / n): He et al., ICCV 2015
    ``bilinear``           the weights that enlarge an image bilinearly
    =====================  ==================================================================
    """
    return _FILLERS[filler.type](filler, shape, generator)


def check_filler(filler: FillerParameter, shape: Shape) -> None:
    """Raise NetError where Caffe has no such filler, or not for this shape."""
    if filler.type not in _FILLERS:
        raise NetError(f'has a filler of unknown type "{filler.type}"', remedy=did_you_mean(filler.type, _FILLERS))
    if prod(shape) == 0:
        raise NetError(f"has a blob of shape {shape}, which holds nothing")
    if filler.sparse != -1 and (filler.type != "gaussian" or not 0 <= filler.sparse <= (shape or (0,))[0]):
        raise NetError(f"sparse {filler.sparse} does not fit a {filler.type} filler of shape {shape}")
    if filler.type == "gaussian" and filler.std < 0:
        raise NetError(f"has a gaussian filler with std {filler.std:g}, which is negative")
    if filler.type == "uniform" and filler.min > filler.max:
        raise NetError(f"has a uniform filler with min {filler.min:g} above max {filler.max:g}")
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(f"has a bilinear filler of shape {shape}, which is no square window")


def _constant(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    return torch.full(shape, filler.value, dtype=torch.float32, device=generator.device)


def _uniform(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    return _uniform_between(filler.min, filler.max, shape, generator)


def _gaussian(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    values = _normal(filler.std, shape, generator).add_(filler.mean)
    if filler.sparse >= 0:
        values.mul_(torch.empty_like(values).bernoulli_(filler.sparse / shape[0], generator=generator))
    return values


def _positive_unitball(_filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    values = _uniform_between(0.0, 1.0, shape, generator)
    rows = values.view((*shape, 1)[0], -1)
    return rows.div_(rows.sum(1, keepdim=True)).view(shape)


def _xavier(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    bound = sqrt(3.0 / _fan(filler, shape))
    return _uniform_between(-bound, bound, shape, generator)


def _msra(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    return _normal(sqrt(2.0 / _fan(filler, shape)), shape, generator)


def _bilinear(_filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    half = ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2.0 * half)
    ramp = 1 - (torch.arange(shape[3], dtype=torch.float32, device=generator.device) / half - centre).abs()
    return (ramp[:, None] * ramp[None, :]).expand(shape).clone()


def _fan(filler: FillerParameter, shape: Shape) -> float:
    count = prod(shape)
    fan_in = count // (*shape, 1)[0]
    fan_out = count // shape[1] if len(shape) > 1 else count
    if filler.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_out if filler.variance_norm == FillerParameter.FAN_OUT else fan_in


def _uniform_between(low: float, high: float, shape: Shape, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=generator.device).uniform_(low, high, generator=generator)


def _normal(std: float, shape: Shape, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=generator.device).normal_(0.0, std, generator=generator)


_FILLERS: Mapping[str, Fill] = MappingProxyType(
    {
        "bilinear": _bilinear,
        "constant": _constant,
        "gaussian": _gaussian,
        "msra": _msra,
        "positive_unitball": _positive_unitball,
        "uniform": _uniform,
        "xavier": _xavier,
    }
)
