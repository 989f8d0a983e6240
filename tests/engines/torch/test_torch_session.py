"""The PyTorch engine as the runner uses it: exact resuming, divergence, refusals, any solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrbench.engines.base import Job, Session
from lrbench.engines.torch.engine import TorchEngine
from lrbench.errors import EngineFailed, EngineUnavailable, NetError, SpecError
from lrbench.nets import NetParameter, find_net, read_net
from lrbench.spec.model import EngineSettings

SOLVERS: list[dict[str, Any]] = [
    {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    {"type": "Nesterov", "momentum": 0.9, "regularization_type": "L1", "weight_decay": 0.0001},
    {"type": "AdaGrad"},
    {"type": "RMSProp", "rms_decay": 0.98},
    {"type": "AdaDelta", "momentum": 0.95, "delta": 1e-6},
    {"type": "Adam", "momentum": 0.9, "clip_gradients": 1.0},
    {"type": "SGD", "momentum": 0.9, "iter_size": 2},
]


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine()


def stretch(session: Session, job: Job, start: int, end: int) -> tuple[float, float, bytes]:
    """Everything an evaluation is made of, as exact numbers."""
    rates = job.policy.rates(np.arange(start, end), job.iterations)
    train_loss = session.train(rates).train_loss
    outputs = session.evaluate()
    return train_loss, outputs.loss, outputs.probabilities.tobytes()


def augmented(net: NetParameter) -> NetParameter:
    """LeNet with random crop and mirror and a Dropout layer."""
    for layer in net.layer:
        if layer.type == "Data":
            layer.transform_param.crop_size = 24
            layer.transform_param.mirror = layer.include[0].phase == 0
    place = next(index for index, layer in enumerate(net.layer) if layer.type == "ReLU")
    drop = NetParameter().layer.add(name="drop", type="Dropout", bottom=list(net.layer[place].top),
                                    top=list(net.layer[place].top))
    net.layer.insert(place + 1, drop)
    return net


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: "-".join(map(str, solver.values())))
def test_a_restored_session_gives_bit_for_bit_what_the_uninterrupted_one_gives(engine, make_job, repository, solver):
    net = augmented(read_net(find_net("lenet", repository)))
    policy = "TRI(k0=0.0001, k1=0.01, l=15)" if solver["type"] != "AdaDelta" else "TRI(k0=0.1, k1=1, l=15)"
    one, two = (make_job(name, policy=policy, solver=solver, net=net) for name in ("one", "two"))
    session = engine.open(one)
    first = stretch(session, one, 0, 20)
    session.save(one.folder / "snapshots/iter_00000020")
    expected = [stretch(session, one, 20, 40), stretch(session, one, 40, 60)]
    usage = session.usage()
    session.close()
    session = engine.open(two)
    session.restore(one.folder / "snapshots/iter_00000020", evaluations=1)
    assert [stretch(session, two, 20, 40), stretch(session, two, 40, 60)] == expected
    session.close()
    assert expected[1][0] < first[0]
    assert usage.cpu_seconds > 0
    assert usage.peak_memory_bytes > 50_000_000


def test_the_seed_decides_and_nothing_else(engine, make_job):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        job = make_job(name, seed=seed)
        session = engine.open(job)
        found.append(stretch(session, job, 0, 20))
        session.close()
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_rate_of_zero_changes_nothing_and_a_diverging_net_stops_at_once(engine, make_job):
    session = engine.open(make_job())
    before = session.evaluate()
    assert session.train(np.zeros(3)).iterations == 3
    assert session.evaluate().loss == before.loss
    result = session.train(np.full(50, 1e6))
    session.close()
    assert not result.finite
    assert 0 < result.iterations < 10


def test_the_weights_of_a_snapshot_open_in_caffe(engine, make_job, caffe_python):
    job = make_job()
    session = engine.open(job)
    session.train(np.full(5, 0.01))
    outputs = session.evaluate()
    session.save(job.folder / "weights")
    session.close()
    told = caffe_python(
        "import os, sys; os.environ['GLOG_minloglevel'] = '2'\n"
        "import caffe, numpy as np\n"
        f"net = caffe.Net({str(job.folder / 'net.prototxt')!r}, caffe.TEST)\n"
        f"net.copy_from({str(job.folder / 'weights/net.caffemodel')!r})\n"
        "net.forward()\nprint(' '.join(repr(float(v)) for v in net.blobs['probabilities'].data.ravel()[:50]))\n")
    np.testing.assert_allclose(np.array(told.split(), dtype=float), outputs.probabilities.ravel()[:50], atol=1e-6)


def test_what_it_cannot_do_is_refused_before_anything_is_written(engine, make_job, repository):
    with pytest.raises(SpecError, match="no driver 'native'"):
        engine.check(make_job("a", driver="native"))
    with pytest.raises(EngineUnavailable, match="PyTorch sees"):
        engine.check(make_job("b", engine=EngineSettings(name="torch", device="gpu"), device_id=99))
    net = read_net(find_net("lenet", repository))
    next(layer for layer in net.layer if layer.type == "ReLU").type = "ELU"
    with pytest.raises(NetError, match=r'layer "relu1".*ELU'):
        engine.check(make_job("c", net=net))


def test_a_killed_worker_fails_the_session(engine, make_job):
    session = engine.open(make_job())
    session.abort()
    with pytest.raises(EngineFailed, match="SIGKILL"):
        session.train(np.full(5, 0.01))
    session.close()


def test_time_gives_seconds(engine, make_job):
    timing = engine.time(make_job())
    assert timing.iteration_seconds > 0
    assert timing.test_batch_seconds > 0


def test_the_training_loss_is_the_main_loss_as_in_tests(engine, make_job, repository):
    net = read_net(find_net("lenet", repository))
    next(layer for layer in net.layer if layer.type == "SoftmaxWithLoss").loss_weight.append(2)
    session = engine.open(make_job(net=net))
    result = session.train(np.zeros(40))
    assert abs(result.train_loss - session.evaluate().loss) < 0.1
    session.close()
