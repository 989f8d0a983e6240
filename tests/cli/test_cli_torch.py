"""``lrbench run --engine torch`` and ``lrbench parity`` as a user types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from command_line import typed
from factories.nets import LINEAR

pytestmark = pytest.mark.usefixtures("warm_torch")
SPEC = """
workload: {net: linear.prototxt, dataset: digits, batch_size: 32, test_batch_size: 100, iterations: 60, test_interval: 20}
solver: {momentum: 0.9, weight_decay: 0.0005}
policies: [FIX(k0=0.01), "TRI(k0=0.001, k1=0.02, l=30)", FIX(k0=100000)]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return tmp_path


def lrbench(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return typed(*arguments, cwd=folder)


@pytest.mark.engines
def test_a_spec_runs_on_pytorch_with_one_word_changed(folder):
    answer = lrbench(folder, "run", "trial.yaml", "--engine", "torch", "-j", "2")
    assert answer.returncode == 0, answer.stderr
    assert "3 runs: 1 diverged, 2 finished" in answer.stderr
    found = json.loads(lrbench(folder, "report", "results", "--format", "json").stdout)
    accuracies = {run["policy"]: run["best_accuracy"] for run in found["runs"]}
    assert accuracies["FIX(k0=0.01)"] > 0.8
    assert accuracies["TRI(k0=0.001, k1=0.02, l=30)"] > 0.8
    assert {run["engine"]["name"] for run in found["runs"]} == {"torch"}
    assert "3 already done, skipped" in lrbench(folder, "run", "trial.yaml", "--engine", "torch").stderr


@pytest.mark.caffe
def test_parity_shows_both_engines_side_by_side_with_a_verdict(folder):
    answer = lrbench(folder, "parity", "trial.yaml", "--iterations", "10", "--set", "workload.net=lenet")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0].split() == [
        "iteration",
        "rate",
        "loss,",
        "Caffe",
        "loss,",
        "torch",
        "difference",
        "control",
        "difference",
    ]
    assert [line.split()[0] for line in lines[2:6]] == ["1", "2", "5", "10"]
    assert lines[-1] == "verdict: torch agrees with Caffe"


@pytest.mark.engines
def test_runs_in_another_precision_are_runs_of_their_own_and_a_row_of_their_own(folder):
    for precision in ("float32", "bf16"):
        answer = lrbench(
            folder,
            "run",
            "trial.yaml",
            "--engine",
            "torch",
            "--set",
            "policies=[FIX(k0=0.01)]",
            "--set",
            f"engine.precision={precision}",
        )
        assert answer.returncode == 0, answer.stderr
        assert "1 run: 1 finished\n" in answer.stderr
    runs = json.loads(lrbench(folder, "report", "results", "--format", "json").stdout)["runs"]
    assert {(run["engine"]["precision"], run["engine"]["deterministic"]) for run in runs} == {
        ("float32", True),
        ("bf16", True),
    }
    table = lrbench(folder, "report", "results").stdout
    assert "torch (precision=bf16)" in " ".join(table.split())


def test_an_engine_is_held_to_caffe_in_caffes_own_precision(folder):
    answer = lrbench(folder, "parity", "trial.yaml", "--set", "engine={name: torch, precision: bf16}")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines() == [
        "error: --set engine: engine.precision is 'bf16', but Caffe computes in "
        "float32; leave it out, or type --set engine.precision=float32"
    ]


def test_an_unknown_engine_is_refused(folder):
    answer = lrbench(folder, "run", "trial.yaml", "--engine", "pytorch")
    assert answer.returncode == 2
    assert "torch" in answer.stderr
