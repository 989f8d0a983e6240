"""Convolution, Deconvolution and Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lrbench.engines.torch.conv_geometry import Window, convolution_window, pooling_window
from lrbench.engines.torch.layer import USE_CAFFE, Blob, Layer, Run, Shape, expect, expect_image, refusal
from lrbench.nets.caffe_pb2 import LayerParameter, Phase, PoolingParameter

BLOCK = 16
"""Channels that oneDNN works on at once: the float32 numbers in a register of 512 bits."""
WORTH_IT = 3.0
"""The work in vain from which on the products alone are the faster way."""


def convolution(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Convolution: each of ``num_output`` channels is the sum of windows times weights, plus a bias.

    The output has ``floor((size + 2 pad - dilation (kernel - 1) - 1) / stride) + 1`` pixels along each axis. Weights
    have the shape (num_output, channels / group, kernel height, kernel width).
    """
    bottom, window = _image_and_window(layer, bottoms)
    outputs, groups = layer.convolution_param.num_output, layer.convolution_param.group
    blobs = _kernels(layer, window, (outputs, bottom[1] // groups))
    sizes = []
    for axis, size in enumerate(bottom[2:]):
        room = size + 2 * window.pad[axis] - window.dilation[axis] * (window.kernel[axis] - 1) - 1
        if room < 0:
            raise refusal(layer, f"its kernel {window.kernel} is larger than its padded bottom of shape {bottom}")
        sizes.append(room // window.stride[axis] + 1)
    top = (bottom[0], outputs, *sizes)
    pad, stride, dilation = window.pad, window.stride, window.dilation
    worth_it = groups == 1 and dilation == (1, 1) and work_in_vain(bottom, top, window) >= WORTH_IT

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x, bias = bottoms[0], parameters[1] if len(parameters) > 1 else None
        if worth_it and x.is_cpu and x.requires_grad and not torch.is_autocast_enabled("cpu"):
            return (Convolve.apply(x, parameters[0], bias, window),)  # type: ignore[no-untyped-call]
        return (functional.conv2d(x, parameters[0], bias, stride, pad, dilation, groups),)

    return Layer((top,), run, blobs)


def work_in_vain(bottom: Shape, top: Shape, window: Window) -> float:
    """Number of products that oneDNN forms for a convolution's input gradient, for each one that counts.

    It goes over every pixel of the input, with its channels rounded up to whole blocks; what counts is every channel
    for every pixel of the output: ``ceil16(channels) / channels * pixels in / (pixels out * stride^2)``. Timed for
    288 shapes (one thread of an EPYC 9004, kernels of 3 and 5, 3 to 96 channels): the products alone were 1.4 times as
    fast in the mean where this was 3 or more (50 of 54 shapes; the others, of 4 or fewer channels, were up to 1.12
    times slower), and slower by as much where it was less than 2.5.
    """
    channels = bottom[1]
    blocks = -(-channels // BLOCK) * BLOCK
    return blocks / channels * prod(bottom[2:]) / (prod(top[2:]) * prod(window.stride))


class Convolve(torch.autograd.Function):
    """A convolution of one group and no dilation whose input gradient on a CPU is made of the products that count.

    ``columns = gradient weights``, a matrix product an image, each column then added to the window that it is of.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.window, ctx.bias = window, None if bias is None else list(bias.shape)
        return functional.conv2d(x, weight, bias, window.stride, window.pad)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        pad, stride = list(ctx.window.pad), list(ctx.window.stride)
        made = [None, None, None]
        if of_weight or of_bias:
            made = list(
                torch.ops.aten.convolution_backward(
                    gradient, x, weight, ctx.bias, stride, pad, [1, 1], False, [0, 0], 1, [False, of_weight, of_bias]
                )
            )
        if of_x:
            made[0] = torch.ops.aten._slow_conv2d_backward(
                gradient, x, weight, list(ctx.window.kernel), stride, pad, [True, False, False]
            )[0]
        return (*made, None)


def deconvolution(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Deconvolution: each value times the weights, added to its window of ``num_output`` channels, plus a bias.

    It is a convolution's gradient, so that the output has ``stride (size - 1) + dilation (kernel - 1) + 1 - 2 pad``
    pixels along each axis. Weights have the shape (channels, num_output / group, kernel height, kernel width).
    """
    bottom, window = _image_and_window(layer, bottoms)
    outputs, groups = layer.convolution_param.num_output, layer.convolution_param.group
    sizes = [
        window.stride[axis] * (size - 1) + window.dilation[axis] * (window.kernel[axis] - 1) + 1 - 2 * window.pad[axis]
        for axis, size in enumerate(bottom[2:])
    ]
    if min(sizes) < 1:
        raise refusal(layer, f"its pad {window.pad} leaves nothing of its bottom of shape {bottom}")
    pad, stride, dilation = window.pad, window.stride, window.dilation

    def run(bottoms: Sequence[Tensor], parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        bias = parameters[1] if len(parameters) > 1 else None
        return (functional.conv_transpose2d(bottoms[0], parameters[0], bias, stride, pad, 0, groups, dilation),)

    return Layer(((bottom[0], outputs, *sizes),), run, _kernels(layer, window, (bottom[1], outputs // groups)))


def _image_and_window(layer: LayerParameter, bottoms: Sequence[Shape]) -> tuple[Shape, Window]:
    """The one bottom of a (de)convolution and its window, with channels, outputs and groups that go together."""
    expect(layer, bottoms=(1, 1), tops=(1, 1), remedy=USE_CAFFE)
    (bottom,) = bottoms
    expect_image(layer, bottom, remedy=USE_CAFFE)
    settings = layer.convolution_param
    if settings.axis not in (1, -3):
        raise refusal(layer, f"axis {settings.axis} is not supported, as channels are axis 1", USE_CAFFE)
    outputs, groups = settings.num_output, settings.group
    if outputs < 1 or groups < 1 or bottom[1] % groups or outputs % groups:
        raise refusal(layer, f"{bottom[1]} channels and num_output {outputs} do not part into {groups} groups")
    return bottom, convolution_window(layer)


def _kernels(layer: LayerParameter, window: Window, channels: tuple[int, int]) -> tuple[Blob, ...]:
    settings = layer.convolution_param
    weights = Blob((*channels, *window.kernel), settings.weight_filler)
    return (weights, Blob((settings.num_output,), settings.bias_filler)) if settings.bias_term else (weights,)


def pooling(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Pooling: the largest value, or the average, of each window.

    The output has ``ceil((size + 2 pad - kernel) / stride) + 1`` pixels along each axis (``floor`` with round_mode
    FLOOR), less one where the last window would start beyond the image in the padding. An average divides by the
    window's area within the padded image, zeros of the padding counted.
    """
    expect(layer, bottoms=(1, 1), tops=(1, 1), remedy=USE_CAFFE)  # Caffe's second top says which value was largest
    (bottom,) = bottoms
    expect_image(layer, bottom)
    settings = layer.pooling_param
    window = pooling_window(layer, bottom)
    up = settings.round_mode == PoolingParameter.CEIL
    sizes = [_pooled(layer, window, axis, bottom[2 + axis], up) for axis in range(2)]
    if settings.pool == PoolingParameter.STOCHASTIC:
        raise refusal(
            layer, "stochastic pooling is not supported", "use MAX or AVE, or engine: {name: caffe, device: gpu}"
        )
    average = settings.pool == PoolingParameter.AVE
    kernel, pad, stride = window.kernel, window.pad, window.stride
    if 2 * pad[0] > kernel[0] or 2 * pad[1] > kernel[1]:
        return Layer(((*bottom[:2], *sizes),), _pool_far_padding(window, average, up, (sizes[0], sizes[1])))

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        if average:
            return (functional.avg_pool2d(bottoms[0], kernel, stride, pad, ceil_mode=up, count_include_pad=True),)
        return (torch.max_pool2d(bottoms[0], kernel, stride, pad, (1, 1), up),)

    return Layer(((*bottom[:2], *sizes),), run)


def _pooled(layer: LayerParameter, window: Window, axis: int, size: int, up: bool) -> int:
    pad, kernel, stride = window.pad[axis], window.kernel[axis], window.stride[axis]
    room = size + 2 * pad - kernel
    if room < 0:
        raise refusal(layer, f"its kernel {window.kernel} is larger than its padded bottom, {size} along an axis")
    steps = -(-room // stride) if up else room // stride
    padded = max(window.pad) > 0  # Caffe drops the window along both axes as soon as one of them is padded
    if padded and steps * stride >= size + pad:
        steps -= 1
    if steps * stride >= size + pad:
        raise refusal(
            layer,
            f"the last of its windows, with stride {stride}, lies outside its bottom of {size} pixels",
            "set round_mode: FLOOR",
        )
    return steps + 1


def _pool_far_padding(window: Window, average: bool, up: bool, sizes: tuple[int, int]) -> Run:
    """Pooling with a padding of more than half a window, which torch does not have, by padding first."""
    kernel, stride, (down, right) = window.kernel, window.stride, window.pad
    border = (right, right, down, down)

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        padded = functional.pad(bottoms[0], border, value=0.0 if average else -torch.inf)
        if average:
            pooled = functional.avg_pool2d(padded, kernel, stride, ceil_mode=up)
        else:
            pooled = torch.max_pool2d(padded, kernel, stride, ceil_mode=up)
        return (pooled[:, :, : sizes[0], : sizes[1]],)

    return run
