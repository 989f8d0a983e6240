"""Runs of another package's engine: as many sessions as its process can keep apart, and results by its version."""

from __future__ import annotations

import threading
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from factories import in_process_engine
from factories.fake_engine import FakeEngine

import lrbench
from lrbench.engines import registry
from lrbench.policies import parse_policy
from lrbench.spec.reading import read_experiment
from lrbench.tuning.trial_runner import TrialRunner

SPEC = """\
workload: {net: lenet, dataset: digits, batch_size: 20, test_batch_size: 100, iterations: 100, test_interval: 50}
solver: SGD
engine: {name: global}
seeds: [0, 1]
policies: ["FIX(k0=0.01)", "FIX(k0=0.1)"]
"""


@pytest.fixture
def here(tmp_path, monkeypatch, digits):
    """The working folder, with the spec, the digits and the other package's engine."""
    entries = EntryPoints([EntryPoint("global", "factories.in_process_engine:GlobalEngine", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: entries.select(**wanted))
    monkeypatch.setenv("LRBENCH_HOME", str(digits.folder.parents[1]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trial.yaml").write_text(SPEC)
    return tmp_path


def measured(folder: str) -> list[tuple[object, ...]]:
    """Each run's id and its evaluations without the clocks."""
    columns = ["run_id", "iteration", "accuracy_top1", "test_loss", "train_loss", "average_confidence"]
    return sorted(lrbench.load_results(folder, rows="evaluations")[columns].itertuples(index=False, name=None))


def test_sessions_in_lrbenchs_own_process_give_the_same_numbers_side_by_side_as_one_by_one(lrbench, here):
    code, _, said = lrbench("run", "trial.yaml", "-j", "1", "--results", "one")
    assert code == 0
    assert "one at a time" not in said
    code, _, said = lrbench("run", "trial.yaml", "-j", "2", "--results", "two")
    assert code == 0
    assert len(measured("one")) == 8
    assert measured("one") == measured("two")
    assert "sessions one at a time, not 2: this engine trains in LRBench's own process" in said


@pytest.mark.parametrize(("isolated", "most"), [(False, 1), (True, 2)])
def test_what_looks_for_policies_keeps_to_the_same_number(here, digits, isolated, most):
    threads = set()
    engine = FakeEngine(lambda session: threads.add(threading.current_thread().name))
    engine.isolated = isolated
    runner = TrialRunner(read_experiment(here / "trial.yaml"), digits, engine, here / "results", jobs=2)
    outcomes = runner.run([runner.task(parse_policy("FIX(k0=0.01)"), seed) for seed in range(4)])
    assert [outcome.status.status for outcome in outcomes] == ["finished"] * 4
    assert threads <= {f"run_{number}" for number in range(most)}


def test_another_version_of_the_engine_is_run_anew_and_not_mixed_with_the_first(lrbench, here, monkeypatch):
    assert lrbench("run", "trial.yaml")[0] == 0
    assert "4 already done, skipped" in lrbench("run", "trial.yaml")[2]
    monkeypatch.setattr(in_process_engine, "VERSION", "2")
    _, out, said = lrbench("run", "trial.yaml", "--dry-run")
    assert "4 of 4 runs to do" in said
    assert "skipped" not in lrbench("run", "trial.yaml")[2]
    assert len(list(Path("results/trial").glob("FIX*"))) == 8
    assert {line.split("  ->  ")[1] for line in out.splitlines()} < {
        str(path) for path in Path("results/trial").glob("FIX*")
    }
    out = lrbench("report", "results")[1]
    assert "global (version=1)" in out
    assert "global (version=2)" in out
