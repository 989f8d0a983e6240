"""Every solver type against real Caffe: the gradients that Caffe had go in, the parameters that Caffe got must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lrbench.engines.torch.update_rules import make_solver
from lrbench.spec.model import SOLVER_TYPES, SolverSettings

STEPS = 25
RATES = [0.02 * (1 + np.cos(0.4 * step)) for step in range(STEPS)]
UPDATE_TOLERANCE, FLOAT32 = 1e-5, 2.0**-24
CLIP = 1.2

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 8 dim: 5 } shape { dim: 8 } } }
layer { name: "first" type: "InnerProduct" bottom: "data" top: "first" param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        inner_product_param { num_output: 6 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "tanh" type: "TanH" bottom: "first" top: "first" }
layer { name: "frozen" type: "InnerProduct" bottom: "first" top: "frozen" param { lr_mult: 0 } param { lr_mult: 0 }
        inner_product_param { num_output: 7 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "last" type: "InnerProduct" bottom: "frozen" top: "last" param { lr_mult: 0.7 decay_mult: 30 }
        inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "last" bottom: "label" top: "loss" }
"""

SCRIPT = """
import json, caffe, numpy
cases, rates, folder = json.loads({cases!r}), json.loads({rates!r}), {folder!r}
for name, text in cases.items():
    path = folder + "/" + name
    open(path + ".prototxt", "w").write(
        'net: "' + folder + '/net.prototxt" base_lr: 1 lr_policy: "fixed" random_seed: 5 display: 0 max_iter: 1000000 '
        'snapshot_prefix: "' + path + '" solver_mode: CPU ' + text)
    solver = caffe.get_solver(path + ".prototxt")
    blobs = [blob for layer in solver.net.params.values() for blob in layer]
    generator, found = numpy.random.RandomState(7), dict(before=[], gradients=[], after=[])
    def flat(field):
        return numpy.concatenate([getattr(blob, field).ravel() for blob in blobs])
    def fill(layer):
        if layer == 0:
            solver.net.blobs["data"].data[...] = generator.normal(size=(8, 5))
            solver.net.blobs["label"].data[...] = generator.randint(0, 4, 8)
    def start():
        solver.param.base_lr = rates[len(found["after"])]
        found["before"].append(flat("data"))
    solver.net.before_forward(fill)
    solver.add_callback(start, lambda: found["gradients"].append(flat("diff")))
    for _ in rates:
        solver.step(1)
        found["after"].append(flat("data"))
    solver.snapshot()
    numpy.savez(path + ".npz", **found)
"""


@dataclass(frozen=True)
class Spec:
    lr_mult: float
    decay_mult: float


SPECS = [Spec(1, 1), Spec(2, 0), Spec(0, 1), Spec(0, 1), Spec(0.7, 30), Spec(1, 1)]
SHAPES = [(6, 5), (6,), (7, 6), (7,), (4, 7), (4,)]
FROZEN = (2, 3)

OF_TYPE: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9}, "AdaGrad": {"delta": 1e-3},
    "RMSProp": {"rms_decay": 0.9, "delta": 1e-4}, "AdaDelta": {"momentum": 0.9, "delta": 1e-3},
    "Adam": {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-4},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "L2": {"weight_decay": 0.01},
    "L1": {"weight_decay": 0.01, "regularization_type": "L1"},
    "clipped": {"weight_decay": 0.01, "clip_gradients": CLIP},
    "accumulated": {"weight_decay": 0.01, "clip_gradients": 2 * CLIP, "iter_size": 3},
}
CASES = {f"{kind}-{variant}": {"type": kind, **OF_TYPE[kind], **settings}
         for kind in SOLVER_TYPES for variant, settings in VARIANTS.items()}
CASES["SGD-without-momentum"] = {"type": "SGD"}
CASES["Adam-defaults"] = {"type": "Adam"}


def prototxt(settings: dict[str, Any]) -> str:
    resolved = SolverSettings(**settings).resolved()
    resolved.pop("lr_scale")
    return " ".join(f"{name}: {json.dumps(value)}" for name, value in resolved.items())


@pytest.fixture(scope="module")
def recorded(caffe_python, tmp_path_factory):
    """What real Caffe did in every case, each step; and the folder of its snapshots."""
    folder = tmp_path_factory.mktemp("solvers")
    (folder / "net.prototxt").write_text(NET)
    cases = json.dumps({name: prototxt(settings) for name, settings in CASES.items()})
    caffe_python(SCRIPT.format(cases=cases, rates=json.dumps(RATES), folder=str(folder)))
    return folder


@pytest.fixture
def record(recorded):
    def read(case):
        with np.load(recorded / f"{case}.npz") as found:
            return {name: found[name] for name in found.files}

    return read


def split(flat, dtype=torch.float32):
    parts = torch.from_numpy(flat).to(dtype).split([int(np.prod(shape)) for shape in SHAPES])
    return [part.clone().view(shape) for part, shape in zip(parts, SHAPES, strict=True)]


def assert_near(found, before, after):
    """Within 1e-5 of the update's norm, beyond the rounding of the parameter itself, for each parameter."""
    for index, (ours, old, theirs) in enumerate(zip(found, before, after, strict=True)):
        allowed = UPDATE_TOLERANCE * (theirs - old).norm() + FLOAT32 * theirs.norm()
        assert (ours - theirs).norm() <= allowed, f"parameter {index}: {(ours - theirs).norm()} > {allowed}"


@pytest.mark.caffe
@pytest.mark.parametrize("case", CASES)
def test_each_step_is_caffes(record, case):
    found = record(case)
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    state = solver.state(split(found["before"][0]))
    for step, rate in enumerate(RATES):
        parameters = split(found["before"][step])
        solver.step(parameters, split(found["gradients"][step]), state, rate, step)
        assert_near(parameters, split(found["before"][step]), split(found["after"][step]))


@pytest.mark.caffe
@pytest.mark.parametrize("case", CASES)
def test_all_steps_together_are_caffes(record, case):
    found = record(case)
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    parameters = split(found["before"][0])
    state = solver.state(parameters)
    for step, rate in enumerate(RATES):
        solver.step(parameters, split(found["gradients"][step]), state, rate, step)
    start, end = split(found["before"][0]), split(found["after"][-1])
    for ours, old, theirs in zip(parameters, start, end, strict=True):
        rounding = FLOAT32 * STEPS**0.5 * theirs.norm()
        assert (ours - theirs).norm() <= UPDATE_TOLERANCE * (theirs - old).norm() + rounding
