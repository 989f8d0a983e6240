"""``tune --propose predict``: only the policies that loss curves predict to be best are trained."""

from __future__ import annotations

import numpy as np
import pytest
from factories.fake_engine import FakeEngine
from factories.loss_curves import true_loss
from factories.made_up_jobs import prepared

from lrbench.api.tuning import tune
from lrbench.errors import ResultsError, UsageError
from lrbench.policies import parse_policy
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.tuning.proposing import PROPOSED, proposed
from lrbench.tuning.space import search_space
from lrbench.tuning.trial_runner import TrialRunner

LENGTH = 2000
SPEC = f"""
name: trial
workload: {{net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: {LENGTH}, test_interval: 100}}
solver: {{type: SGD}}
"""
FITTED = ("FIX(k0=0.1)", "COSDECAY(k0=0.1)", "WSD(k0=0.1, k1=0, warmup=0, decay=200, anneal=linear)")


@pytest.fixture
def runner(tmp_path):
    def make(*changes):
        (tmp_path / "trial.yaml").write_text(SPEC)
        experiment = read_experiment(tmp_path / "trial.yaml", changes, TuningSettings)
        return TrialRunner(experiment, prepared(tmp_path), FakeEngine(), tmp_path / "results")

    return make


@pytest.fixture
def curves(tmp_path):
    lines = ["policy;seed;iteration;learning_rate;loss"]
    for text in FITTED:
        rates = parse_policy(text).rates(np.arange(LENGTH), LENGTH)
        for iteration in range(100, LENGTH + 1, 100):
            loss = true_loss(rates, iteration)
            lines.append(f'"{text}",0,{iteration},{rates[iteration - 1]},{loss}')
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(lines).replace(";", ",") + "\n")
    return path


def loss_of(text):
    return true_loss(parse_policy(text).rates(np.arange(LENGTH), LENGTH), LENGTH)


def test_the_search_space_is_the_best_that_were_predicted(runner, curves):
    told: list[str] = []
    made = proposed(runner(), curves, told.append)
    settings = made.experiment.settings
    assert settings.name == "trial-predict"
    texts = settings.search.space
    assert texts is not None
    assert len(texts) == settings.search.trials == PROPOSED
    assert set(texts).isdisjoint(FITTED)
    assert told[-1].startswith("proposed by test_loss of 3 policies: the best 8 of ")
    space = search_space(settings.search, None, made.experiment.document)
    assert [policy.text for part in space.parts for policy in part.policies(LENGTH)] == texts
    everything = proposed(runner("search.trials=100"), curves, told.append).experiment.settings.search.space
    assert everything is not None
    losses = [loss_of(text) for text in everything]
    assert np.mean(losses[:PROPOSED]) < np.mean(losses) < np.mean(losses[-PROPOSED:])


def test_the_spec_sets_how_many_are_trained(runner, curves):
    assert len(proposed(runner("search.trials=2"), curves, print).experiment.settings.search.space or ()) == 2


def test_curves_that_cannot_be_fitted_are_refused(runner, curves):
    curves.write_text("".join(line for line in curves.open() if "COSDECAY" not in line))
    with pytest.raises(ResultsError, match="there are 2 curves to fit"):
        proposed(runner(), curves, print)


def test_python_searches_what_the_command_does(tmp_path, curves, monkeypatch):
    found = {}

    def search(told, judge, space, storage):
        found["space"] = judge.experiment.settings.search.space

    monkeypatch.setattr("lrbench.api.tuning.search", search)
    (tmp_path / "trial.yaml").write_text(SPEC)
    folder, workload = tmp_path / "results", {"batch_size": 50, "test_batch_size": 50}
    tune(
        tmp_path / "trial.yaml",
        propose="predict",
        curves=curves,
        results=folder,
        jobs=1,
        engine="torch",
        workload=workload,
    )
    assert len(found["space"]) == PROPOSED


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"propose": "predict"}, 'propose="predict" and curves go together; give both, or neither'),
        ({"curves": "results"}, 'propose="predict" and curves go together; give both, or neither'),
        ({"propose": "guess"}, 'propose is \'guess\'; set it to "sampler" or "predict"'),
    ],
)
def test_python_refuses_half_of_it(given, message):
    with pytest.raises(UsageError) as refused:
        tune("trial.yaml", **given)
    assert str(refused.value) == message
