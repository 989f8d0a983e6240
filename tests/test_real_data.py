"""Real Caffe on real MNIST and CIFAR-10, a few iterations of each net."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import typed

from lrbench.data import prepare
from lrbench.engines.base import NetJob
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.nets import find_net, read_net
from lrbench.policies import parse_policy
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import EngineSettings

pytestmark = pytest.mark.caffe


def test_the_mnist_spec_trains_lenet_and_the_report_ranks_it(own_home, real_data, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_DATA", str(real_data))
    policies = "policies=[INV(k0=0.01, gamma=0.0001, p=0.75), SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)]"
    arguments = [
        "run",
        repository / "configs/mnist_lenet.yaml",
        "-j",
        "2",
        "--set",
        policies.replace("[", '["').replace("), ", ')", "').replace("]", '"]'),
        "--set",
        "seeds=[0]",
        "--set",
        "workload.iterations=100",
        "--set",
        "workload.test_interval=100",
    ]
    answer = typed(*arguments, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    report = typed("report", "results", "--format", "json", cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    found = json.loads(report.stdout)
    assert len(found["policies"]) == 2
    assert all(run["best_accuracy"] > 0.85 for run in found["runs"])


@pytest.fixture(scope="module")
def caffe(caffe_environment):
    return CaffeEngine(caffe_environment)


@pytest.mark.parametrize(
    ("name", "data_set", "rate"), [("cnn3", "cifar10", 0.001), ("resnet20", "cifar10_padded", 0.01)]
)
def test_cifar_nets_train_and_resume_exactly(caffe, cifar, repository, tmp_path, name, data_set, rate):
    """Batch normalisation, random crop and mirror included; the test set is cut to two batches for time."""

    def job(folder: str) -> NetJob:
        path = find_net(name, repository)
        (tmp_path / folder / "snapshots").mkdir(parents=True)
        return NetJob(
            net=read_net(path),
            net_where=str(path),
            data=cifar(data_set),
            batch_size=20,
            test_batch_size=50,
            iterations=9,
            test_interval=3,
            display_interval=1,
            seed=0,
            solver=SolverSettings(momentum=0.9),
            policy=parse_policy(f"FIX(k0={rate})"),
            engine=EngineSettings(),
            folder=tmp_path / folder,
        )

    session = caffe.open(job("one"))
    first = session.train(np.full(3, rate))
    outputs = session.evaluate()
    session.save(tmp_path / "one/snapshots/iter_00000003")
    expected = session.train(np.full(3, rate)).train_loss
    session.close()
    assert first.train_loss == pytest.approx(np.log(10), abs=0.6)
    assert outputs.probabilities.shape == (100, 10)
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, rtol=1e-5)
    session = caffe.open(job("two"))
    session.restore(tmp_path / "one/snapshots/iter_00000003", evaluations=1)
    assert session.train(np.full(3, rate)).train_loss == expected
    session.close()


def test_prepared_mnist_is_the_published_set(real_data: Path, tmp_path: Path):
    prepared = prepare("mnist", tmp_path, real_data)
    assert (prepared.label, prepared.train_count, prepared.test_count) == ("MNIST", 60_000, 10_000)
