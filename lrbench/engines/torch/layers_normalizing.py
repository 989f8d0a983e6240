"""Layers that normalise by neighbours and that scale: LRN and Scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Blob, Layer, Run, Shape, canonical_axis, expect, expect_image, refusal
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
    within = settings.norm_region == LRNParameter.WITHIN_CHANNEL
    return Layer((bottoms[0],), _within(size, alpha, beta) if within else _across(size, alpha, beta, settings.k))


def _within(size: int, alpha: float, beta: float) -> Run:
    pad = size // 2

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = bottoms[0]
        mean = functional.avg_pool2d(x * x, size, 1, pad)
        return (x * (mean * alpha + 1.0).pow(-beta),)

    return run


def _across(size: int, alpha: float, beta: float, k: float) -> Run:
    pad = size // 2

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = bottoms[0]
        squares = (x * x).permute(0, 2, 3, 1)  # channels last, in which form they mostly are already
        mean = functional.avg_pool1d(squares.flatten(1, 2), size, 1, pad).view(squares.shape).permute(0, 3, 1, 2)
        return (x * (mean * alpha + k).pow(-beta),)

    return run


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
