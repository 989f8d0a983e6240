"""Layers that multiply, add or reduce values: InnerProduct, Embed, Eltwise, Scale, Bias, Reduction and ArgMax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Blob, Layer, Run, Shape, at_least_float32, canonical_axis, expect, refusal
from lrbench.nets.caffe_pb2 import (
    BiasParameter,
    FillerParameter,
    LayerParameter,
    Phase,
    ReductionParameter,
    ScaleParameter,
)


def scale(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Scale: ``s x + b``, s and b spread over the axes beside ``axis`` and those that follow it.

    s is learnt, or the second bottom; b, with ``bias_term``, is learnt.
    """
    expect(layer, bottoms=(1, 2), tops=(1, 1))
    bottom, settings = bottoms[0], layer.scale_param
    shape, spread = _spread(layer, bottoms, settings)
    one = settings.filler if settings.HasField("filler") else FillerParameter(value=1)
    blobs = [Blob(shape, one)] if len(bottoms) == 1 else []
    if settings.bias_term:
        blobs.append(Blob(shape, settings.bias_filler))
    return Layer((bottom,), _scale(spread, settings.bias_term), tuple(blobs))


def _scale(spread: Shape, bias: bool) -> Run:
    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        factor, *shift = (*bottoms[1:], *parameters)
        if not bias:
            return (bottoms[0] * factor.reshape(spread),)
        return (torch.addcmul(shift[0].reshape(spread), bottoms[0], factor.reshape(spread)),)

    return run


def bias(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Bias: ``x + b``, b spread over the axes beside ``axis`` and those that follow it.

    b is learnt, or the second bottom.
    """
    expect(layer, bottoms=(1, 2), tops=(1, 1))
    shape, spread = _spread(layer, bottoms, layer.bias_param)
    blobs = (Blob(shape, layer.bias_param.filler),) if len(bottoms) == 1 else ()

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        (summand,) = (*bottoms[1:], *parameters)
        return (bottoms[0] + summand.reshape(spread),)

    return Layer((bottoms[0],), run, blobs)


def _spread(
    layer: LayerParameter, bottoms: Sequence[Shape], settings: ScaleParameter | BiasParameter
) -> tuple[Shape, Shape]:
    """The shape of the numbers, and the one that spreads them over the bottom."""
    bottom = bottoms[0]
    axis = canonical_axis(layer, settings.axis, len(bottom))
    axes = settings.num_axes if len(bottoms) == 1 else len(bottoms[1])
    shape = bottom[axis:] if axes == -1 else bottom[axis : axis + axes]
    if axes < -1 or (len(shape) < axes) or (len(bottoms) == 2 and bottoms[1] != shape):
        of = f"a second bottom of shape {bottoms[1]}" if len(bottoms) == 2 else f"num_axes {axes}"
        raise refusal(layer, f"{of} does not fit its bottom of shape {bottom} from axis {axis} on")
    return shape, (*shape, *[1] * (len(bottom) - axis - len(shape))) if shape else ()


_OPERATIONS: Mapping[int, Callable[[Tensor, list[int]], Tensor]] = MappingProxyType(
    {
        ReductionParameter.SUM: lambda x, axes: x.sum(axes),
        ReductionParameter.ASUM: lambda x, axes: x.abs().sum(axes),
        ReductionParameter.SUMSQ: lambda x, axes: x.square().sum(axes),
        ReductionParameter.MEAN: lambda x, axes: x.mean(axes),
    }
)


def reduction(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Reduction: ``coeff`` times the sum, the sum of absolute values or of squares, or the mean, from ``axis`` on."""
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    (bottom,) = bottoms
    settings = layer.reduction_param
    axis = canonical_axis(layer, settings.axis, len(bottom))
    axes, reduce, coefficient = list(range(axis, len(bottom))), _OPERATIONS[settings.operation], settings.coeff

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        return (reduce(at_least_float32(bottoms[0]), axes) * coefficient,)

    return Layer((bottom[:axis],), run)


def argmax(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ArgMax: the places of the ``top_k`` largest values, or with ``out_max_val`` these values, along ``axis``.

    Without ``axis`` they are those of each sample, the top has the shape (samples, 1, top_k), and ``out_max_val`` adds
    the values as a second channel. Of equal values that with the larger place comes first. There is no gradient.
    """
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    (bottom,) = bottoms
    settings = layer.argmax_param
    along = canonical_axis(layer, settings.axis, len(bottom)) if settings.HasField("axis") else None
    size, top_k, values = prod(bottom[1:]) if along is None else bottom[along], settings.top_k, settings.out_max_val
    if not 1 <= top_k <= size:
        raise refusal(layer, f"top_k {top_k} is not one of 1 to {size}")
    if along is None:
        top = (bottom[0], 2 if values else 1, top_k, *[1] * (len(bottom) - 3))
    else:
        top = (*bottom[:along], top_k, *bottom[along + 1 :])

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = at_least_float32(bottoms[0].detach())
        if along is None:
            largest, places = _largest(x.reshape(bottom[0], -1), 1, top_k)
            return ((torch.stack((places, largest), 1) if values else places).reshape(top),)
        largest, places = _largest(x, along, top_k)
        return (largest if values else places,)

    return Layer((top,), run)


def _largest(x: Tensor, axis: int, count: int) -> tuple[Tensor, Tensor]:
    """The largest values along an axis, and their places as numbers of the same type."""
    # A stable sort of the values in reverse, as torch.topk promises no order of equal ones.
    values, places = x.flip(axis).sort(dim=axis, descending=True, stable=True)
    values, places = (found.narrow(axis, 0, count) for found in (values, places))
    return values, (x.shape[axis] - 1 - places).to(x.dtype)
