"""PyTorch held to real Caffe over 50 iterations, by the same comparison that ``lrbench parity`` shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lrbench.data import prepare
from lrbench.engines.base import Job
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.engines.parity import Parity, compare
from lrbench.engines.torch.engine import TorchEngine
from lrbench.nets import find_net, read_net
from lrbench.policies import parse_policy
from lrbench.spec.model import EngineSettings, SolverSettings

pytestmark = pytest.mark.caffe


@pytest.fixture(scope="module")
def caffe(caffe_environment):
    return CaffeEngine(caffe_environment)


@pytest.mark.parametrize("solver", [
    SolverSettings(momentum=0.9, weight_decay=0.0005),
    SolverSettings(type="Adam", momentum=0.9, lr_scale=0.1, iter_size=2),
    SolverSettings(type="RMSProp", clip_gradients=1.0),
], ids=lambda solver: solver.type)
def test_lenet_trains_as_caffe_does(caffe, make_job, solver):
    rate = 0.01 if solver.type == "SGD" else 0.001
    found = compare(caffe, TorchEngine(), make_job("parity", policy=f"TRI(k0={rate / 10}, k1={rate}, l=20)",
                                                   batch_size=64, solver=solver.model_dump(exclude_unset=True)), 50)
    assert found.failures() == []
    assert found.engine.losses[-1] < found.engine.losses[0] / 2


@pytest.mark.parametrize(("name", "data_set", "rate", "batch_size"),
                         [("cnn3", "cifar10", 0.001, 100), ("resnet20", "cifar10_padded", 0.01, 20)])
def test_cifar_nets_train_as_caffe_does(caffe, jpeg, repository, tmp_path, name, data_set, rate, batch_size):
    data = replace(prepare(data_set, tmp_path, jpeg, allow_altered=True), test_count=100)
    path = find_net(name, repository)
    (tmp_path / "run").mkdir()
    job = Job(net=read_net(path), net_where=str(path), data=data, batch_size=batch_size, test_batch_size=50,
              iterations=100, test_interval=100, display_interval=1, seed=0,
              solver=SolverSettings(momentum=0.9, weight_decay=0.0001),
              policy=parse_policy(f"FIX(k0={rate})"), engine=EngineSettings(), folder=tmp_path / "run")
    assert compare(caffe, TorchEngine(), job, 50).failures() == []


def test_an_engine_that_parts_from_caffe_is_told_apart(caffe, make_job):
    """The comparison can fail: with another momentum on one side, first in the second update, it does."""
    found = compare(caffe, TorchEngine(), make_job("same", batch_size=16), 10)
    assert found.failures() == []
    other = compare(caffe, TorchEngine(), make_job("other", batch_size=16, solver={"type": "SGD", "momentum": 0.8}), 10)
    mixed = Parity(rates=found.rates, initial_accuracies=found.initial_accuracies,
                   caffe=found.caffe, controls=found.controls, engine=other.engine)
    told = mixed.failures()
    assert any("the loss within 10 iterations" in line for line in told)
    assert any("the weights after 10 iterations" in line for line in told)
    nan = replace(found.engine, losses=np.full(10, np.nan))
    assert replace(found, engine=nan).failures()
