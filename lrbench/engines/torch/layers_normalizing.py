"""Layers that normalise: BatchNorm by the batch, LRN by neighbours, MVN by a whole image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
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
    expect,
    expect_image,
    in_rows,
    only_bottom,
    refusal,
)
from lrbench.nets.caffe_pb2 import TEST, FillerParameter, LayerParameter, LRNParameter, Phase


def batch_norm(layer: LayerParameter, bottoms: Sequence[Shape], phase: Phase) -> Layer:
    """BatchNorm: ``(x - mean) / sqrt(variance + eps)`` for each channel; it has no scale and shift of its own.

    In training mean and variance are those of the batch, and three blobs follow them, each multiplied by
    ``moving_average_fraction`` before it grows by: the mean, the variance times m / (m - 1) for m values a channel,
    and 1. In a test mean and variance are the first two divided by the third.
    Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    """
    bottom = only_bottom(layer, bottoms)
    settings = layer.batch_norm_param
    if len(bottom) < 2:
        raise refusal(layer, f"its bottom has shape {bottom}, and at least two axes are needed")
    if any(parameter.lr_mult for parameter in layer.param):
        raise refusal(layer, "its blobs are statistics, which no solver learns", "give each param an lr_mult of 0")
    stored = settings.use_global_stats if settings.HasField("use_global_stats") else phase == TEST
    if not stored and prod(bottom) == bottom[1]:
        raise refusal(layer, "one value a channel is all that it has, and would always be 0", "use a larger batch")
    zero = FillerParameter()
    blobs = tuple(Blob(shape, zero, statistic=True) for shape in ((bottom[1],), (bottom[1],), (1,)))
    if stored:
        return Layer((bottom,), _normalize_by_stored(settings.eps), blobs)
    values = prod(bottom) // bottom[1]
    run = _normalize_by_batch(bottom[1], values, settings.moving_average_fraction, settings.eps)
    return Layer((bottom,), run, blobs)


def _normalize_by_batch(channels: int, values: int, fraction: float, eps: float) -> Run:
    """BatchNorm in training; parameters are the three statistics, then those of a Scale that has been joined."""
    correction = values / (values - 1)

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x, (mean, variance, count) = bottoms[0], parameters[:3]
        scale, shift = _scale_and_shift(parameters)
        if x.is_cuda:
            # With a momentum of 1 torch leaves the batch's own mean and unbiased variance in these.
            of_batch = mean.new_zeros((2, channels))
            top = torch.batch_norm(x, scale, shift, of_batch[0], of_batch[1], True, 1.0, eps, True)
            batch_mean, batch_variance = of_batch[0], of_batch[1]
        else:
            made = _Normalize.apply(at_least_float32(x), scale, shift, eps)  # type: ignore[no-untyped-call]
            top, batch_mean, batch_variance = made
            batch_variance.mul_(correction)
        with torch.no_grad():
            mean.mul_(fraction).add_(batch_mean)
            variance.mul_(fraction).add_(batch_variance)
            count.mul_(fraction).add_(1.0)
        return (top,)

    return run


class _Normalize(torch.autograd.Function):
    """Batch normalisation on a CPU whose sums are as exact as Caffe's.

    torch's own adds up all values of a channel one by one where channels come last: over 100 images of 32x32 its
    mean, variance and gradients are off by 3e-6 and more of their norm, where Caffe's and these are off by 1e-7.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        axes, spread = _axes(x)
        mean = x.mean(axes)
        variance = (x - mean.view(spread)).square_().mean(axes)
        ctx.save_for_backward(x, scale, mean, variance.add(eps).rsqrt_())
        ctx.mark_non_differentiable(mean, variance)
        return torch.batch_norm(x, scale, shift, mean, variance, False, 0.0, eps, False), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """With n = (x - mean) i and i the inverse deviation: ``dx = s i (g - mean(g) - n mean(g n))``,
        ``ds = sum(g n)`` and ``db = sum(g)``."""
        x, scale, mean, inverse = ctx.saved_tensors
        axes, spread = _axes(x)
        centred = x - mean.view(spread)
        product = gradient * centred
        of_shift, of_scale = gradient.sum(axes), product.sum(axes) * inverse
        factor = inverse if scale is None else inverse * scale
        average = factor * (-mean.numel() / x.numel())
        of_x = torch.addcmul(
            (of_shift * average).view(spread), centred, (of_scale * inverse * average).view(spread), out=product
        ).addcmul_(gradient, factor.view(spread))
        return (of_x, *((None, None) if scale is None else (of_scale, of_shift)), None)


def _axes(x: Tensor) -> tuple[list[int], Shape]:
    """The axes beside that of channels, and the shape that spreads one number a channel over them."""
    return [axis for axis in range(x.dim()) if axis != 1], (-1, *[1] * (x.dim() - 2))


def _normalize_by_stored(eps: float) -> Run:
    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        mean, variance, count = parameters[:3]
        scale, shift = _scale_and_shift(parameters)
        factor = torch.where(count == 0, 0.0, 1.0 / count)
        return (torch.batch_norm(bottoms[0], scale, shift, mean * factor, variance * factor, False, 0.0, eps, False),)

    return run


def _scale_and_shift(parameters: Sequence[Tensor]) -> tuple[Tensor | None, Tensor | None]:
    return (parameters[3], parameters[4]) if len(parameters) > 3 else (None, None)


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
    within = settings.norm_region == LRNParameter.WITHIN_CHANNEL
    k = 1.0 if within else settings.k

    def mean(values: Tensor) -> Tensor:
        if within:
            return functional.avg_pool2d(values, size, 1, size // 2)
        last = values.permute(0, 2, 3, 1)  # the form in which they mostly lie in memory
        return functional.avg_pool1d(last.flatten(1, 2), size, 1, size // 2).view(last.shape).permute(0, 3, 1, 2)

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = at_least_float32(bottoms[0])
        return (_LocalResponse.apply(x, mean, alpha, beta, k),)  # type: ignore[no-untyped-call]

    return Layer((bottoms[0],), run)


Mean = Callable[[Tensor], Tensor]


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
    bottom = only_bottom(layer, bottoms)
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
