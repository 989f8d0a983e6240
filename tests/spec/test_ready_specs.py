"""The specs in configs/ can be run as they are, and describe what they claim."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lrbench.spec.model import ExperimentSettings, TuningSettings
from lrbench.spec.reading import read_experiment

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
THIRTEEN = {"FIX", "STEP", "NSTEP", "EXP", "INV", "POLY", "TRI", "TRI2", "TRIEXP", "SIN", "SIN2", "SINEXP", "COS"}


def config(name):
    return read_experiment(next(path for path in CONFIGS if path.stem == name))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_ready_spec_is_whole_and_named_as_its_file(path, data):
    searches = "policies:" not in path.read_text()
    experiment = read_experiment(path, (), TuningSettings if searches else ExperimentSettings)
    assert experiment.name == path.stem
    assert searches or experiment.runs
    assert experiment.settings.target_accuracy is not None
    test_count = 500 if experiment.net_workload.dataset == "digits" else 10_000
    published = dataclasses.replace(data, test_count=test_count)
    experiment.check_data(published)
    assert len({experiment.run_id(run, published) for run in experiment.runs}) == len(experiment.runs)


@pytest.mark.parametrize(
    ("name", "net", "dataset", "default"),
    [
        ("mnist_lenet", "lenet", "mnist", "INV(k0=0.01, gamma=0.0001, p=0.75)"),
        ("cifar10_cnn3", "cnn3", "cifar10", "NSTEP(k0=0.001, gamma=0.1, l=[60000, 65000])"),
        ("cifar10_resnet20", "resnet20", "cifar10_padded", "NSTEP(k0=0.1, gamma=0.1, l=[32000, 48000])"),
        ("cifar10_resnet32", "resnet32", "cifar10_padded", "NSTEP(k0=0.1, gamma=0.1, l=[32000, 48000])"),
    ],
)
def test_the_benchmarks_train_under_all_thirteen_functions_and_the_default(name, net, dataset, default):
    experiment = config(name)
    assert (experiment.net_workload.net_name, experiment.net_workload.dataset) == (net, dataset)
    policies = list(dict.fromkeys(run.policy for run in experiment.runs))
    assert {policy.name for policy in policies} == THIRTEEN
    assert len(policies) == len(THIRTEEN)
    assert policies[0].text == default


def test_the_optimizer_matrix_has_all_six_types():
    experiment = config("optimizers")
    kinds = {run.solver.type for run in experiment.runs}
    assert kinds == {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"}
    assert len(experiment.runs) == len(experiment.settings.seeds) * len(kinds) * len(experiment.settings.policies)


def test_the_quickstart_needs_no_download_and_has_five_policies_or_more():
    experiment = config("quickstart")
    assert (experiment.net_workload.net_name, experiment.net_workload.dataset) == ("lenet", "digits")
    assert len({run.policy for run in experiment.runs}) >= 5
