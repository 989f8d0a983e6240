"""The parameters of a net: which blob of which layer, their sharing, learning rates and initial values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod, sqrt
from types import MappingProxyType

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Blob, Shape, refusal
from lrbench.errors import NetError, did_you_mean
from lrbench.nets.caffe_pb2 import FillerParameter, LayerParameter, ParamSpec

Fill = Callable[[FillerParameter, Shape, torch.Generator], Tensor]


def fill(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    """A new float32 tensor of ``shape`` on the generator's device, filled as ``filler`` says.

    With ``fan_in = count / shape[0]``, ``fan_out = count / shape[1]``, and n one of them or their mean
    (``variance_norm``):

    =====================  ==================================================================
    ``constant``           ``value``
    ``uniform``            uniform in [min, max)
    ``gaussian``           normal, ``mean`` and ``std``; with ``sparse`` each value is kept with
                           probability ``sparse / shape[0]``, else 0
    ``positive_unitball``  uniform in [0, 1), divided by the sum over all but the first axis
    ``xavier``             uniform in [-a, a), a = sqrt(3 / n): Glorot and Bengio, AISTATS 2010
    ``msra``               normal with std = sqrt(2 / n): He et al., ICCV 2015
    ``bilinear``           the weights that enlarge an image bilinearly
    =====================  ==================================================================
    """
    return _FILLERS[filler.type](filler, shape, generator)


def check_filler(filler: FillerParameter, shape: Shape) -> None:
    """Raise NetError where Caffe has no such filler, or not for this shape."""
    if filler.type not in _FILLERS:
        raise NetError(f'has a filler of unknown type "{filler.type}"', remedy=did_you_mean(filler.type, _FILLERS))
    if prod(shape) == 0:
        raise NetError(f"has a blob of shape {shape}, which holds nothing")
    if filler.sparse != -1 and (filler.type != "gaussian" or not 0 <= filler.sparse <= (shape or (0,))[0]):
        raise NetError(f"sparse {filler.sparse} does not fit a {filler.type} filler of shape {shape}")
    if filler.type == "gaussian" and filler.std < 0:
        raise NetError(f"has a gaussian filler with std {filler.std:g}, which is negative")
    if filler.type == "uniform" and filler.min > filler.max:
        raise NetError(f"has a uniform filler with min {filler.min:g} above max {filler.max:g}")
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(f"has a bilinear filler of shape {shape}, which is no square window")


def _gaussian(filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    values = _normal(filler.std, shape, generator).add_(filler.mean)
    if filler.sparse >= 0:
        values.mul_(torch.empty_like(values).bernoulli_(filler.sparse / shape[0], generator=generator))
    return values


def _positive_unitball(_filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    values = _uniform(0.0, 1.0, shape, generator)
    rows = values.view((*shape, 1)[0], -1)
    return rows.div_(rows.sum(1, keepdim=True)).view(shape)


def _bilinear(_filler: FillerParameter, shape: Shape, generator: torch.Generator) -> Tensor:
    half = ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2.0 * half)
    ramp = 1 - (torch.arange(shape[3], dtype=torch.float32, device=generator.device) / half - centre).abs()
    return (ramp[:, None] * ramp[None, :]).expand(shape).clone()


def _fan(filler: FillerParameter, shape: Shape) -> float:
    count = prod(shape)
    fan_in = count // (*shape, 1)[0]
    fan_out = count // shape[1] if len(shape) > 1 else count
    if filler.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_out if filler.variance_norm == FillerParameter.FAN_OUT else fan_in


def _uniform(low: float, high: float, shape: Shape, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=generator.device).uniform_(low, high, generator=generator)


def _normal(std: float, shape: Shape, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=generator.device).normal_(0.0, std, generator=generator)


_FILLERS: Mapping[str, Fill] = MappingProxyType(
    {
        "bilinear": _bilinear,
        "constant": lambda filler, shape, generator: torch.full(
            shape, filler.value, dtype=torch.float32, device=generator.device
        ),
        "gaussian": _gaussian,
        "msra": lambda filler, shape, generator: _normal(sqrt(2.0 / _fan(filler, shape)), shape, generator),
        "positive_unitball": _positive_unitball,
        "uniform": lambda filler, shape, generator: _uniform(filler.min, filler.max, shape, generator),
        "xavier": lambda filler, shape, generator: _uniform(
            -sqrt(3.0 / _fan(filler, shape)), sqrt(3.0 / _fan(filler, shape)), shape, generator
        ),
    }
)


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter tensor.

    Attributes:
        layer: the layer that owns it.
        index: its position among that layer's blobs.
        shape: as in Caffe.
        lr_mult: what the learning rate is multiplied by.
        decay_mult: what the weight decay is multiplied by.
        filler: what it holds at first.
        learnable: whether it has a gradient: no statistic, and no lr_mult of 0. The others keep what they hold, but
            for BatchNorm's statistics.
    """

    layer: str
    index: int
    shape: Shape
    lr_mult: float
    decay_mult: float
    filler: FillerParameter
    learnable: bool


@dataclass(frozen=True)
class Slot:
    """Place of one of a layer's blobs: the index among the net's parameters, and the layer's shape of it."""

    parameter: int
    shape: Shape


class ParameterTable:
    """The parameters of a net's layers, one for each blob, or for each name that blobs share.

    Attributes:
        specs: the parameters so far.
    """

    def __init__(self) -> None:
        self.specs: list[ParameterSpec] = []
        self._named: dict[str, tuple[int, ParamSpec]] = {}

    def add(self, layer: LayerParameter, blobs: Sequence[Blob]) -> tuple[Slot, ...]:
        """Take in a layer's blobs, in their order.

        Raises:
            NetError: more param than blobs, an unknown filler, or two blobs of one name that do not go together.
        """
        if len(layer.param) > len(blobs):
            raise refusal(layer, f"has {len(layer.param)} param and {len(blobs)} blobs", "remove what is too much")
        slots = []
        for index, blob in enumerate(blobs):
            given = layer.param[index] if index < len(layer.param) else ParamSpec()
            try:
                slots.append(Slot(self._place(layer, index, blob, given), blob.shape))
            except NetError as error:
                raise refusal(layer, error.message, error.remedy) from error
        return tuple(slots)

    def _place(self, layer: LayerParameter, index: int, blob: Blob, given: ParamSpec) -> int:
        if given.name in self._named:
            return self._share(blob, given)
        check_filler(blob.filler, blob.shape)
        rate = 0.0 if blob.statistic else given.lr_mult
        self.specs.append(
            ParameterSpec(layer.name, index, blob.shape, rate, given.decay_mult, blob.filler, learnable=rate != 0)
        )
        if given.name:
            self._named[given.name] = (len(self.specs) - 1, given)
        return len(self.specs) - 1

    def _share(self, blob: Blob, given: ParamSpec) -> int:
        position, first = self._named[given.name]
        owner = self.specs[position]
        permissive = given.share_mode == ParamSpec.PERMISSIVE
        if prod(blob.shape) != prod(owner.shape) if permissive else blob.shape != owner.shape:
            raise NetError(
                f'its param "{given.name}" has shape {blob.shape}, and {owner.shape} in layer "{owner.layer}"'
            )
        if given.HasField("lr_mult"):
            if first.HasField("lr_mult") and first.lr_mult != given.lr_mult:
                raise NetError(f'its param "{given.name}" has another lr_mult in layer "{owner.layer}"')
            owner = replace(owner, lr_mult=given.lr_mult, learnable=given.lr_mult != 0)
        if given.HasField("decay_mult"):
            if first.HasField("decay_mult") and first.decay_mult != given.decay_mult:
                raise NetError(f'its param "{given.name}" has another decay_mult in layer "{owner.layer}"')
            owner = replace(owner, decay_mult=given.decay_mult)
        merged = ParamSpec()
        merged.CopyFrom(first)
        merged.MergeFrom(given)
        self.specs[position], self._named[given.name] = owner, (position, merged)
        return position
