"""Gradients that torch would take in a slower way on a CPU; forward, nothing is changed."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lrbench.engines.torch.conv_geometry import Window
from lrbench.engines.torch.layer import Shape

BLOCK = 16
"""Channels that oneDNN works on at once: the float32 numbers in a register of 512 bits."""
WORTH_IT = 3.0
"""The work in vain from which on the products alone are the faster way."""


def work_in_vain(bottom: Shape, top: Shape, window: Window) -> float:
    """How many products oneDNN forms for a convolution's input gradient, for each one that counts.

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


def in_rows(x: Tensor, shape: Shape) -> Tensor:
    """``x.reshape(shape)``, whose gradient comes back with channels last where ``x`` has them so.

    Else it comes back with channels first, and each layer before this one puts a larger gradient in order again.
    """
    if x.dim() != 4 or x.is_contiguous():
        return x.reshape(shape)
    rows: Tensor = _Rows.apply(x, shape)  # type: ignore[no-untyped-call]
    return rows


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: Shape) -> Tensor:
        ctx.shape = x.shape
        return x.reshape(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.reshape(ctx.shape).contiguous(memory_format=torch.channels_last), None
