"""Pooling, with Caffe's rounding up and its average over padded windows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import USE_CAFFE, Layer, Run, Shape, expect, expect_image, refusal
from lrbench.engines.torch.window import Window, pooling_window
from lrbench.nets.caffe_pb2 import LayerParameter, Phase, PoolingParameter


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
    return Layer(((*bottom[:2], *sizes),), _pool(window, average, up, (sizes[0], sizes[1])))


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


def _pool(window: Window, average: bool, up: bool, sizes: tuple[int, int]) -> Run:
    kernel, pad, stride = window.kernel, window.pad, window.stride
    if 2 * pad[0] > kernel[0] or 2 * pad[1] > kernel[1]:
        return _pool_far_padding(window, average, up, sizes)
    if average:
        return lambda bottoms, _parameters, _: (
            functional.avg_pool2d(bottoms[0], kernel, stride, pad, ceil_mode=up, count_include_pad=True),
        )
    return lambda bottoms, _parameters, _: (torch.max_pool2d(bottoms[0], kernel, stride, pad, (1, 1), up),)


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
