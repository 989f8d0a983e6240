"""evaluations.jsonl: a run that resumes and a report read the same evaluations from it."""

from __future__ import annotations

import json
import math

import pytest
from factories import fake_runs

from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.records import read_run


@pytest.fixture
def run(tmp_path):
    return fake_runs.write_run(tmp_path, "FIX(k0=0.01)", [0.1, None, 0.8])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "[1]",
        '{"iteration": 1500, "accuracy_top1": 0.9, "x": NaN}',
        json.dumps(fake_runs.evaluation(500, 0.7)),
        json.dumps(fake_runs.evaluation(1500, 0.9, metric_of_a_later_version=3.0)),
        json.dumps(fake_runs.evaluation(1500, 0.9))[:-20],
    ],
)
def test_a_run_and_a_report_see_the_same_evaluations(run, line):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write(f"{line}\n")
    columns = read_run(run).evaluations
    rows = [evaluation.as_dict() for evaluation in RunDirectory(run).evaluations()]
    for name, column in columns.items():
        assert str([float(row.get(name, math.nan)) for row in rows]) == str(column.tolist())


def test_what_is_kept_stays_as_it_was_byte_for_byte(run):
    path = run / "evaluations.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(fake_runs.evaluation(1500, 0.9)) + "\n")
    before = path.read_bytes().splitlines(keepends=True)
    directory = RunDirectory(run)
    directory.keep(directory.evaluations()[:-1])
    assert path.read_bytes() == b"".join(before[:-1])


def test_what_a_later_version_measured_is_kept_when_an_earlier_one_goes_on(run):
    directory = RunDirectory(run)
    directory.append(Evaluation(1500, {"accuracy_top1": 0.9, "novelty": 3.0}))
    directory.append(Evaluation(2000, {"accuracy_top1": 0.9}))
    directory.keep(directory.evaluations()[:-1])
    assert directory.evaluations()[-1].metrics["novelty"] == 3.0


def test_a_line_without_a_clock_is_none_to_resume_from(run):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write('{"iteration": 1500, "accuracy_top1": 0.9}\n')
    assert [evaluation.iteration for evaluation in RunDirectory(run).evaluations()] == [0, 500, 1000]
    assert read_run(run).evaluations["iteration"].tolist() == [0, 500, 1000, 1500]
