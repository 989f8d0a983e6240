"""Which layers a gradient passes through in training, by Caffe's rules, and which of them have none."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.engines.torch.layer import refusal
from lrbench.engines.torch.parameters import ParameterSpec
from lrbench.engines.torch.steps import OWN_TOP, Step

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
