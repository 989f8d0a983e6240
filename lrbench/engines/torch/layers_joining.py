"""Layers that join blobs or part them: Eltwise, Concat, Slice, Split and Silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lrbench.engines.torch.layer import MANY, Layer, Run, Shape, canonical_axis, expect, refusal
from lrbench.nets.caffe_pb2 import EltwiseParameter, LayerParameter, Phase


def eltwise(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Eltwise: the sum (weighted by ``coeff``), product or largest of the bottoms, value by value."""
    expect(layer, bottoms=(2, MANY), tops=(1, 1))
    if any(bottom != bottoms[0] for bottom in bottoms):
        raise refusal(layer, f"its bottoms differ in shape: {', '.join(map(str, bottoms))}")
    settings = layer.eltwise_param
    coefficients = list(settings.coeff)
    if coefficients and (settings.operation != EltwiseParameter.SUM or len(coefficients) != len(bottoms)):
        raise refusal(layer, f"has {len(coefficients)} coeff", "give SUM one for each bottom, other operations none")
    if settings.operation == EltwiseParameter.SUM:
        run = _sum(coefficients) if any(value != 1 for value in coefficients) else _fold(torch.add)
    elif settings.operation == EltwiseParameter.PROD:
        run = _fold(torch.mul)
    else:
        run = _largest
    return Layer((bottoms[0],), run)


def _fold(operation: Callable[[Tensor, Tensor], Tensor]) -> Run:
    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        result = operation(bottoms[0], bottoms[1])
        for bottom in bottoms[2:]:
            result = operation(result, bottom)
        return (result,)

    return run


def _sum(coefficients: Sequence[float]) -> Run:
    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        result = bottoms[0] * coefficients[0]
        for bottom, coefficient in zip(bottoms[1:], coefficients[1:], strict=True):
            result = torch.add(result, bottom, alpha=coefficient)
        return (result,)

    return run


def _largest(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
    # Not torch.maximum, which parts the gradient where two are equal: Caffe gives it whole, to the second of the
    # first two, and to the earlier of any later pair.
    result = torch.where(bottoms[0] > bottoms[1], bottoms[0], bottoms[1])
    for bottom in bottoms[2:]:
        result = torch.where(bottom > result, bottom, result)
    return (result,)


def concat(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Concat: the bottoms behind each other along ``axis``."""
    expect(layer, bottoms=(1, MANY), tops=(1, 1))
    settings = layer.concat_param
    if settings.HasField("axis") and settings.HasField("concat_dim"):
        raise refusal(layer, "has both axis and concat_dim", "keep axis")
    first = bottoms[0]
    wanted = settings.concat_dim if settings.HasField("concat_dim") else settings.axis
    axis = canonical_axis(layer, wanted, len(first))
    if any((*bottom[:axis], *bottom[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) for bottom in bottoms):
        raise refusal(layer, f"its bottoms differ beside axis {axis}: {', '.join(map(str, bottoms))}")
    top = (*first[:axis], sum(bottom[axis] for bottom in bottoms), *first[axis + 1 :])
    return Layer((top,), lambda bottoms, _p, _g: (torch.cat(list(bottoms), axis),))


def slice_(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Slice: the bottom cut along ``axis`` at each ``slice_point``, or into parts of one size."""
    expect(layer, bottoms=(1, 1), tops=(1, MANY))
    (bottom,) = bottoms
    settings = layer.slice_param
    if settings.HasField("axis") and settings.HasField("slice_dim"):
        raise refusal(layer, "has both axis and slice_dim", "keep axis")
    wanted = settings.slice_dim if settings.HasField("slice_dim") else settings.axis
    axis = canonical_axis(layer, wanted, len(bottom))
    count, size = len(layer.top), bottom[axis]
    points = [0, *settings.slice_point, size]
    if not settings.slice_point and size % count == 0:
        points = list(range(0, size + 1, size // count))
    sizes = [end - start for start, end in pairwise(points)]
    if len(sizes) != count or min(sizes) < 1:
        raise refusal(
            layer,
            f"axis {axis} of size {size} is not cut into {count} tops",
            "give one slice_point fewer than tops, rising and inside the axis",
        )
    tops = tuple((*bottom[:axis], part, *bottom[axis + 1 :]) for part in sizes)
    return Layer(tops, lambda bottoms, _p, _g: torch.split(bottoms[0], sizes, axis))


def split(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Split: the bottom again, once for each top."""
    expect(layer, bottoms=(1, 1), tops=(1, MANY))
    count = len(layer.top)
    return Layer((bottoms[0],) * count, lambda bottoms, _p, _g: (bottoms[0],) * count)


def silence(layer: LayerParameter, _bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Silence: reads its bottoms and makes nothing."""
    expect(layer, bottoms=(1, MANY), tops=(0, 0))
    return Layer((), lambda _b, _p, _g: ())
