"""Layers that multiply, add or reduce values: InnerProduct, Embed, Eltwise, Scale, Bias, Reduction and ArgMax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import (
    MANY,
    Blob,
    Layer,
    Shape,
    at_least_float32,
    canonical_axis,
    expect,
    in_rows,
    only_bottom,
    refusal,
)
from lrbench.nets.caffe_pb2 import (
    BiasParameter,
    EltwiseParameter,
    FillerParameter,
    LayerParameter,
    Phase,
    ReductionParameter,
    ScaleParameter,
)


def inner_product(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """InnerProduct: ``W x + b``, where x is each sample's values from ``axis`` on, in the order of their axes.

    Weights have the shape (num_output, values), or with ``transpose`` (values, num_output).
    """
    bottom = only_bottom(layer, bottoms)
    settings = layer.inner_product_param
    outputs = settings.num_output
    if outputs < 1:
        raise refusal(layer, "has no num_output")
    axis = canonical_axis(layer, settings.axis, len(bottom))
    values = prod(bottom[axis:])
    transposed = settings.transpose
    blobs = [Blob((values, outputs) if transposed else (outputs, values), settings.weight_filler)]
    if settings.bias_term:
        blobs.append(Blob((outputs,), settings.bias_filler))
    flat = (*bottom[:axis], values)

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = in_rows(bottoms[0], flat) if flat != bottom else bottoms[0]
        weight = parameters[0].t() if transposed else parameters[0]
        return (functional.linear(x, weight, *parameters[1:]),)

    return Layer(((*bottom[:axis], outputs),), run, tuple(blobs))


def embed(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Embed: row x of the weights, plus a bias, for each value x from 0 to ``input_dim`` - 1, as a new last axis.

    It is an InnerProduct of one-hot vectors. Weights have the shape (input_dim, num_output).
    """
    bottom = only_bottom(layer, bottoms)
    settings = layer.embed_param
    if settings.num_output < 1 or settings.input_dim < 1:
        raise refusal(layer, f"num_output {settings.num_output} or input_dim {settings.input_dim} is not positive")
    blobs = [Blob((settings.input_dim, settings.num_output), settings.weight_filler)]
    if settings.bias_term:
        blobs.append(Blob((settings.num_output,), settings.bias_filler))

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        rows = functional.embedding(bottoms[0].long(), parameters[0])
        return (rows + parameters[1] if len(parameters) > 1 else rows,)

    return Layer(((*bottom, settings.num_output),), run, tuple(blobs), no_gradient=frozenset({0}))


def eltwise(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Eltwise: the sum (weighted by ``coeff``), product or largest of the bottoms, value by value."""
    expect(layer, bottoms=(2, MANY), tops=(1, 1))
    if any(bottom != bottoms[0] for bottom in bottoms):
        raise refusal(layer, f"its bottoms differ in shape: {', '.join(map(str, bottoms))}")
    settings = layer.eltwise_param
    coefficients = list(settings.coeff)
    if coefficients and (settings.operation != EltwiseParameter.SUM or len(coefficients) != len(bottoms)):
        raise refusal(layer, f"has {len(coefficients)} coeff", "give SUM one for each bottom, other operations none")
    weighted, operation = any(value != 1 for value in coefficients), settings.operation

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        if weighted:
            result = bottoms[0] * coefficients[0]
            for bottom, coefficient in zip(bottoms[1:], coefficients[1:], strict=True):
                result = torch.add(result, bottom, alpha=coefficient)
            return (result,)
        if operation != EltwiseParameter.MAX:
            return (reduce(torch.add if operation == EltwiseParameter.SUM else torch.mul, bottoms),)
        # Not torch.maximum, which parts the gradient where two are equal: Caffe gives it whole, to the second of the
        # first two, and to the earlier of any later pair.
        result = torch.where(bottoms[0] > bottoms[1], bottoms[0], bottoms[1])
        for bottom in bottoms[2:]:
            result = torch.where(bottom > result, bottom, result)
        return (result,)

    return Layer((bottoms[0],), run)


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

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        factor, *shift = (*bottoms[1:], *parameters)
        if not shift:
            return (bottoms[0] * factor.reshape(spread),)
        return (torch.addcmul(shift[0].reshape(spread), bottoms[0], factor.reshape(spread)),)

    return Layer((bottom,), run, tuple(blobs))


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
    bottom = only_bottom(layer, bottoms)
    settings = layer.reduction_param
    axis = canonical_axis(layer, settings.axis, len(bottom))
    axes, operation, coefficient = list(range(axis, len(bottom))), _OPERATIONS[settings.operation], settings.coeff

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        return (operation(at_least_float32(bottoms[0]), axes) * coefficient,)

    return Layer((bottom[:axis],), run)


def argmax(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """ArgMax: the places of the ``top_k`` largest values, or with ``out_max_val`` these values, along ``axis``.

    Without ``axis`` they are those of each sample, the top has the shape (samples, 1, top_k), and ``out_max_val`` adds
    the values as a second channel. Of equal values that with the larger place comes first. There is no gradient.
    """
    bottom = only_bottom(layer, bottoms)
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
