"""Layers that normalise by neighbours or by a whole image: LRN and MVN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lrbench.engines.torch.gradients import in_rows
from lrbench.engines.torch.layer import Layer, Run, Shape, at_least_float32, expect, expect_image, refusal
from lrbench.nets.caffe_pb2 import LayerParameter, LRNParameter, Phase


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


def mvn(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """MVN: ``(x - mean) / (deviation + eps)`` over each sample's channel, or with ``across_channels`` over each sample.

    Without ``normalize_variance`` it is ``x - mean``. The top always has four axes, those that lack being 1.
    """
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    (bottom,) = bottoms
    if len(bottom) > 4:
        raise refusal(layer, f"its bottom has shape {bottom}, and at most four axes are possible")
    settings = layer.mvn_param
    image = (*bottom, *[1] * (4 - len(bottom)))
    images = prod(bottom[: 1 if settings.across_channels else 2])
    rows = (images, prod(bottom) // images)
    with_variance, eps = settings.normalize_variance, settings.eps

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = in_rows(at_least_float32(bottoms[0]), rows)
        if with_variance:
            top: Tensor = _Standardize.apply(x, eps)  # type: ignore[no-untyped-call]
        else:
            top = x - x.mean(1, keepdim=True)
        return (top.reshape(image),)

    return Layer((image,), run)


class _Standardize(torch.autograd.Function):
    """``y = (x - mean) / s`` for each row, with s the row's deviation plus eps.

    Caffe's gradient, ``(g - mean(g) - y mean(g y)) / s``, leaves eps out of account: a row of equal values has one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        deviation = centred.square().mean(1, keepdim=True).sqrt_().add_(eps)
        y = centred.div_(deviation)
        ctx.save_for_backward(y, deviation)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        y, deviation = ctx.saved_tensors
        along = (gradient * y).mean(1, keepdim=True)
        return (gradient - gradient.mean(1, keepdim=True)).sub_(y * along).div_(deviation), None
