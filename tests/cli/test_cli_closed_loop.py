"""Closed-loop policies as a user runs them, on real Caffe and PyTorch: killed after a switch, they go on exactly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import typed
from factories.measured import measured_runs
from factories.nets import LINEAR

pytestmark = pytest.mark.caffe

# After the first evaluation none is better by the threshold: a plateau is reached at each, however training goes.
PYTHON = sys.executable  # not a fork
SPEC = """
name: trial
workload: {net: linear.prototxt, dataset: digits, batch_size: 8, test_batch_size: 100, iterations: 400, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
policies:
  - SWITCH(policies=[FIX(k0=0.01), TRI(k0=0.001, k1=0.02, l=8), FIX(k0=0.002)], patience=2, threshold=1,
    threshold_mode=abs, cooldown=1, monitor=accuracy)
  - WARMUP(policy=PLATEAU(k0=0.02, factor=0.8, patience=1, threshold=9, threshold_mode=abs), l=15)
"""
RATES = {
    # Patience 2: the plateaus are at 30, and, 40 being the cooldown, at 60. The last rate before an evaluation at t is
    # that of t - 1; the triangle has 8 iterations up and 8 down from t = 30 on.
    "SWITCH": [0.01] * 3 + [0.001 + 0.019 * rise / 8 for rise in (7, 3, 3)] + [0.002] * 34,
    # Warm-up until 15; its first own evaluation is at 20, and each from 30 on is a plateau.
    "WARMUP": [0.02 * 9 / 15, 0.02, 0.02] + [0.02 * 0.8**power for power in range(1, 38)],
}


def start(engine: str, results: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            PYTHON,
            "-m",
            "lrbench",
            "run",
            "trial.yaml",
            "--engine",
            engine,
            "--results",
            str(results),
            "-j",
            "2",
        ],
        cwd=results.parent,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(engine: str, results: Path) -> str:
    """What a call that ends well says."""
    arguments = ("run", "trial.yaml", "--engine", engine, "--results", results, "-j", "2")
    answer = typed(*arguments, cwd=results.parent)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


def rows(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the evaluations of each run by the LR function of its policy."""
    return {name.partition("_")[0]: found for name, found in measured_runs(results).items()}


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_run_killed_after_a_switch_goes_on_as_the_uninterrupted_one(tmp_path, engine):
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    finished(engine, tmp_path / "whole")
    expected = rows(tmp_path / "whole")
    assert {name: [row["learning_rate"] for row in found] for name, found in expected.items()} == {
        name: pytest.approx(rates, rel=1e-9) for name, rates in RATES.items()
    }
    process = start(engine, tmp_path / "cut")
    assert process.stderr is not None
    next(line for line in process.stderr if "iteration 70" in line)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert any(7 <= len(found) < 40 for found in rows(tmp_path / "cut").values()), "killed too late to show anything"
    assert "resuming at iteration" in finished(engine, tmp_path / "cut")
    assert rows(tmp_path / "cut") == expected
