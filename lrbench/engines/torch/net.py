"""A net in Caffe's format as one function of its parameters and inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from lrbench.engines.torch.layer import USE_CAFFE, Build, Shape, refusal
from lrbench.engines.torch.layers import LAYERS
from lrbench.engines.torch.parameters import ParameterSpec, ParameterTable, Slot, fill
from lrbench.engines.torch.steps import Step, check_gradients, hold_back, join_scales, reshape, without_gradient
from lrbench.nets.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter, Phase
from lrbench.nets.graph import layers_in, trace
from lrbench.nets.refusals import CAFFE_LAYER_TYPES, unknown_type
from lrbench.spec.sections import Precision

_OUTSIDE = ("Data", "Input")


@dataclass(frozen=True)
class Outputs:
    """Outputs of a net for one batch.

    Attributes:
        loss: the sum of all tops with a loss weight, each times its weight; a scalar to differentiate.
        blobs: the final tensor of every top, by name, as Caffe's ``net.blobs``.
    """

    loss: Tensor
    blobs: dict[str, Tensor]


class TorchNet:
    """One phase of a net, as a function: parameters are given with each call, so that runs can share it.

    It holds nothing that changes. Only BatchNorm's statistics do in training, and they are among the parameters.

    Args:
        net: a net, bound to data or not; it is left as it is.
        phase: TRAIN or TEST.
        inputs: shapes of the blobs that come from outside, the tops of Data and Input layers, with the batch.
        channels_last: whether images and kernels lie in memory with their channels last, which is faster on CPU.
            Results do not depend on it beyond rounding.
        precision: what convolutions and inner products compute in; the worker has to be set up for it, too.

    Attributes:
        layers: the phase's layers, in order.
        parameters: what is given and learnt, in Caffe's order of layers and blobs, a shared one once.
        slots: for each layer that has blobs, by name, where they are among the parameters and their own shapes.
        inputs: shapes of the blobs that come from outside.
        shapes: the final shape of every blob, by name.

    Raises:
        NetError: a layer type, or a setting of one, that is not supported, or shapes that do not fit together.
    """

    def __init__(
        self,
        net: NetParameter,
        phase: Phase,
        inputs: Mapping[str, Shape],
        *,
        channels_last: bool = True,
        precision: Precision = "float32",
    ) -> None:
        self.phase, self._precision = phase, precision
        self.layers = layers_in(net, phase)
        self.name = net.name
        self.inputs: dict[str, Shape] = {}
        self.shapes: dict[str, Shape] = {}
        self.slots: dict[str, tuple[Slot, ...]] = {}
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._losses: list[tuple[str, float]] = []
        table = ParameterTable()
        steps = []
        trace(self.layers)
        for layer in self.layers:
            if layer.type in _OUTSIDE:
                for blob in layer.top:
                    if blob not in inputs:
                        raise refusal(layer, f'no shape is known for its top "{blob}"')
                    self.inputs[blob] = self.shapes[blob] = tuple(inputs[blob])
            else:
                steps.append(self._add(layer, table))
        self.parameters: list[ParameterSpec] = table.specs
        if phase == TRAIN:
            check_gradients(steps, table.specs, [name for name, _ in self._losses])
        self._steps = [(step.run, step.bottoms, step.parameters, step.tops) for step in join_scales(steps)]

    def _add(self, layer: LayerParameter, table: ParameterTable) -> Step:
        build = _builder(layer)
        if layer.blobs:
            raise refusal(layer, "brings its own weights", "give them as a .caffemodel")
        own_phase = layer.phase if layer.HasField("phase") else self.phase
        built = build(layer, [self.shapes[blob] for blob in layer.bottom], own_phase)
        slots = table.add(layer, built.blobs)
        if slots:
            self.slots[layer.name] = slots
        tops = tuple(layer.top) or tuple(f"{layer.name} (unnamed)" for _ in built.tops)
        self.shapes.update(zip(tops, built.tops, strict=True))
        weights = list(layer.loss_weight) or ([1.0] if layer.type.endswith("Loss") else [])  # of the first top
        if layer.loss_weight and len(weights) != len(tops):
            raise refusal(
                layer, f"has {len(weights)} loss_weight and {len(tops)} tops", "give one for each top, or none"
            )
        self._losses += [(name, weight) for name, weight in zip(tops, weights, strict=False) if weight]
        run = hold_back(layer, reshape(built.run, slots, table))
        return Step(
            layer,
            run,
            tuple(layer.bottom),
            tuple(slot.parameter for slot in slots),
            tops,
            without_gradient(layer, built.no_gradient),
        )

    def initial(
        self,
        generator: torch.Generator,
        device: torch.device | str | None = None,
    ) -> list[Tensor]:
        """New parameters by Caffe's fillers, drawn in Caffe's order in float32 on the generator's device.

        So one seed gives the same values whatever the device that they go to, the generator's unless given.
        """
        tensors = []
        for spec in self.parameters:
            values = fill(spec.filler, spec.shape, generator).to(device=device)
            tensors.append(values.contiguous(memory_format=self._format) if len(spec.shape) == 4 else values)
        return tensors

    def forward(
        self, parameters: Sequence[Tensor], inputs: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Outputs:
        """Run the phase's layers on one batch.

        Args:
            parameters: one tensor for each of ``self.parameters``. In training BatchNorm's statistics are updated in
                place.
            inputs: the blobs that come from outside; labels are integers or floats.
            generator: where Dropout draws from; torch's own if None.
        """
        blobs = {name: self._lay_out(inputs[name]) for name in self.inputs}
        with mixed(self._precision, blobs.values()):
            for run, bottoms, indices, tops in self._steps:
                made = run([blobs[name] for name in bottoms], [parameters[index] for index in indices], generator)
                for name, top in zip(tops, made):  # noqa: B905 - as many, seen when the net was built
                    blobs[name] = top
        total: Tensor | None = None
        for name, weight in self._losses:
            loss = blobs[name] if blobs[name].dim() == 0 else blobs[name].sum()
            loss = loss if weight == 1 else loss * weight
            total = loss if total is None else total + loss
        return Outputs(torch.zeros(()) if total is None else total, blobs)

    def _lay_out(self, blob: Tensor) -> Tensor:
        if blob.dim() != 4:
            return blob
        blob = blob.contiguous(memory_format=self._format)
        if blob.shape[1] == 1 and self._format == torch.channels_last:
            # One channel lies the same way in both layouts; the strides tell torch which one to go on with.
            _, _, height, width = blob.shape
            return blob.as_strided(blob.shape, (height * width, 1, width, 1))
        return blob


def mixed(precision: Precision, inputs: Iterable[Tensor]) -> AbstractContextManager[None]:
    """Context in which, with ``bf16``, convolutions and inner products take and give bfloat16 (7 bits of fraction).

    Weights stay float32, and so do their gradients. Layers that sum many values widen to float32 themselves.
    """
    if precision != "bf16":
        return nullcontext()
    device = next(iter(inputs)).device
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)  # a cache would outlive a CUDA graph


def check_layer_types(net: NetParameter) -> None:
    """Raise NetError where a layer of either phase has a type that this engine does not know."""
    for phase in (TRAIN, TEST):
        for layer in layers_in(net, phase):
            if layer.type not in _OUTSIDE:
                _builder(layer)


def _builder(layer: LayerParameter) -> Build:
    """The function that builds layers of this type.

    Raises:
        NetError: there is none.
    """
    if layer.type not in CAFFE_LAYER_TYPES:
        raise unknown_type(layer)
    if layer.type not in LAYERS:
        raise refusal(layer, f'the engine torch does not know the layer type "{layer.type}"', USE_CAFFE)
    return LAYERS[layer.type]
