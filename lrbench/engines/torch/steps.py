"""The steps of a net's run: layers bound to blobs and parameters, and the gradients that pass through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lrbench.engines.torch.layer import Run, refusal
from lrbench.engines.torch.parameters import ParameterSpec, ParameterTable, Slot
from lrbench.nets.caffe_pb2 import LayerParameter

_IN_PLACE = "BatchNorm Bias Clip Dropout ELU Exp PReLU ReLU Scale Sigmoid Softmax Swish TanH Threshold"
IN_PLACE = frozenset(_IN_PLACE.split())
"""Layer types whose top may be their bottom: Caffe's values and gradients are then the same."""
_IN_PLACE_FORWARD = frozenset({"BNLL", "Log", "MVN", "Power"})
"""Layer types whose values are then the same, but not their gradients."""
OWN_TOP = "give its top another name"


@dataclass(frozen=True)
class Step:
    """One layer, its function, the blobs that it reads, the parameters that it takes and the blobs that it makes.

    ``no_gradient`` has the positions of the bottoms that it has no gradient for.
    """

    layer: LayerParameter
    run: Run
    bottoms: tuple[str, ...]
    parameters: tuple[int, ...]
    tops: tuple[str, ...]
    no_gradient: frozenset[int] = frozenset()


def without_gradient(layer: LayerParameter, no_gradient: frozenset[int]) -> frozenset[int]:
    """The bottoms that Caffe has no gradient for: ``no_gradient``, and the one that is overwritten by the top.

    Raises:
        NetError: the layer's top is its bottom, and of its type Caffe then computes other values, or aborts.
    """
    in_place = [blob for blob in layer.top if blob in layer.bottom]
    if not in_place or layer.type in IN_PLACE:
        return no_gradient
    if layer.type not in _IN_PLACE_FORWARD:
        raise refusal(layer, f'works in place on "{in_place[0]}", which its type does wrongly in Caffe', OWN_TOP)
    return no_gradient | {0}


def join_scales(steps: Iterable[Step]) -> list[Step]:
    """The steps with each Scale that works in place behind a BatchNorm made part of it: fewer passes over memory.

    A BatchNorm takes scale and shift behind its own three parameters.
    """
    joined: list[Step] = []
    for step in steps:
        if joined and _is_scale_of(step, joined[-1]):
            joined[-1] = replace(joined[-1], parameters=joined[-1].parameters + step.parameters)
        else:
            joined.append(step)
    return joined


def _is_scale_of(step: Step, norm: Step) -> bool:
    settings = step.layer.scale_param
    return (
        (norm.layer.type, step.layer.type) == ("BatchNorm", "Scale")
        and step.bottoms == step.tops == norm.tops
        and (settings.axis, settings.num_axes, settings.bias_term) == (1, 1, True)
        and len(norm.parameters) == 3
        and not any(parameter.name for parameter in (*norm.layer.param, *step.layer.param))
        and not step.layer.propagate_down
        and not norm.layer.loss_weight
    )


def reshape(run: Run, slots: Sequence[Slot], table: ParameterTable) -> Run:
    """The function, which gets a parameter that it shares with a layer of another shape in its own."""
    shapes = [slot.shape for slot in slots]
    if shapes == [table.specs[slot.parameter].shape for slot in slots]:
        return run

    def reshaped(
        bottoms: Sequence[Tensor], parameters: Sequence[Tensor], generator: torch.Generator | None
    ) -> Sequence[Tensor]:
        own = [parameter.reshape(shape) for parameter, shape in zip(parameters, shapes, strict=True)]
        return run(bottoms, own, generator)

    return reshaped


def hold_back(layer: LayerParameter, run: Run) -> Run:
    """The function, which sends no gradient to bottoms with ``propagate_down: false``."""
    wanted = list(layer.propagate_down)
    if wanted and len(wanted) != len(layer.bottom):
        raise refusal(layer, f"has {len(wanted)} propagate_down and {len(layer.bottom)} bottoms")
    if all(wanted):
        return run

    def held_back(
        bottoms: Sequence[Tensor], parameters: Sequence[Tensor], generator: torch.Generator | None
    ) -> Sequence[Tensor]:
        own = [bottom if down else bottom.detach() for bottom, down in zip(bottoms, wanted, strict=True)]
        return run(own, parameters, generator)

    return held_back


_NO_BACKWARD = frozenset({"ArgMax", "Threshold"})
"""Layer types that Caffe cannot run backward at all, whatever their bottoms' propagate_down."""


def check_gradients(steps: Sequence[Step], specs: Sequence[ParameterSpec], losses: Sequence[str]) -> None:
    """Raise NetError where training needs a gradient that a layer, such as an ArgMax, does not have.

    A bottom needs one where it depends on learnt parameters and the layer's tops have a part in a loss; Caffe aborts
    in the first iteration of such a net.

    Args:
        steps: the layers of the TRAIN phase.
        specs: the net's parameters.
        losses: names of the tops that count in the loss.
    """
    learnt: set[str] = set()
    flows = []
    for step in steps:
        depends = [blob in learnt for blob in step.bottoms]
        flows.append((step, depends, list(step.layer.propagate_down) or depends))
        if any(depends) or any(specs[index].learnable for index in step.parameters):
            learnt.update(step.tops)
    under_loss = set(losses)
    for step, depends, wanted in reversed(flows):
        if not under_loss.isdisjoint(step.tops):
            _check(step, depends, wanted)
            under_loss.update(blob for blob, down in zip(step.bottoms, wanted, strict=True) if down)


def _check(step: Step, depends: Sequence[bool], wanted: Sequence[bool]) -> None:
    """Raise NetError where a layer that has a part in a loss does not have the gradient that it has to give."""
    if step.layer.type in _NO_BACKWARD and any(depends):
        raise refusal(
            step.layer,
            "has no gradient, and its bottom depends on learnt parameters",
            "set propagate_down: false for its top in the layers that read it",
        )
    for index in step.no_gradient:
        if wanted[index]:
            blob = step.bottoms[index]
            remedy = OWN_TOP if blob in step.tops else "set propagate_down: false for that bottom"
            raise refusal(
                step.layer, f'has no gradient for its bottom "{blob}", which depends on learnt parameters', remedy
            )
