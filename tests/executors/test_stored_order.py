"""An experiment goes on with the order of the samples that its stored runs have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine
from factories.made_up_jobs import prepared

from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import tasks
from lrbench.executors.setup import with_stored_order
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import read_experiment

SPEC = """
name: trial
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 20, test_interval: 10}
solver: {type: SGD}
policies: [FIX(k0=0.01)]
"""


def read(folder: Path, *changes: str) -> Experiment:
    (folder / "trial.yaml").write_text(SPEC)
    return read_experiment(folder / "trial.yaml", changes)


def run(folder: Path, experiment: Experiment) -> None:
    Dispatcher(FakeEngine(), LocalPlaces()).run(tasks(experiment, prepared(folder), folder / "results"))


@pytest.mark.parametrize("name", ["trial", "trial-tune"])
def test_runs_of_versions_without_a_choice_keep_their_order(tmp_path, name):
    run(tmp_path, read(tmp_path, "workload.order=as stored", f"name={name}"))
    told: list[str] = []
    found = with_stored_order(read(tmp_path), tmp_path / "results", told.append)
    assert found.order == "as stored"
    (line,) = told
    assert line.startswith("samples are read as stored, as by the runs in ")
    assert line.endswith(f"results/{name}; workload.order sets another order")
    chosen = with_stored_order(read(tmp_path, "workload.order=by seed"), tmp_path / "results", told.append)
    assert chosen.order == "by seed"
    assert len(told) == 1


def test_new_experiments_and_those_that_began_so_read_in_the_order_of_the_seed(tmp_path):
    assert with_stored_order(read(tmp_path), tmp_path / "results", print).order == "by seed"
    run(tmp_path, read(tmp_path))
    assert with_stored_order(read(tmp_path), tmp_path / "results", print).order == "by seed"
    (stored,) = (tmp_path / "results" / "trial").glob("*/run.json")
    assert json.loads(stored.read_text())["order"] == "by seed"
