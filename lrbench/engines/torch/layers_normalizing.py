"""Layers that normalise by neighbours and that scale: LRN and Scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lrbench.engines.torch.layer import (
    Blob,
    Layer,
    Run,
    Shape,
    at_least_float32,
    canonical_axis,
    expect,
    expect_image,
    refusal,
)
from lrbench.nets.caffe_pb2 import FillerParameter, LayerParameter, LRNParameter, Phase


def lrn(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """LRN: ``x (k + alpha m)^-beta``, with m the mean of x^2 over ``local_size`` channels, or over a square of pixels.

    Zeros beyond the edge count in the mean. WITHIN_CHANNEL takes k as 1, whatever is set, as Caffe does.
    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, section 3.3.
    """
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    expect_image(layer, bottoms[0])
    settings = layer.lrn_param
    size, alpha, beta = settings.local_size, settings.alpha, settings.beta
    if size % 2 == 0:
        raise refusal(layer, f"local_size {size} is not odd")
    if settings.norm_region == LRNParameter.WITHIN_CHANNEL:
        return Layer((bottoms[0],), _normalize(_mean_of_pixels(size), alpha, beta, 1.0))
    return Layer((bottoms[0],), _normalize(_mean_of_channels(size), alpha, beta, settings.k))


Mean = Callable[[Tensor], Tensor]


def _mean_of_pixels(size: int) -> Mean:
    return lambda values: functional.avg_pool2d(values, size, 1, size // 2)


def _mean_of_channels(size: int) -> Mean:
    def mean(values: Tensor) -> Tensor:
        last = values.permute(0, 2, 3, 1)  # the form in which they mostly lie in memory
        return functional.avg_pool1d(last.flatten(1, 2), size, 1, size // 2).view(last.shape).permute(0, 3, 1, 2)

    return mean


def _normalize(mean: Mean, alpha: float, beta: float, k: float) -> Run:
    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = at_least_float32(bottoms[0])
        return (_LocalResponse.apply(x, mean, alpha, beta, k),)  # type: ignore[no-untyped-call]

    return run


class _LocalResponse(torch.autograd.Function):
    """``y = x s^-beta`` with ``s = k + alpha M(x^2)``, M the mean over neighbours, which is its own adjoint.

    So ``dx = g s^-beta - 2 alpha beta x M(g y / s)``: half of the passes over memory that deriving it takes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Mean, alpha: float, beta: float, k: float) -> Tensor:
        base = mean(x * x).mul_(alpha).add_(k)
        factor = base.pow(-beta)
        ctx.save_for_backward(x, base, factor)
        ctx.mean, ctx.slope = mean, -2 * alpha * beta
        return x * factor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, base, factor = ctx.saved_tensors
        direct = gradient * factor
        return (direct.addcmul_(x, ctx.mean((direct * x).div_(base)), value=ctx.slope), None, None, None, None)


def scale(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Scale: ``s x + b``, s and b spread over the axes beside ``axis`` and those that follow it.

    s is learnt, or the second bottom; b, with ``bias_term``, is learnt.
    """
    expect(layer, bottoms=(1, 2), tops=(1, 1))
    bottom, settings = bottoms[0], layer.scale_param
    axis = canonical_axis(layer, settings.axis, len(bottom))
    axes = settings.num_axes if len(bottoms) == 1 else len(bottoms[1])
    shape = bottom[axis:] if axes == -1 else bottom[axis : axis + axes]
    if axes < -1 or (len(shape) < axes) or (len(bottoms) == 2 and bottoms[1] != shape):
        of = f"a second bottom of shape {bottoms[1]}" if len(bottoms) == 2 else f"num_axes {axes}"
        raise refusal(layer, f"{of} does not fit its bottom of shape {bottom} from axis {axis} on")
    one = settings.filler if settings.HasField("filler") else FillerParameter(value=1)
    blobs = [Blob(shape, one)] if len(bottoms) == 1 else []
    if settings.bias_term:
        blobs.append(Blob(shape, settings.bias_filler))
    spread = (*shape, *[1] * (len(bottom) - axis - len(shape))) if shape else ()
    return Layer((bottom,), _scale(spread, settings.bias_term), tuple(blobs))


def _scale(spread: Shape, bias: bool) -> Run:
    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        factor, *shift = (*bottoms[1:], *parameters)
        if not bias:
            return (bottoms[0] * factor.reshape(spread),)
        return (torch.addcmul(shift[0].reshape(spread), bottoms[0], factor.reshape(spread)),)

    return run
