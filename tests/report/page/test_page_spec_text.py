"""A run's spec, copied from the page, makes that run again."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from factories import fake_runs
from factories.made_up_jobs import prepared

from lrbench.report.page.spec_text import SpecWriter
from lrbench.report.rows import row_of_record
from lrbench.runs.description import read_description
from lrbench.runs.records import RunRecord
from lrbench.runs.status import Status
from lrbench.spec.reading import read_experiment

SPEC = """
name: trial
workload: {net: lenet, dataset: digits, batch_size: 64, test_batch_size: 100, iterations: 100, test_interval: 20}
solver: [{type: SGD, momentum: 0.9, weight_decay: 0.0005}, {type: Adam, lr_scale: 0.1}]
engine: {name: torch, precision: bf16}
seeds: [3]
target_accuracy: 0.9
policies: ['TRI(k0=0.001, k1=0.06, l=20)', 'PLATEAU(k0=0.1, factor=0.5, patience=2)']
stopping: {at_target: true, patience: 4}
robustness: {scales: [0.5]}
"""


@pytest.fixture
def data(tmp_path):
    return prepared(tmp_path, train_count=1297, test_count=500, sha256="d" * 64)


@pytest.fixture
def row(tmp_path):
    """The row of a run of that description."""
    return lambda description: row_of_record(RunRecord(tmp_path, description, Status("pending")))


def test_the_spec_of_each_run_has_the_runs_own_id(tmp_path, data, row):
    (tmp_path / "trial.yaml").write_text(SPEC)
    experiment = read_experiment(tmp_path / "trial.yaml")
    assert len(experiment.runs) == 8
    engine = {**experiment.settings.engine.model_dump(), "version": "2.13"}
    for run in experiment.runs:
        text = SpecWriter().text(row(dataclasses.replace(experiment.describe(run, data), engine=engine)))
        (tmp_path / "again.yaml").write_text(text)
        again = read_experiment(tmp_path / "again.yaml")
        assert len(again.runs) == 1
        assert again.run_id(again.runs[0], data) == experiment.run_id(run, data)


def test_a_net_and_data_of_the_users_own_are_left_to_fill_in(tmp_path, row):
    folder = fake_runs.write_run(
        tmp_path,
        "FIX(k0=1)",
        workload={**fake_runs.WORKLOAD, "net": {"name": "mine"}, "dataset": {"name": "train_lmdb"}},
    )
    text = SpecWriter().text(row(read_description(folder)))
    assert text is not None
    assert "# net: your own file" in text
    assert "# dataset: not a name that a spec knows" in text
    assert yaml.safe_load(text)["workload"]["net"] == "./net.prototxt"


def test_what_does_not_say_enough_has_no_spec(tmp_path, row):
    folder = fake_runs.write_run(tmp_path, "FIX(k0=1)")
    known = row(read_description(folder))
    assert SpecWriter().text(known) is not None
    gaps: list[dict[str, Any]] = [{"seed": None}, {"workload": {}}, {"policy": "rates of a log"}]
    for missing in gaps:
        assert SpecWriter().text(dataclasses.replace(known, **missing)) is None
