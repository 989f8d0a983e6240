"""Every solver type against real Caffe: its gradients go in, its parameters must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lrbench.engines.torch.solvers import Now, make_solver
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
        solver.step(parameters, split(found["gradients"][step]), state, Now(*at))
        assert_near(parameters, split(found["before"][step]), split(found["after"][step]))


@pytest.mark.caffe
@pytest.mark.parametrize("case", CASES)
def test_all_steps_together_are_caffes(record, case):
    found = record(case)
    solver = make_solver(SolverSettings(**CASES[case]), SPECS)
    parameters = split(found["before"][0])
    state = solver.state(parameters)
    for step, at in enumerate(STEPPED):
        solver.step(parameters, split(found["gradients"][step]), state, Now(*at))
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
        solver.step(parameters, split(found["gradients"][step]), state, Now(*at))
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
        solver.step(parameters, [gradient.clone() for gradient in given], state, Now(*at))
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
        again.step(parameters, gradients[step], again_state, Now(*STEPPED[step]))
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
    solver.step(parameters, given, solver.state(parameters), Now(*STEPPED[0]))
    with pytest.raises(ValueError, match="has no gradient"):
        solver.step(parameters, [None] * len(SPECS), solver.state(parameters), Now(*STEPPED[0]))


def test_histories_keep_the_layout_of_their_parameters():
    parameter = torch.zeros(4, 3, 5, 5).to(memory_format=torch.channels_last)
    (history,) = make_solver(SolverSettings(), [Spec(1, 1)]).state([parameter])
    assert history.stride() == parameter.stride()


def optimizer(kind, parameters, rate):
    """PyTorch's own optimizer of a type; with a constant rate its rules are Caffe's but for Adam's delta."""
    if kind == "AdaDelta":
        return torch.optim.Adadelta(parameters, lr=rate, eps=1e-8)
    if kind == "Adam":
        return torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.999), eps=1e-12)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=kind == "Nesterov")


def set_momentum(group, momentum):
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    else:
        group["rho" if "rho" in group else "momentum"] = momentum


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaDelta", "Adam"])
def test_a_momentum_of_each_step_is_that_of_pytorchs_optimizer(kind):
    settings = SolverSettings(type=kind, momentum="FIX(k0=0.5)")
    if kind == "Adam":
        settings = settings.model_copy(update={"delta": 1e-12})
    solver = make_solver(settings, SPECS)
    (start,), gradients = random_tensors(1), random_tensors(8)
    moving = [index for index in range(len(SPECS)) if SPECS[index].lr_mult == 1 and index not in FROZEN]
    ours, state = [part.clone() for part in start], solver.state(start)
    theirs = [start[index].clone().requires_grad_() for index in moving]
    peer = optimizer(kind, theirs, 0.125)
    for step, (parts, momentum) in enumerate(zip(gradients, [0.5, 0.75, 0.875, 0.25] * 2, strict=True)):
        now = Now(torch.tensor(0.125, dtype=torch.float64), torch.tensor(step), torch.tensor(momentum))
        for parameter, index in zip(theirs, moving, strict=True):
            parameter.grad = parts[index].clone()
        set_momentum(peer.param_groups[0], momentum)
        peer.step()
        solver.step(ours, parts, state, now)
    for parameter, index in zip(theirs, moving, strict=True):
        # The second momentum of Adam is rounded to float32 here.
        torch.testing.assert_close(ours[index], parameter.detach(), rtol=0, atol=1e-5 if kind == "Adam" else 1e-12)


def test_a_falling_momentum_on_a_quadratic_has_its_closed_form():
    """For w^2 / 2 at the rate 1 and momenta m: v = m v + w, w = w - v. From w = 1: 0, -1/2, -1/8 with m = 0, 1/2, 1/4."""
    solver = make_solver(SolverSettings(momentum="LINEAR(k0=0.5, k1=0)"), [Spec(1, 1)])
    parameter, found = torch.ones(1), []
    state = solver.state([parameter])
    for step, momentum in enumerate((0.0, 0.5, 0.25)):
        rate = torch.tensor(1.0, dtype=torch.float64)
        solver.step([parameter], [parameter.clone()], state, Now(rate, torch.tensor(step), torch.tensor(momentum)))
        found.append(float(parameter))
    assert found == [0.0, -0.5, -0.125]
