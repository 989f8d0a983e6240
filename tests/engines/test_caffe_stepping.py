"""The stepping driver on real Caffe: any rates, exact resuming, honest failure."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from factories.processes import children

from lrbench.engines.base import NetJob, Progress
from lrbench.errors import EngineFailed, NetError
from lrbench.nets import NetParameter
from lrbench.testing import ProcessEngineConformance, thin_lenet

pytestmark = pytest.mark.caffe


def rates(job: NetJob, start: int, end: int) -> np.ndarray:
    return job.policy.rates(np.arange(start, end), job.iterations)


class TestStepping(ProcessEngineConformance):
    """Caffe's stepping driver."""

    @pytest.fixture
    def engine(self, caffe):
        return caffe


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
    net = thin_lenet()
    next(layer for layer in net.layer if layer.type == "Convolution").convolution_param.kernel_size[0] = 99
    with pytest.raises(EngineFailed, match="Caffe aborted: Check failed"):
        caffe.open(make_job(net=net))


def test_an_unknown_layer_type_is_refused_by_name_before_anything_starts(caffe, make_job, repository):
    net = thin_lenet()
    next(layer for layer in net.layer if layer.type == "ReLU").type = "Relu"
    with pytest.raises(NetError, match=r'layer "relu1": Caffe does not know the layer type "Relu"; did you mean ReLU'):
        caffe.check(make_job(net=net))


def test_a_killed_caffe_fails_the_session_and_names_the_signal(caffe, make_job):
    job = make_job()
    session = caffe.open(job)
    worker = children(lambda child: child.cwd() == str(job.folder))[0]
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


def with_other_losses(repository: Path) -> NetParameter:
    """LeNet whose loss weighs 2, beside an auxiliary loss on the first pooling."""
    net = thin_lenet()
    main = next(layer for layer in net.layer if layer.type == "SoftmaxWithLoss")
    main.loss_weight.append(2)
    place = [layer.name for layer in net.layer].index(main.name)
    added = NetParameter()
    inner = added.layer.add(name="aux_ip", type="InnerProduct", bottom=["pool1"], top=["aux_ip"])
    inner.inner_product_param.num_output = 10
    inner.inner_product_param.weight_filler.type = "xavier"
    added.layer.add(
        name="aux_loss", type="SoftmaxWithLoss", bottom=["aux_ip", "label"], top=["aux_loss"], loss_weight=[0.3]
    )
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
