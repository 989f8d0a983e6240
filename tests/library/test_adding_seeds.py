"""Seeds that are added until differences are known: who gets them, when that ends, and what reports say of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from command_line import typed
from factories.fake_engine import FakeEngine, FakeSession
from shown import terminal_report

import lrbench
from lrbench.data import Prepared
from lrbench.engines.base import NetJob, TestOutputs
from lrbench.executors import local
from lrbench.report.load import read_report

SPEC = """\
name: trial
workload: {net: lenet, dataset: digits, batch_size: 50, test_batch_size: 100, iterations: 10, test_interval: 10}
solver: {type: SGD}
policies:
  - FIX(k0=0.9)
  - FIX(k0=0.901)
  - FIX(k0=0.5)
"""


class NoisySession(FakeSession):
    """Its accuracy is its first rate, with a deviation of one point over the seeds."""

    def evaluate(self) -> TestOutputs:
        rate = self.rates[0] if self.rates else 0.1
        noise = np.random.default_rng([self.job.seed, round(1000 * rate)]).normal(0, 0.01)
        count = self.job.data.test_count
        right = np.arange(count) < count * (rate + noise)
        labels = np.zeros(count, dtype=np.int64)
        probabilities = np.where(right[:, None] == (np.arange(2) == 0), 0.9, 0.1).astype(np.float32)
        return TestOutputs(probabilities, labels, 0.5, 0.25)


class NoisyEngine(FakeEngine):
    """Opens sessions whose accuracies depend on the seed."""

    def open(self, job: NetJob) -> FakeSession:
        self.opened += 1
        return NoisySession(job, self)


@pytest.fixture
def engine(digits: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NoisyEngine:
    fake = NoisyEngine()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "open_engine", lambda name, site: fake)
    monkeypatch.setenv("LRBENCH_HOME", str(digits.folder.parents[1]))
    (tmp_path / "trial.yaml").write_text(SPEC)
    return fake


def counts(results: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in results.glob("*/*/run.json"):
        policy = json.loads(path.read_text())["policy"]
        found[policy] = found.get(policy, 0) + 1
    return found


def test_policies_that_cannot_be_told_apart_get_more_seeds_and_the_clearly_worse_none(engine, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lrbench.run("trial.yaml", seeds={"until": "0.1 points", "at_most": 8})
    assert counts(tmp_path / "results") == {"FIX(k0=0.9)": 8, "FIX(k0=0.901)": 8, "FIX(k0=0.5)": 3}
    rule = "Seeds are added, up to 8 a policy, until each difference is significant or known to ± 0.10 points"
    end = "1 of 3 differences are neither, of policies that have all 8 seeds; p is corrected for the 3 planned looks"
    assert f"after 8 seeds: {rule}: {end}" in caplog.text
    report = read_report([tmp_path / "results"])
    assert f"{rule}: {end}" in " ".join(terminal_report(report).split())
    tests = report.workloads[0].tests
    assert tests is not None
    assert tests.looks == 3
    lrbench.run("trial.yaml", seeds={"until": "0.1 points", "at_most": 8})
    assert engine.opened == 8 + 8 + 3


def test_it_ends_once_all_differences_are_known_well_enough(engine, tmp_path):
    lrbench.run("trial.yaml", seeds={"until": "5 points", "at_most": 20})
    assert set(counts(tmp_path / "results").values()) == {3}
    shown = " ".join(terminal_report(read_report([tmp_path / "results"])).split())
    assert "known to ± 5.00 points: all of them are; p is corrected for the 5 planned looks" in shown


def test_results_on_the_way_say_how_to_go_on(engine, tmp_path):
    lrbench.run("trial.yaml", seeds={"until": "0.1 points", "at_most": 8})
    for path in (tmp_path / "results" / "trial").glob("*-s7-*/status.json"):
        path.unlink()
    shown = " ".join(terminal_report(read_report([tmp_path / "results"])).split())
    assert "1 of 3 differences are neither yet: run the spec again to add more" in shown


def test_a_policy_that_diverges_gets_no_further_seeds(engine, tmp_path):
    engine.diverges_above = 0.9
    lrbench.run("trial.yaml", seeds={"until": "0.1 points", "at_most": 8})
    assert counts(tmp_path / "results") == {"FIX(k0=0.9)": 3, "FIX(k0=0.901)": 3, "FIX(k0=0.5)": 3}


def test_the_least_and_the_most_number_of_runs_are_said_before(engine):
    adding = ["--set", "seeds={until: 0.5 points, at_most: 20}", "--dry-run"]
    done = typed("run", "trial.yaml", *adding)
    said = done.stderr
    assert done.returncode == 0
    assert (
        "at least 9 and at most 60 runs: 3 seeds a policy, then 5, 8, 12 and 20 where differences are not known" in said
    )
    assert "how many seeds that takes, runs of this workload will tell: none with several seeds is stored" in said
    lrbench.run("trial.yaml", seeds=3)
    done = typed("run", "trial.yaml", *adding)
    assert done.returncode == 0
    assert "by the spread over the seeds of 3 stored policies that takes more than 20 seeds" in done.stderr


def test_a_part_of_the_runs_cannot_tell_which_seeds_to_add(engine):
    refusal = typed("run", "trial.yaml", "--set", "seeds={until: 0.5 points, at_most: 20}", "--shard", "1/2")
    assert refusal.returncode == 2
    assert "seeds are added by the results of all runs, of which --shard makes a part" in refusal.stderr
