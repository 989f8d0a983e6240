"""Momentum given by a policy: the same on Caffe and PyTorch, resumed exactly, and Caffe's own where it is constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrbench.engines.base import Engine, NetJob
from lrbench.engines.parity import read_weights
from lrbench.engines.torch.engine import TorchEngine
from lrbench.errors import EngineFailed, SpecError
from lrbench.nets import find_net, read_net
from lrbench.nets.caffe_pb2 import NetParameter
from lrbench.spec.sections import EngineSettings
from lrbench.testing.engines import resumed

FALLING = "LINEAR(k0=0.95, k1=0.5, l=60)"
INVERSE = "ONECYCLE(k0=0.95, k1=0.85, k2=0.95)"

pytestmark = [pytest.mark.caffe, pytest.mark.usefixtures("warm_torch")]


@pytest.fixture(params=["caffe", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue("caffe") if request.param == "caffe" else TorchEngine()


def trained(engine: Engine, job: NetJob) -> tuple[np.ndarray, np.ndarray]:
    """The losses of all iterations, and the weights behind them as one vector."""
    engine.check(job)
    session = engine.open(job)
    rates = job.policy.rates(np.arange(job.iterations), job.iterations)
    losses = [session.train(rates[index : index + 1]).train_loss for index in range(len(rates))]
    session.save(job.folder / "snapshots/last")
    session.close()
    weights = read_weights(job.folder / "snapshots/last/net.caffemodel")
    return np.array(losses), np.concatenate([weights[key] for key in sorted(weights)])


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def with_fixed_and_shared_weights(net: NetParameter) -> NetParameter:
    """LeNet with a BatchNorm, whose means change in forward passes, and two inner products with the same weights."""
    added = NetParameter()
    added.layer.add(name="norm", type="BatchNorm", bottom=["conv2"], top=["norm"])
    for name, bottom in (("one", "ip1"), ("two", "one")):
        layer = added.layer.add(name=name, type="InnerProduct", bottom=[bottom], top=[name])
        layer.param.add(name="shared_weights")
        layer.param.add(name="shared_bias")
        layer.inner_product_param.num_output = 500
        layer.inner_product_param.weight_filler.type = "xavier"
    names = [layer.name for layer in net.layer]
    next(layer for layer in net.layer if layer.name == "pool2").bottom[0] = "norm"
    next(layer for layer in net.layer if layer.name == "ip2").bottom[0] = "two"
    for layer in reversed(added.layer[1:]):
        net.layer.insert(names.index("ip2"), layer)
    net.layer.insert(names.index("pool2"), added.layer[0])
    return net


@pytest.mark.parametrize(
    "changes",
    [{}, {"weight_decay": 0.0005, "clip_gradients": 1.0}, {"iter_size": 2}],
    ids=["plain", "decayed and clipped", "accumulated"],
)
def test_a_constant_policy_is_caffes_own_momentum(caffe, make_job, changes: dict[str, Any]) -> None:
    """Caffe multiplies and adds in one rounding, LRBench in two: 1.5e-6 of the loss was seen after 60 iterations."""
    losses, weights = {}, {}
    for name, momentum in (("own", 0.9), ("policy", "FIX(k0=0.9)")):
        solver = {"type": "SGD", "momentum": momentum, **changes}
        losses[name], weights[name] = trained(
            caffe, make_job(name, solver=solver, policy="TRI(k0=0.001, k1=0.01, l=20)")
        )
    np.testing.assert_allclose(losses["policy"], losses["own"], rtol=1e-5)
    assert distance(weights["policy"], weights["own"]) < 1e-5
    assert losses["own"][-1] < losses["own"][0]


def test_means_of_a_forward_pass_and_shared_weights_are_treated_as_caffe_does(caffe, make_job, repository) -> None:
    weights = {}
    for name, momentum in (("own", 0.9), ("policy", "FIX(k0=0.9)")):
        net = with_fixed_and_shared_weights(read_net(find_net("lenet", repository)))
        job = make_job(
            name, net=net, solver={"type": "SGD", "momentum": momentum}, policy="FIX(k0=0.001)", iterations=20
        )
        _, weights[name] = trained(caffe, job)
    assert distance(weights["policy"], weights["own"]) < 1e-5


def test_pytorch_gives_a_constant_policy_the_bits_of_the_number(make_job) -> None:
    found = [
        trained(TorchEngine(), make_job(name, solver={"type": "SGD", "momentum": momentum}))
        for name, momentum in (("number", 0.9), ("policy", "FIX(k0=0.9)"))
    ]
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])


def test_the_engines_agree_on_a_falling_momentum_and_it_is_not_a_constant_one(caffe, make_job) -> None:
    """The initial weights are Caffe's on both sides; what the engines part by is rounding."""
    caffe_job = make_job("caffe", solver={"type": "SGD", "momentum": FALLING}, policy="FIX(k0=0.001)")
    torch_job = make_job("torch", solver={"type": "SGD", "momentum": FALLING}, policy="FIX(k0=0.001)")
    constant = make_job("constant", solver={"type": "SGD", "momentum": 0.95}, policy="FIX(k0=0.001)")
    found = {}
    for name, engine, job in (
        ("caffe", caffe, caffe_job),
        ("torch", TorchEngine(), torch_job),
        ("95", caffe, constant),
    ):
        session = engine.open(job)
        session.save(job.folder / "start")
        if name != "caffe":
            source = caffe_job.folder / "start/net.caffemodel"
            (job.folder / "start/net.caffemodel").write_bytes(source.read_bytes())
            session.restore(job.folder / "start", 0)
        found[name] = [session.train(np.full(1, 0.001)).train_loss for _ in range(60)]
        session.close()
    np.testing.assert_allclose(found["torch"][:30], found["caffe"][:30], rtol=1e-3)
    assert abs(found["95"][-1] / found["caffe"][-1] - 1) > 0.05


def test_a_restored_session_gives_bit_for_bit_what_the_uninterrupted_one_gives(engine, make_job) -> None:
    jobs = (make_job(name, solver={"type": "SGD", "momentum": INVERSE}, policy="FIX(k0=0.01)") for name in "ab")
    first, *later = resumed(engine, *jobs)
    assert later[1][0] < first[0]


def test_a_snapshot_without_the_velocity_is_refused(caffe, make_job) -> None:
    job = make_job(solver={"type": "SGD", "momentum": INVERSE})
    session = caffe.open(job)
    session.train(np.full(3, 0.01))
    session.save(job.folder / "snapshots/kept")
    (job.folder / "snapshots/kept/velocity.npy").unlink()
    with pytest.raises(EngineFailed, match=r"velocity\.npy"):
        session.restore(job.folder / "snapshots/kept", 1)
    session.close()


@pytest.mark.parametrize(
    ("solver", "engine", "given"),
    [
        ({"type": "Adam"}, {}, "Adam, stepping driver, cpu"),
        ({"type": "Nesterov"}, {}, "Nesterov, stepping driver, cpu"),
        ({"type": "SGD"}, {"driver": "native"}, "SGD, native driver, cpu"),
        ({"type": "SGD"}, {"device": "gpu"}, "SGD, stepping driver, gpu"),
    ],
)
def test_what_caffe_cannot_do_is_refused(caffe, make_job, solver, engine, given) -> None:
    job = make_job(solver={**solver, "momentum": INVERSE}, engine=EngineSettings(**engine))
    with pytest.raises(
        SpecError, match="which Caffe takes for SGD with the stepping driver on the CPU alone"
    ) as refused:
        caffe.check_momentum(job)
    assert given in str(refused.value)


def test_the_solver_file_says_what_caffe_train_would_leave_out(caffe, make_job) -> None:
    job = make_job(solver={"type": "SGD", "momentum": INVERSE})
    caffe.open(job).close()
    text = (job.folder / "solver.prototxt").read_text()
    assert f"# Momentum policy: {INVERSE[:-1]}, rise=0.3, anneal=cos), which Caffe has no form of" in text
    assert "\nmomentum: 0.0\n" in text
