"""The same small net in real Caffe and in the engine: blobs, losses and gradients of both, to be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import text_format

from lrbench.engines.torch.layer import at_least_float32
from lrbench.engines.torch.net import TorchNet
from lrbench.nets import NetParameter, layers_in, write_text
from lrbench.nets.caffe_pb2 import TRAIN, Phase
from lrbench.spec.sections import Precision

Arrays = dict[str, Any]

_SCRIPT = """
import json, sys
import numpy as np
import caffe
caffe.set_mode_cpu()
for case in json.load(open({manifest!r})):
    given = np.load(case["given"])
    caffe.set_random_seed(1)
    net = caffe.Net(case["net"], case["phase"])
    if case["weights"]:
        net.copy_from(case["weights"])
    for key in given.files:
        kind, name, index = json.loads(key)
        if kind == "parameter":
            net.params[name][index].data[...] = given[key]
        elif kind == "input":
            net.blobs[name].data[...] = given[key]
    if case["save_before"]:
        net.save(case["save_before"])
    net._forward(0, len(net.layers) - 1)
    out = {{}}
    for name, blob in net.blobs.items():
        out[json.dumps(["blob", name, 0])] = blob.data.copy()
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            out[json.dumps(["parameter", name, index])] = blob.data.copy()
    if case["backward"]:
        for key in given.files:
            kind, name, index = json.loads(key)
            if kind == "diff":
                net.blobs[name].diff[...] = given[key]
        net._backward(len(net.layers) - 1, 0)
        for name, blob in net.blobs.items():
            out[json.dumps(["blob_diff", name, 0])] = blob.diff.copy()
        for name, blobs in net.params.items():
            for index, blob in enumerate(blobs):
                out[json.dumps(["parameter_diff", name, index])] = blob.diff.copy()
    if case["save_after"]:
        net.save(case["save_after"])
    np.savez(case["made"], **out)
"""


def key(kind: str, name: str, index: int = 0) -> str:
    """The name of one array in what goes to Caffe and comes back."""
    return json.dumps([kind, name, index])


@dataclass
class Case:
    """A net with Input layers and what to give it.

    Attributes:
        net: the net; its inputs come from Input layers.
        given: the arrays by :func:`key`: inputs, parameters, and diffs of tops.
        weights: a caffemodel that Caffe reads first.
        save_before: where Caffe writes the weights before it runs; ``save_after``, afterwards.
    """

    net: NetParameter
    given: Arrays
    phase: Phase = TRAIN
    backward: bool = True
    weights: Path | None = None
    save_before: Path | None = None
    save_after: Path | None = None


@dataclass
class InCaffe:
    """Runs many cases in one Caffe process, as importing Caffe takes seconds."""

    python: Callable[[str], str]
    folder: Path
    runs: int = field(default=0)

    def __call__(self, cases: Mapping[str, Case]) -> dict[str, Arrays]:
        """What Caffe made of each case, by :func:`key`."""
        self.runs += 1
        manifest, made = [], {}
        for number, (name, case) in enumerate(cases.items()):
            base = self.folder / f"{self.runs}_{number}"
            base.with_suffix(".prototxt").write_text(write_text(case.net))
            np.savez(base.with_suffix(".given.npz"), **case.given)
            made[name] = base.with_suffix(".made.npz")
            manifest.append(
                {
                    "net": str(base.with_suffix(".prototxt")),
                    "given": str(base.with_suffix(".given.npz")),
                    "made": str(made[name]),
                    "phase": int(case.phase),
                    "backward": case.backward,
                    "weights": case.weights and str(case.weights),
                    "save_before": case.save_before and str(case.save_before),
                    "save_after": case.save_after and str(case.save_after),
                }
            )
        path = self.folder / f"{self.runs}.json"
        path.write_text(json.dumps(manifest))
        self.python(_SCRIPT.format(manifest=str(path)))
        return {name: dict(np.load(file)) for name, file in made.items()}


def input_net(layers: str, inputs: Mapping[str, tuple[int, ...]], force_backward: bool = True) -> NetParameter:
    """A net of Input layers of these shapes, and of ``layers``, in prototxt."""
    net = NetParameter(name="case", force_backward=force_backward)
    for name, shape in inputs.items():
        layer = net.layer.add(name=name, type="Input", top=[name])
        layer.input_param.shape.add(dim=shape)
    text_format.Merge(layers, net)
    return net


def replace_data(net: NetParameter, phase: Phase, shapes: Mapping[str, tuple[int, ...]]) -> NetParameter:
    """One phase of a net whose Data layers have become Input layers of these shapes."""
    replaced = NetParameter(name=net.name)
    for name, shape in shapes.items():
        replaced.layer.add(name=f"input_{name}", type="Input", top=[name]).input_param.shape.add(dim=shape)
    for layer in layers_in(net, phase):
        if layer.type != "Data":
            copied = replaced.layer.add()
            copied.CopyFrom(layer)
            del copied.include[:], copied.exclude[:]
    return replaced


def parameters_of(net: TorchNet, given: Arrays, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """The given parameters as the engine takes them, ready to be differentiated."""
    tensors = []
    for spec in net.parameters:
        tensor = torch.tensor(given[key("parameter", spec.layer, spec.index)], dtype=dtype)
        tensors.append(tensor.requires_grad_(spec.learnable))
    return tensors


def run_torch(
    case: Case, *, channels_last: bool = True, dtype: torch.dtype = torch.float32, precision: Precision = "float32"
) -> Arrays:
    """What the engine makes of a case, by :func:`key`, as Caffe's script gives it."""
    inputs = {json.loads(name)[1]: value for name, value in case.given.items() if json.loads(name)[0] == "input"}
    net = TorchNet(
        case.net,
        case.phase,
        {name: np.shape(value) for name, value in inputs.items()},
        channels_last=channels_last,
        precision=precision,
    )
    parameters = parameters_of(net, case.given, dtype)
    tensors = {name: torch.tensor(value, dtype=dtype).requires_grad_() for name, value in inputs.items()}
    outputs = net.forward(parameters, tensors, torch.Generator().manual_seed(1))
    made = {key("blob", name): at_least_float32(value.detach()).numpy() for name, value in outputs.blobs.items()}
    made[key("loss", "")] = np.asarray(outputs.loss.item())
    for spec, tensor in zip(net.parameters, parameters, strict=True):
        made[key("parameter", spec.layer, spec.index)] = tensor.detach().numpy()
    if case.backward:
        objective = outputs.loss
        for name, value in case.given.items():
            kind, blob, _ = json.loads(name)
            if kind == "diff":
                objective = objective + (outputs.blobs[blob] * torch.tensor(value, dtype=dtype)).sum()
        learnt = [index for index, spec in enumerate(net.parameters) if spec.learnable]
        wanted = [*tensors.values(), *(parameters[index] for index in learnt)]
        objective = objective + 0.0 * wanted[0].sum()  # what depends on no input has a gradient of nothing
        gradients = torch.autograd.grad(objective, wanted, allow_unused=True)
        for name, gradient in zip(tensors, gradients, strict=False):
            made[key("blob_diff", name)] = None if gradient is None else gradient.numpy()
        for index, gradient in zip(learnt, gradients[len(tensors) :], strict=True):
            spec = net.parameters[index]
            made[key("parameter_diff", spec.layer, spec.index)] = None if gradient is None else gradient.numpy()
    return made


def distance(ours: Any, caffes: Any) -> float:
    """How far two arrays of one shape are apart: the norm of the difference over the norm of Caffe's, or over 1e-30."""
    ours, caffes = np.asarray(ours, np.float64), np.asarray(caffes, np.float64)
    assert ours.shape == caffes.shape, f"shape {ours.shape}, and in Caffe {caffes.shape}"
    return float(np.linalg.norm(ours - caffes) / max(float(np.linalg.norm(caffes)), 1e-30))
