"""Layers that reshape, join or part blobs: Flatten, Reshape, Crop, Tile, Concat, Slice, Split and Silence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from lrbench.engines.torch.layer import MANY, Layer, Shape, canonical_axis, expect, in_rows, only_bottom, refusal
from lrbench.nets.caffe_pb2 import LayerParameter, Phase


def flatten(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Flatten: the axes from ``axis`` to ``end_axis`` made one."""
    bottom = only_bottom(layer, bottoms)
    first = canonical_axis(layer, layer.flatten_param.axis, len(bottom))
    last = canonical_axis(layer, layer.flatten_param.end_axis, len(bottom))
    if last < first:
        raise refusal(layer, f"end_axis {layer.flatten_param.end_axis} is before axis {layer.flatten_param.axis}")
    top = (*bottom[:first], prod(bottom[first : last + 1]), *bottom[last + 1 :])
    return Layer((top,), lambda bottoms, _p, _g: (in_rows(bottoms[0], top),))


def reshape(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Reshape: the same values in the shape ``dim``, where 0 keeps the bottom's size and one -1 takes what is left.

    With ``axis`` and ``num_axes`` only these axes of the bottom are given the shape; an axis of -1 is behind the last.
    """
    bottom = only_bottom(layer, bottoms)
    settings, axes = layer.reshape_param, len(bottom)
    first = settings.axis if settings.axis >= 0 else settings.axis + axes + 1
    last = axes if settings.num_axes == -1 else first + settings.num_axes
    if not 0 <= first <= last <= axes:
        raise refusal(
            layer, f"axis {settings.axis} and num_axes {settings.num_axes} do not fit the {axes} axes of its bottom"
        )
    dims = list(settings.shape.dim)
    for index, dim in enumerate(dims):
        if dim == 0 and first + index >= len(bottom):
            raise refusal(layer, f"its dim {index} is 0, and its bottom of shape {bottom} has no size there")
        dims[index] = dim or bottom[first + index]
    fixed = prod(dim for dim in dims if dim != -1) * prod(bottom[:first]) * prod(bottom[last:])
    if fixed and dims.count(-1) == 1 and prod(bottom) % fixed == 0:
        dims[dims.index(-1)] = prod(bottom) // fixed
    top = (*bottom[:first], *dims, *bottom[last:])
    if min(dims, default=1) < 1 or prod(top) != prod(bottom):
        raise refusal(
            layer, f"shape {list(settings.shape.dim)} does not hold the values of its bottom, whose shape is {bottom}"
        )
    return Layer((top,), lambda bottoms, _p, _g: (in_rows(bottoms[0], top),))


def crop(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Crop: from ``axis`` on, as much of the first bottom as the second one is large, from ``offset`` on.

    ``offset`` is one number for all of these axes, or one for each, and 0 where it is not given.
    """
    expect(layer, bottoms=(2, 2), tops=(1, 1))
    bottom, like = bottoms
    axis = canonical_axis(layer, layer.crop_param.axis, len(bottom))
    count = len(bottom) - axis
    given = list(layer.crop_param.offset)
    offsets = given if len(given) > 1 else (given or [0]) * count
    if len(offsets) != count or len(like) < len(bottom):
        raise refusal(
            layer,
            f"{len(given)} offset and a second bottom of shape {like} do not fit its bottom of shape "
            f"{bottom} from axis {axis} on",
        )
    ends = [offset + size for offset, size in zip(offsets, like[axis:], strict=False)]
    if any(end > size for end, size in zip(ends, bottom[axis:], strict=True)):
        raise refusal(
            layer, f"offset {offsets} and a second bottom of shape {like} reach beyond its bottom of shape {bottom}"
        )
    kept = (slice(None),) * axis + tuple(slice(*both) for both in zip(offsets, ends, strict=True))
    top = (*bottom[:axis], *like[axis : len(bottom)])
    return Layer((top,), lambda bottoms, _p, _g: (bottoms[0][kept],))


def tile(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Tile: the bottom ``tiles`` times behind itself along ``axis``."""
    bottom = only_bottom(layer, bottoms)
    axis, tiles = canonical_axis(layer, layer.tile_param.axis, len(bottom)), layer.tile_param.tiles
    if tiles < 1:
        raise refusal(layer, f"tiles {tiles} is not positive")
    top = (*bottom[:axis], tiles * bottom[axis], *bottom[axis + 1 :])

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        return (torch.cat([bottoms[0]] * tiles, axis),)

    return Layer((top,), run)


def concat(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Concat: the bottoms behind each other along ``axis``."""
    expect(layer, bottoms=(1, MANY), tops=(1, 1))
    settings = layer.concat_param
    if settings.HasField("axis") and settings.HasField("concat_dim"):
        raise refusal(layer, "has both axis and concat_dim", "keep axis")
    first = bottoms[0]
    wanted = settings.concat_dim if settings.HasField("concat_dim") else settings.axis
    axis = canonical_axis(layer, wanted, len(first))
    if any((*bottom[:axis], *bottom[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) for bottom in bottoms):
        raise refusal(layer, f"its bottoms differ beside axis {axis}: {', '.join(map(str, bottoms))}")
    top = (*first[:axis], sum(bottom[axis] for bottom in bottoms), *first[axis + 1 :])
    return Layer((top,), lambda bottoms, _p, _g: (torch.cat(list(bottoms), axis),))


def slice_(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Slice: the bottom cut along ``axis`` at each ``slice_point``, or into parts of one size."""
    expect(layer, bottoms=(1, 1), tops=(1, MANY))
    (bottom,) = bottoms
    settings = layer.slice_param
    if settings.HasField("axis") and settings.HasField("slice_dim"):
        raise refusal(layer, "has both axis and slice_dim", "keep axis")
    wanted = settings.slice_dim if settings.HasField("slice_dim") else settings.axis
    axis = canonical_axis(layer, wanted, len(bottom))
    count, size = len(layer.top), bottom[axis]
    points = [0, *settings.slice_point, size]
    if not settings.slice_point and size % count == 0:
        points = list(range(0, size + 1, size // count))
    sizes = [end - start for start, end in pairwise(points)]
    if len(sizes) != count or min(sizes) < 1:
        raise refusal(
            layer,
            f"axis {axis} of size {size} is not cut into {count} tops",
            "give one slice_point fewer than tops, rising and inside the axis",
        )
    tops = tuple((*bottom[:axis], part, *bottom[axis + 1 :]) for part in sizes)
    return Layer(tops, lambda bottoms, _p, _g: torch.split(bottoms[0], sizes, axis))


def split(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Split: the bottom again, once for each top."""
    expect(layer, bottoms=(1, 1), tops=(1, MANY))
    count = len(layer.top)
    return Layer((bottoms[0],) * count, lambda bottoms, _p, _g: (bottoms[0],) * count)


def silence(layer: LayerParameter, _bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Silence: reads its bottoms and makes nothing."""
    expect(layer, bottoms=(1, MANY), tops=(0, 0))
    return Layer((), lambda _b, _p, _g: ())
