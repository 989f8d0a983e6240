"""Every solver type against real Caffe: its gradients go in, its parameters must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lrbench.engines.torch.solvers import make_solver
from lrbench.nets.caffe_pb2 import SolverState
from lrbench.spec.model import SolverSettings
from lrbench.spec.solver_types import SOLVER_TYPES

STEPS = 25
RATES = [0.02 * (1 + np.cos(0.4 * step)) for step in range(STEPS)]
STEPPED = [(torch.tensor(rate, dtype=torch.float64), torch.tensor(step)) for step, rate in enumerate(RATES)]
UPDATE_TOLERANCE, FLOAT32 = 1e-5, 2.0**-24
CLIP = 1.2

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 8 dim: 5 } shape { dim: 8 } } }
layer { name: "first" type: "InnerProduct" bottom: "data" top: "first"
        param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
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
    "SGD": {"momentum": 0.9},
    "Nesterov": {"momentum": 0.9},
    "AdaGrad": {"delta": 1e-3},
    "RMSProp": {"rms_decay": 0.9, "delta": 1e-4},
    "AdaDelta": {"momentum": 0.9, "delta": 1e-3},
    "Adam": {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-4},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "L2": {"weight_decay": 0.01},
    "L1": {"weight_decay": 0.01, "regularization_type": "L1"},
    "clipped": {"weight_decay": 0.01, "clip_gradients": CLIP},
    "accumulated": {"weight_decay": 0.01, "clip_gradients": 1.25 * CLIP, "iter_size": 3},
}
CASES = {
    f"{kind}-{variant}": {"type": kind, **OF_TYPE[kind], **settings}
    for kind in SOLVER_TYPES
    for variant, settings in VARIANTS.items()
}
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
    for step, at in enumerate(STEPPED):
        parameters = split(found["before"][step])
        solver.step(parameters, split(found["gradients"][step]), state, *at)
        assert_near(parameters, split(found["before"][step]), split(found["after"][step]))


@pytest.mark.caffe
@pytest.mark.parametrize("case", CASES)
def test_all_steps_together_are_caffes(record, case):
    found = record(case)
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    parameters = split(found["before"][0])
    state = solver.state(parameters)
    for step, at in enumerate(STEPPED):
        solver.step(parameters, split(found["gradients"][step]), state, *at)
    start, end = split(found["before"][0]), split(found["after"][-1])
    for ours, old, theirs in zip(parameters, start, end, strict=True):
        rounding = FLOAT32 * STEPS**0.5 * theirs.norm()
        assert (ours - theirs).norm() <= UPDATE_TOLERANCE * (theirs - old).norm() + rounding


@pytest.mark.caffe
@pytest.mark.parametrize("case", ["SGD-clipped", "SGD-accumulated"])
def test_the_recorded_gradients_reach_both_sides_of_the_threshold(record, case):
    gradients = [split(flat) for flat in record(case)["gradients"]]
    norms = [torch.cat([part.flatten() for part in parts]).norm() for parts in gradients]
    assert min(norms) < CASES[case]["clip_gradients"] < max(norms)


@pytest.mark.caffe
@pytest.mark.parametrize("case", CASES)
def test_the_state_is_caffes_history(record, recorded, case):
    found = record(case)
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    parameters = split(found["before"][0])
    state = solver.state(parameters)
    for step, at in enumerate(STEPPED):
        solver.step(parameters, split(found["gradients"][step]), state, *at)
    message = SolverState.FromString((recorded / f"{case}_iter_{STEPS}.solverstate").read_bytes())
    assert message.iter == STEPS
    assert len(message.history) == len(state)
    for index, (ours, theirs) in enumerate(zip(state, message.history, strict=True)):
        if index % len(SPECS) not in FROZEN:
            history = torch.tensor(theirs.data).view(ours.shape)
            assert (ours - history).norm() <= 2e-6 * history.norm() + 1e-12


GENERATOR = torch.Generator().manual_seed(0)
EVERY_KIND = pytest.mark.parametrize("case", [case for case in CASES if not case.endswith(("L1", "L2"))])


def random_tensors(count):
    return [[torch.randn(shape, generator=GENERATOR, dtype=torch.float64) for shape in SHAPES] for _ in range(count)]


def train(solver, parameters, gradients):
    """The parameters and the state after a step with each of the gradients."""
    parameters = [parameter.clone() for parameter in parameters]
    state = solver.state(parameters)
    for given, at in zip(gradients, STEPPED, strict=False):
        solver.step(parameters, [gradient.clone() for gradient in given], state, *at)
    return parameters, state


@EVERY_KIND
def test_a_step_is_a_function_of_what_it_is_given(case):
    """Going on from a copied state gives bit for bit what going on without a break gives."""
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    (start,), gradients = random_tensors(1), random_tensors(STEPS)
    expected, _ = train(solver, start, gradients)
    parameters, state = train(solver, start, gradients[:10])
    again = make_solver(SolverSettings(**CASES[case]), SPECS)
    again_state = [part.clone() for part in state]
    for step in range(10, STEPS):
        again.step(parameters, gradients[step], again_state, *STEPPED[step])
    for ours, theirs in zip(parameters, expected, strict=True):
        assert torch.equal(ours, theirs)


@EVERY_KIND
def test_frozen_parameters_stay_whatever_their_gradients(case):
    """They count in no norm either: Caffe computes no gradient for them."""
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    (start,), gradients = random_tensors(1), random_tensors(3)
    expected, _ = train(solver, start, gradients)
    for parts in gradients:
        for index in FROZEN:
            parts[index] *= 1e6
    found, _ = train(solver, start, gradients)
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert torch.equal(ours, theirs)
        assert torch.equal(ours, start[index]) == (index in FROZEN)


def test_gradients_of_frozen_parameters_need_not_exist():
    solver = make_solver(SolverSettings(), SPECS)
    (parameters,), (gradients,) = random_tensors(1), random_tensors(1)
    given = [None if index in FROZEN else gradient for index, gradient in enumerate(gradients)]
    solver.step(parameters, given, solver.state(parameters), *STEPPED[0])
    with pytest.raises(ValueError, match="has no gradient"):
        solver.step(parameters, [None] * len(SPECS), solver.state(parameters), *STEPPED[0])


def test_histories_keep_the_layout_of_their_parameters():
    parameter = torch.zeros(4, 3, 5, 5).to(memory_format=torch.channels_last)
    (history,) = make_solver(SolverSettings(), [Spec(1, 1)]).state([parameter])
    assert history.stride() == parameter.stride()
