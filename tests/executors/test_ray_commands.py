"""Each command that trains, on a real Ray cluster: its evaluations are those of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from factories.measured import measured_runs
from factories.ray_cluster import SETTINGS, TESTS
from factories.ray_kills import typed

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow]

SPEC = """
name: trial
workload: {net: lenet, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 40, test_interval: 10}
engine: {name: made-up}
solver: {momentum: 0.9}
seeds: 1
policies: [FIX(k0=0.01)]
range: {low: 0.001, high: 0.5}
search: {functions: [FIX], rates: [0.001, 0.05], trials: 3, ahead: 2, confirm: 0, final_seeds: 0}
composition: {stages: 2}
"""
COMMANDS = {
    "range": ["range", "trial.yaml"],
    "compose": ["compose", "trial.yaml"],
    "verify": ["verify", "trial.yaml", "--policy", "FIX(k0=0.02)", "--target", "0.3", "--phase", "policy"],
    "branch": ["branch", "{run}", "--at", "20,30"],
    "extend": ["extend", "{run}", "--to", "60"],
}


@pytest.fixture(scope="module")
def trained(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec and the results of its run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "trial.yaml").write_text(SPEC)
    lrbench(folder, package, "run", "trial.yaml")
    return folder


def lrbench(folder: Path, package: Path, *words: str, codes: tuple[int, ...] = (0,)) -> None:
    path = os.pathsep.join(map(str, (package, TESTS.parent, TESTS)))
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": path, "LRBENCH_DB": str(folder / "policies.sqlite")}
    done = subprocess.run(typed(*words), cwd=folder, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode in codes, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_trains_on_a_cluster_what_it_trains_here(cluster, package, trained, tmp_path, command):
    found = []
    for name, where in (("here", []), ("there", ["--executor", f"ray://{cluster.address}"])):
        folder = shutil.copytree(trained, tmp_path / name)
        (run,) = (folder / "results/trial").glob("FIX*")
        words = [word.format(run=run.relative_to(folder)) for word in COMMANDS[command]]
        lrbench(folder, package, *words, "-j", "2", *where)
        found.append(measured_runs(folder / "results"))
    here, there = found
    assert len(here) > 1  # beside the run of the spec
    assert there == here


def test_bundles_of_short_runs_lose_nothing_with_a_killed_worker(cluster, package, tmp_path):
    (tmp_path / "trial.yaml").write_text(SPEC.replace("seeds: 1", "seeds: 120"))
    lrbench(tmp_path, package, "run", "trial.yaml", "--results", "here", "-j", "2")
    killed = threading.Event()

    def kill() -> None:
        while len([*(tmp_path / "there/trial").glob("*/snapshots")]) < 40:
            time.sleep(0.01)
        os.kill(cluster.workers()[0], signal.SIGKILL)
        killed.set()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    where = ("--executor", f"ray://{cluster.address}")
    lrbench(tmp_path, package, "run", "trial.yaml", "--results", "there", "-j", "2", *where)
    assert killed.is_set()
    assert len(measured_runs(tmp_path / "here")) == 120
    assert measured_runs(tmp_path / "there") == measured_runs(tmp_path / "here")
