"""The workload of a spec, as recommendations are asked for it."""

from __future__ import annotations

import pytest

from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.tuning.recommending.similarity import workload_queries

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 50, test_batch_size: 100, iterations: 300, test_interval: 50}
solver:
  - {type: SGD, momentum: 0.9}
  - {type: Adam, lr_scale: 0.1, iter_size: 2}
engine: {name: torch}
search: {rates: [0.001, 0.1]}
"""


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    return read_experiment(tmp_path / "spec.yaml", model=TuningSettings)


def test_one_for_each_solver_with_the_rates_and_epochs_that_the_net_gets(experiment, digits):
    sgd, adam = workload_queries(experiment, digits)
    assert (sgd.solver_type, adam.solver_type, adam.lr_scale, sgd.engine) == ("SGD", "Adam", 0.1, "torch")
    assert sgd.rates == (0.001, 0.1)
    assert adam.rates == pytest.approx((0.0001, 0.01))
    assert (sgd.epoch, adam.epoch) == (1297 / 50, 1297 / 100)
    assert sgd.dataset_sha256 == digits.sha256
    assert "lr_scale" not in adam.solver


def test_a_data_set_that_is_not_prepared_leaves_its_name(experiment):
    sgd, _ = workload_queries(experiment, None)
    assert (sgd.dataset_name, sgd.dataset_label, sgd.dataset_sha256, sgd.epoch) == ("digits", "digits", None, None)
