"""The parameters of a net: which blob of which layer, how fast it learns, and which layers share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from lrbench.engines.torch.fillers import check_filler
from lrbench.engines.torch.layer import Blob, Shape, refusal
from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import FillerParameter, LayerParameter, ParamSpec


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
    """Where a layer finds one of its blobs: the index among the net's parameters, and the layer's shape of it."""

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
