"""The stepping driver on real Caffe: any rates, exact resuming, honest failure."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lrbench.engines.base import Job, Progress, Session
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.errors import EngineFailed, NetError
from lrbench.nets import NetParameter, find_net, read_net

pytestmark = pytest.mark.caffe

SOLVERS: list[dict[str, Any]] = [
    {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    {"type": "Nesterov", "momentum": 0.9, "regularization_type": "L1", "weight_decay": 0.0001},
    {"type": "AdaGrad"},
    {"type": "RMSProp", "rms_decay": 0.98},
    {"type": "AdaDelta", "momentum": 0.95, "delta": 1e-6},
    {"type": "Adam", "momentum": 0.9, "clip_gradients": 1.0},
    {"type": "SGD", "momentum": 0.9, "iter_size": 2},
]


def rates(job: Job, start: int, end: int) -> np.ndarray:
    return job.policy.rates(np.arange(start, end), job.iterations)


def stretch(session: Session, job: Job, start: int, end: int) -> tuple[float, float, bytes]:
    """Everything an evaluation is made of, as exact numbers."""
    train_loss = session.train(rates(job, start, end)).train_loss
    outputs = session.evaluate()
    return train_loss, outputs.loss, outputs.probabilities.tobytes()


def with_dropout_and_mirror(repository: Path) -> NetParameter:
    """LeNet with what only memory keeps: random crop and mirror in both phases, and two Dropout layers."""
    net = read_net(find_net("lenet", repository))
    for layer in net.layer:
        if layer.type == "Data":
            layer.transform_param.mirror = True
            if any(rule.phase == 0 for rule in layer.include):
                layer.transform_param.crop_size = 24
            else:
                layer.transform_param.crop_size = 24
    names = [layer.name for layer in net.layer]
    for after, ratio in (("ip1", 0.5), ("pool2", 0.2)):
        blob = next(layer.top[0] for layer in net.layer if layer.name == after)
        drop = net.layer.add(name=f"drop_{after}", type="Dropout", bottom=[blob], top=[blob])
        drop.dropout_param.dropout_ratio = ratio
        moved = NetParameter()
        moved.layer.add().CopyFrom(net.layer.pop())
        net.layer.insert(names.index(after) + 1, moved.layer[0])
    return net


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: "-".join(map(str, solver.values())))
def test_a_restored_session_gives_bit_for_bit_what_the_uninterrupted_one_gives(caffe, make_job, solver):
    policy = "TRI(k0=0.0001, k1=0.01, l=15)" if solver["type"] != "AdaDelta" else "TRI(k0=0.1, k1=1, l=15)"
    one, two = make_job("one", policy=policy, solver=solver), make_job("two", policy=policy, solver=solver)
    snapshot = one.folder / "snapshots/iter_00000020"
    session = caffe.open(one)
    stretch(session, one, 0, 20)
    session.save(snapshot)
    expected = [stretch(session, one, 20, 40), stretch(session, one, 40, 60)]
    session.close()
    session = caffe.open(two)
    session.restore(snapshot, evaluations=1)
    assert [stretch(session, two, 20, 40), stretch(session, two, 40, 60)] == expected
    session.close()
    assert expected[0][0] != expected[1][0]


def test_random_crop_mirror_and_dropout_resume_exactly_too(caffe, make_job, repository):
    net = with_dropout_and_mirror(repository)
    one, two = make_job("one", net=net), make_job("two", net=net)
    snapshot = one.folder / "snapshots/iter_00000040"
    session = caffe.open(one)
    first = [stretch(session, one, 0, 20), stretch(session, one, 20, 40)]
    session.save(snapshot)
    expected = stretch(session, one, 40, 60)
    session.close()
    session = caffe.open(two)
    session.restore(snapshot, evaluations=2)
    assert stretch(session, two, 40, 60) == expected
    session.close()
    assert first[0] != first[1]


def test_the_seed_decides_and_nothing_else(caffe, make_job):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        job = make_job(name, seed=seed)
        session = caffe.open(job)
        found.append(stretch(session, job, 0, 20))
        session.close()
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_every_iteration_has_its_own_rate(caffe, make_job):
    """A rate of zero changes nothing; Caffe's log shows the rates that were set, to float32's error."""
    job = make_job()
    session = caffe.open(job)
    before = session.evaluate()
    session.train(np.zeros(3))
    assert session.evaluate().loss == before.loss
    given = np.array([0.011, 0.0123456789, 0.02, 1e-7])
    session.train(given)
    session.close()
    log = (job.folder / "caffe.log").read_text()
    shown = [float(line.rsplit("lr = ", 1)[1]) for line in log.splitlines() if "lr = " in line]
    np.testing.assert_allclose(shown, [0, 0, 0, *given], rtol=2e-6)


def test_a_diverging_net_stops_at_once_and_says_so(caffe, make_job):
    job = make_job()
    session = caffe.open(job)
    result = session.train(np.full(50, 1e6))
    session.close()
    assert not result.finite
    assert 0 < result.iterations < 10
    assert not np.isfinite(result.train_loss)


def test_progress_is_told_while_a_stretch_is_under_way(caffe, make_job):
    told: list[Progress] = []
    job = make_job(on_progress=told.append, iterations=200, batch_size=64)
    session = caffe.open(job)
    session.train(rates(job, 0, 100))
    session.close()
    assert told
    assert all(0 < progress.iteration <= 100 for progress in told)
    assert all(progress.rate == 0.01 for progress in told)


def test_a_net_that_caffe_aborts_on_fails_with_caffes_own_words(caffe, make_job, repository):
    net = read_net(find_net("lenet", repository))
    next(layer for layer in net.layer if layer.type == "Convolution").convolution_param.kernel_size[0] = 99
    with pytest.raises(EngineFailed, match="Caffe aborted: Check failed"):
        caffe.open(make_job(net=net))


def test_an_unknown_layer_type_is_refused_by_name_before_anything_starts(caffe, make_job, repository):
    net = read_net(find_net("lenet", repository))
    next(layer for layer in net.layer if layer.type == "ReLU").type = "Relu"
    with pytest.raises(NetError, match=r'layer "relu1": this Caffe does not know .*; did you mean ReLU'):
        caffe.check(make_job(net=net))


def test_a_killed_caffe_fails_the_session_and_names_the_signal(caffe, make_job):
    job = make_job()
    session = caffe.open(job)
    worker = next(child for child in psutil.Process().children() if child.cwd() == str(job.folder))
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineFailed, match="SIGKILL"):
        session.train(rates(job, 0, 20))
    session.close()


def test_a_snapshot_that_is_not_whole_is_never_put_in_place(caffe, make_job):
    job = make_job()
    session = caffe.open(job)
    session.train(rates(job, 0, 5))
    incoming = job.folder / "snapshots/incoming"
    incoming.rmdir()
    with pytest.raises(EngineFailed):
        session.save(job.folder / "snapshots/iter_00000005")
    session.close()
    assert not (job.folder / "snapshots/iter_00000005").exists()


def test_time_trains_nothing_and_gives_seconds(caffe: CaffeEngine, make_job):
    timing = caffe.time(make_job())
    assert timing.iteration_seconds > 0
    assert timing.test_batch_seconds > 0


def with_other_losses(repository: Path) -> NetParameter:
    """LeNet whose loss weighs 2, beside an auxiliary loss on the first pooling."""
    net = read_net(find_net("lenet", repository))
    main = next(layer for layer in net.layer if layer.type == "SoftmaxWithLoss")
    main.loss_weight.append(2)
    place = [layer.name for layer in net.layer].index(main.name)
    added = NetParameter()
    inner = added.layer.add(name="aux_ip", type="InnerProduct", bottom=["pool1"], top=["aux_ip"])
    inner.inner_product_param.num_output = 10
    inner.inner_product_param.weight_filler.type = "xavier"
    added.layer.add(name="aux_loss", type="SoftmaxWithLoss", bottom=["aux_ip", "label"], top=["aux_loss"],
                    loss_weight=[0.3])
    for layer in reversed(added.layer):
        net.layer.insert(place, layer)
    return net


@pytest.mark.parametrize("iter_size", [1, 2])
def test_the_training_loss_is_the_main_loss_whatever_else_is_minimised(caffe, make_job, repository, iter_size):
    solver = {"type": "SGD", "iter_size": iter_size}
    job = make_job("several", net=with_other_losses(repository), solver=solver)
    session = caffe.open(job)
    result = session.train(np.zeros(40))
    outputs = session.evaluate()
    session.close()
    assert abs(result.train_loss - outputs.loss) < 0.1, "the same weights, all but the same loss"
    job = make_job("native", net=with_other_losses(repository), driver="native", solver=solver)
    session = caffe.open(job)
    assert np.isnan(session.train(np.full(20, 0.01)).train_loss), "Caffe's log has only the sum"
    session.close()
