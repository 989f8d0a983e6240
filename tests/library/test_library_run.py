"""``lrbench.run``: the runs, folders and refusals of the command line, with news in the log alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import typed
from factories.fake_engine import FakeEngine

import lrbench
from lrbench.data import Prepared
from lrbench.executors import local

SPEC = {
    "name": "trial",
    "workload": {
        "net": "lenet",
        "dataset": "digits",
        "batch_size": 50,
        "test_batch_size": 100,
        "iterations": 20,
        "test_interval": 10,
    },
    "solver": {"type": "SGD", "momentum": 0.9},
    "policies": ["FIX(k0=0.01)", "EXP(k0=0.02, gamma=0.9)"],
}
SPEC_TEXT = """\
workload: {net: lenet, dataset: digits, batch_size: 50, test_batch_size: 100, iterations: 20, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
policies:
  - FIX(k0=0.01)
  - EXP(k0=0.02, gamma=0.9)
"""


@pytest.fixture
def engine(digits: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Trains nothing, with the digits at hand; the working folder is empty."""
    fake = FakeEngine()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "open_engine", lambda name, site: fake)
    monkeypatch.setenv("LRBENCH_HOME", str(digits.folder.parents[1]))
    return fake


def test_a_mapping_is_run_as_a_spec(engine, capfd, caplog):
    with caplog.at_level(logging.INFO, logger="lrbench"):
        results = lrbench.run(SPEC, jobs=2)
    assert sorted(results.runs["policy"]) == sorted(SPEC["policies"])
    assert results.runs["status"].tolist() == ["finished"] * 2
    assert {folder.parent for folder in map(Path, results.runs["path"])} == {Path("results/trial")}
    assert capfd.readouterr() == ("", "")
    assert "[1/2] FIX(k0=0.01) SGD seed 0  started" in caplog.messages
    assert any(
        message.startswith("[2/2] EXP(k0=0.02, gamma=0.9) SGD seed 0  finished at iteration 20")
        for message in caplog.messages
    )


def test_what_the_command_line_did_is_skipped_and_the_other_way_round(engine):
    Path("trial.yaml").write_text(SPEC_TEXT)
    first = lrbench.run(SPEC)
    assert engine.opened == 2
    done = typed("run", "trial.yaml", "--set", "seeds=[0, 1]")
    assert done.returncode == 0
    assert "4 runs: 4 finished (2 already done, skipped)" in done.stderr
    again = lrbench.run("trial.yaml", seeds=[1, 0])
    assert engine.opened == 4
    assert set(first.runs["run_id"]) < set(again.runs["run_id"])
    assert len(again.runs) == 4


def test_the_results_are_those_of_the_call_alone(engine):
    lrbench.run(SPEC, seeds=[5])
    results = lrbench.run(SPEC, policies=["FIX(k0=0.03)"], results="results")
    assert results.runs["policy"].tolist() == ["FIX(k0=0.03)"]
    assert len(lrbench.load_results("results")) == 3


def test_values_of_python_become_values_of_the_spec(engine):
    Path("trial.yaml").write_text(SPEC_TEXT)
    policy = lrbench.Policy.parse("TRI(k0=0.01, k1=0.02, l=5)")
    results = lrbench.run(
        Path("trial.yaml"),
        name="other",
        policies=(policy, {"function": "FIX", "k0": [0.1, np.float64(0.2)]}),
        workload={"iterations": np.int64(10)},
        seeds=range(2),
        solver="Adam",
        results=Path("elsewhere"),
    )
    frame = results.runs
    assert sorted(set(frame["policy"])) == ["FIX(k0=0.1)", "FIX(k0=0.2)", policy.text]
    assert (set(frame["iterations"]), set(frame["batch_size"]), set(frame["solver"])) == ({10}, {50}, {"Adam"})
    assert sorted(set(frame["seed"])) == [0, 1]
    assert all(Path(path).parent == Path("elsewhere/other") for path in frame["path"])


def test_a_run_that_fails_is_a_row_and_a_warning(engine, caplog):
    engine.before_train = lambda session: 1 / 0
    results = lrbench.run(SPEC)
    assert results.runs["status"].tolist() == ["failed"] * 2
    assert all("division by zero" in reason for reason in results.runs["reason"])
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "failed at iteration 0" in warnings[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"workload": {"iterations": 0}},
            "the argument workload.iterations: workload.iterations is 0, but must be at least 1; for example "
            "iterations: 10000",
        ),
        ({"iterations": 100}, "the argument iterations: unknown key 'iterations'; it belongs in workload"),
        ({"policies": ["FIX(k=1)"]}, 'the argument policies: FIX: unknown parameter "k"; did you mean k0? it takes k0'),
        (
            {"seeds": object()},
            "the spec: a spec contains numbers, strings, lists and mappings, but this is of the type object; "
            "convert it to one of those",
        ),
        ({"engine": "cafe"}, "the argument engine.name: unknown engine 'cafe'; did you mean caffe?"),
        (
            {"engine": {"lanes": 2}},
            "the argument engine.lanes: the engine caffe trains one run a session, so that "
            "engine.lanes can only be 1; leave it out and use -j, or set engine.name to torch",
        ),
        ({"jobs": 0}, "jobs is 0, but must be at least 1"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(engine, values, message):
    with pytest.raises(lrbench.LRBenchError) as refused:
        lrbench.run(SPEC, **values)
    assert str(refused.value) == message
    assert not Path("results").exists()


def test_a_mapping_without_what_a_spec_needs_is_refused(engine):
    with pytest.raises(lrbench.LRBenchError, match=r"^the spec: the key 'workload' is missing"):
        lrbench.run({"name": "x", "policies": ["FIX(k0=1)"]})
    itself: dict[str, Any] = {}
    itself["itself"] = itself
    with pytest.raises(
        lrbench.LRBenchError, match=r"^the spec: is nested more than 50 levels deep, or contains itself"
    ):
        lrbench.run(itself)
    with pytest.raises(lrbench.LRBenchError, match=r"^none\.yaml: there is no such spec file"):
        lrbench.run("none.yaml")


def test_ctrl_c_is_an_error_of_lrbench_and_what_was_done_is_kept(engine, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    lrbench.run(SPEC, policies=["FIX(k0=0.01)"])
    monkeypatch.setattr("lrbench.executors.dispatcher.wait", interrupt)
    with pytest.raises(BaseException, match="interrupted") as ended:
        lrbench.run(SPEC)
    assert isinstance(ended.value, lrbench.LRBenchError)
    assert lrbench.load_results("results")["status"].tolist().count("finished") == 1


def test_a_recommendation_is_that_of_the_command(workplace):
    found = lrbench.recommend("quickstart.yaml")
    assert typed("recommend", "quickstart.yaml", variables={"COLUMNS": "120"}).stdout == str(found)
    assert all(policy.text in repr(found) for policy in found.policies)
    (only,) = found
    assert found.policies[0].text == only.here[0].policy
    assert "<table>" in found._repr_html_()
    assert "which policy?" in found._repr_html_()
