"""Small nets with awkward shapes, in prototxt, and the numbers drawn for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from engines.torch.torch_parity import Case, input_net, key
from numpy.typing import NDArray

from lrbench.engines.torch.net import TorchNet
from lrbench.nets.caffe_pb2 import TRAIN, Phase

Shapes = Mapping[str, tuple[int, ...]]
IMAGE: Shapes = {"x": (2, 6, 7, 5)}


@dataclass(frozen=True)
class Sketch:
    """A case before its numbers are drawn.

    Attributes:
        layers: in prototxt; the blobs that come from outside are named in ``inputs``, labels "label".
        backward: whether to run backward; with ``force`` down to the inputs, which overrides propagate_down.
        whole: whether inputs are whole numbers, so that there are ties.
        positive: whether inputs are.
        classes: labels are smaller than this.
    """

    layers: str
    inputs: Shapes
    phase: Phase = TRAIN
    backward: bool = True
    whole: bool = False
    positive: bool = False
    force: bool = True
    classes: int = 4


def one(kind: str, settings: str = "", bottoms: str = "x", tops: str = "y") -> str:
    """One layer in prototxt."""
    joints = "".join(f' bottom: "{name}"' for name in bottoms.split())
    joints += "".join(f' top: "{name}"' for name in tops.split())
    return f'layer {{ name: "layer" type: "{kind}"{joints} {settings} }}'


def draw(sketch: Sketch, seed: int) -> Case:
    """The case with its numbers: inputs, parameters, and diffs for the tops that are no loss."""
    random = np.random.default_rng(seed)
    net = input_net(sketch.layers, sketch.inputs, force_backward=sketch.backward and sketch.force)
    built = TorchNet(net, sketch.phase, sketch.inputs)
    given = {}
    for name, shape in sketch.inputs.items():
        values: NDArray[Any] = random.normal(size=shape)
        if name == "label":
            values = random.integers(0, sketch.classes, shape)
        elif sketch.whole:
            values = np.round(values * 2)
        given[key("input", name)] = np.abs(values) if sketch.positive else values
    for spec in built.parameters:
        values = random.normal(scale=0.5, size=spec.shape)
        given[key("parameter", spec.layer, spec.index)] = values if spec.learnable else np.abs(values) + 0.1
    read = {blob for layer in net.layer for blob in layer.bottom if blob not in layer.top}
    for name in {blob for layer in net.layer for blob in layer.top} - read:
        is_loss = any(name in layer.top and ("Loss" in layer.type or layer.loss_weight) for layer in net.layer)
        if sketch.backward and not is_loss:
            given[key("diff", name)] = random.normal(size=built.shapes[name])
    given = {name: np.asarray(value, np.float32) for name, value in given.items()}
    return Case(net, given, sketch.phase, sketch.backward)
