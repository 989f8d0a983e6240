"""``engine.lanes`` as a user sets it: the same results, one process, honest lines."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import typed
from factories.measured import measured_runs
from factories.nets import LINEAR
from factories.processes import children

PYTHON = sys.executable  # not a fork
SPEC = """
workload: {net: linear.prototxt, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 300, test_interval: 20}
solver: {momentum: 0.9, weight_decay: 0.0005}
engine: {name: torch}
policies: [FIX(k0=0.01), "TRI(k0=0.001, k1=0.02, l=30)", FIX(k0=100000), "STEP(k0=0.01, gamma=0.5, l=20)"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [PYTHON, "-m", "lrbench", *arguments]


def lrbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed(*arguments, cwd=folder)


@pytest.fixture(scope="module")
def expected(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the runs measure one by one."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(template))
        answer = lrbench(folder, "run", "trial.yaml")
    assert answer.returncode == 0, answer.stderr
    return measured_runs(folder / "results")


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.engines
def test_the_results_are_those_of_runs_one_by_one(folder, expected):
    answer = lrbench(folder, "run", "trial.yaml", "-j", "1", "--set", "engine.lanes=3")
    assert answer.returncode == 0, answer.stderr
    assert "4 runs: 1 diverged, 3 finished" in answer.stderr
    assert measured_runs(folder / "results") == expected
    found = [json.loads(path.read_text())["engine"]["lanes"] for path in folder.glob("results/*/*/run.json")]
    assert found == [3, 3, 3, 3]
    assert "4 already done, skipped" in lrbench(folder, "run", "trial.yaml", "--set", "engine.lanes=auto").stderr


def test_an_interruption_ends_all_lanes_and_another_number_of_them_goes_on(folder, expected, template, monkeypatch):
    arguments = ("run", "trial.yaml", "--set", "engine.lanes=4")
    process = subprocess.Popen(command(*arguments), cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "iteration 20" in line and "accuracy" in line:
            break
    workers = children(lambda child: "worker" in " ".join(child.cmdline()), process.pid)
    assert len(workers) == 1
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=200) == 130, rest
    assert "Traceback" not in rest
    assert not psutil.wait_procs(workers, timeout=100)[1]
    monkeypatch.setattr(sys, "executable", str(template))
    answer = lrbench(folder, "run", "trial.yaml", "--set", "engine.lanes=2")
    assert answer.returncode == 0, answer.stderr
    assert measured_runs(folder / "results") == expected


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.engines
def test_auto_says_what_it_chose_and_the_dry_run_counts_lanes(folder):
    answer = lrbench(folder, "run", "trial.yaml", "--dry-run", "--set", "engine.lanes=auto")
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^lanes: [124], as (2|4) would|^lanes: [124], as there", answer.stderr, re.MULTILINE)
    answer = lrbench(folder, "run", "trial.yaml", "--dry-run", "--set", "engine.lanes=9")
    assert re.search(r"4 of 4 runs to do; about \S+ with -j 1 and 4 lanes \(measured", answer.stderr)


@pytest.mark.caffe
def test_lanes_of_an_engine_without_any_are_refused_with_their_line(folder):
    (folder / "trial.yaml").write_text(SPEC.replace("{name: torch}", "{lanes: 2}"))
    answer = lrbench(folder, "run", "trial.yaml")
    assert answer.returncode == 2
    assert answer.stderr == (
        "error: trial.yaml:4: the engine caffe trains one run a session, so that engine.lanes can "
        "only be 1; leave it out and use -j, or set engine.name to torch\n"
    )
