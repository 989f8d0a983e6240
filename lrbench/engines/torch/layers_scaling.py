"""Layers that multiply by, or add, numbers spread over the other axes: Scale and Bias."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Blob, Layer, Run, Shape, canonical_axis, expect, refusal
from lrbench.nets.caffe_pb2 import BiasParameter, FillerParameter, LayerParameter, Phase, ScaleParameter


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
