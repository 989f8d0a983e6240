"""Layers as the interpreter sees them: shapes, parameters and the function that runs each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import FillerParameter, LayerParameter, Phase
from lrbench.nets.graph import layer_place

Shape = tuple[int, ...]

Run = Callable[[Sequence[Tensor], Sequence[Tensor], torch.Generator | None], Sequence[Tensor]]
"""Function from bottoms, the layer's own parameters and a source of random numbers to tops."""


@dataclass(frozen=True)
class Blob:
    """One parameter blob of a layer.

    Attributes:
        shape: its shape, as in Caffe.
        filler: what it holds at first.
        statistic: whether the layer itself keeps it up to date, as BatchNorm does, and no solver.
    """

    shape: Shape
    filler: FillerParameter
    statistic: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer bound to the shapes of its bottoms.

    Attributes:
        tops: shapes of what it makes.
        run: the function that makes it; differentiable wherever Caffe's layer is.
        blobs: its parameters, in Caffe's order.
        no_gradient: positions of the bottoms that Caffe has no gradient for; it aborts where training needs one.
    """

    tops: tuple[Shape, ...]
    run: Run
    blobs: tuple[Blob, ...] = ()
    no_gradient: frozenset[int] = frozenset()


Build = Callable[[LayerParameter, Sequence[Shape], Phase], Layer]


def refusal(layer: LayerParameter, message: str, remedy: str | None = None) -> NetError:
    """The error of a layer that this engine, or Caffe itself, cannot run."""
    return NetError(message, where=f"{layer_place(layer)} of type {layer.type}", remedy=remedy)


def expect(layer: LayerParameter, bottoms: tuple[int, int], tops: tuple[int, int], remedy: str | None = None) -> None:
    """Raise NetError where the layer has fewer or more bottoms or tops than these smallest and largest numbers.

    ``remedy`` is what to do about it, such as :data:`USE_CAFFE` where Caffe takes other numbers as well.
    """
    for name, given, (least, most) in (("bottom", len(layer.bottom), bottoms), ("top", len(layer.top), tops)):
        if not least <= given <= most:
            wanted = str(least) if least == most else f"{least} to {most}" if most < MANY else f"at least {least}"
            plural = "" if given == 1 else "s"
            raise refusal(layer, f"has {given} {name}{plural}, and {wanted} can be used here", remedy)


MANY = 1 << 30
USE_CAFFE = "use the engine caffe"
"""Remedy for a layer that Caffe trains and this engine does not."""


def expect_image(layer: LayerParameter, shape: Shape, remedy: str | None = None) -> None:
    """Raise NetError where the blob has no four axes: samples, channels, height and width."""
    if len(shape) != 4:
        raise refusal(layer, f"its bottom has shape {shape}, and four axes are needed", remedy)


def only_bottom(layer: LayerParameter, bottoms: Sequence[Shape]) -> Shape:
    """The shape of the only bottom; raise NetError where the layer has not one bottom and one top."""
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    return bottoms[0]


def value_by_value(layer: LayerParameter, bottoms: Sequence[Shape], function: Callable[[Tensor], Tensor]) -> Layer:
    """A layer of one bottom and one top of the same shape, without parameters: a function of each value."""
    return Layer((only_bottom(layer, bottoms),), lambda bottoms, _parameters, _generator: (function(bottoms[0]),))


def canonical_axis(layer: LayerParameter, axis: int, axes: int) -> int:
    """The axis counted from the front; a negative one counts from the back.

    Raises:
        NetError: there is no such axis.
    """
    if not -axes <= axis < axes:
        raise refusal(layer, f"axis {axis} is not one of the {axes} axes of its bottom")
    return axis % axes


def at_least_float32(x: Tensor) -> Tensor:
    """The tensor, widened to float32 where mixed precision has made it narrower: sums of squares need the digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


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
