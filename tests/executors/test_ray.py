"""Runs on a real Ray cluster of several nodes on this machine: as on the machine itself, whatever is lost meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories.measured import measured_runs
from factories.nets import LINEAR
from factories.ray_cluster import SETTINGS, TESTS, RayCluster
from factories.ray_kills import RayKilling, typed
from postgresql_server import free_port

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = [pytest.mark.caffe, pytest.mark.xdist_group("ray"), pytest.mark.slow]

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 60, test_interval: 20}
solver: {momentum: 0.9, weight_decay: 0.0005}
seeds: 1
policies: [FIX(k0=0.01), "TRI(k0=0.001, k1=0.02, l=30)", FIX(k0=1000)]
search: {functions: [FIX, TRI], rates: [0.001, 0.05], trials: 4, ahead: 2, confirm: 0, final_seeds: 0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(SPEC)
    return tmp_path


def lrbench(folder: Path, *words: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SETTINGS}
    command = typed(*words)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=timeout)


def test_runs_on_a_cluster_are_those_of_this_machine_and_only_here(cluster, folder):
    assert lrbench(folder, "run", "trial.yaml", "--results", "here").returncode == 0
    done = lrbench(folder, "run", "trial.yaml", "--results", "there", "--executor", f"ray://{cluster.address}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("sessions at a time: 2 (room on 2 nodes), with 1 BLAS thread each")
    assert measured_runs(folder / "there") == measured_runs(folder / "here")
    assert len(measured_runs(folder / "there")) == 3
    for run in (folder / "there/trial").glob("*/"):
        files = {path.name for path in run.iterdir()}
        assert {"run.json", "caffe.log", "net.prototxt", "solver.prototxt"} <= files
        assert files <= {path.name for path in (folder / "here/trial" / run.name).iterdir()} | {"usage.jsonl"}
        snapshots = [
            sorted(path.name for path in (folder / results / "trial" / run.name).glob("snapshots/iter_*"))
            for results in ("here", "there")
        ]
        assert snapshots[0] == snapshots[1]
        statuses = [
            json.loads((folder / results / "trial" / run.name / "status.json").read_text())
            for results in ("here", "there")
        ]
        assert statuses[0]["status"] == statuses[1]["status"]
    again = lrbench(folder, "run", "trial.yaml", "--results", "there", "--executor", f"ray://{cluster.address}")
    assert "3 already done, skipped" in again.stderr


def test_a_machine_that_is_no_node_trains_by_the_client_server(cluster, tmp_path):
    shutil.copy(LINEAR, tmp_path)
    (tmp_path / "trial.yaml").write_text(SPEC.replace("lenet", LINEAR.name))
    assert lrbench(tmp_path, "run", "trial.yaml", "--results", "here").returncode == 0
    for _ in range(5):  # Ray gives a server for the client 30 s to start, which is not enough on a busy machine
        done = lrbench(
            tmp_path, "run", "trial.yaml", "--results", "there", "--executor", f"ray://{cluster.client_address}"
        )
        if "the head is busy: type the command again" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    assert measured_runs(tmp_path / "there") == measured_runs(tmp_path / "here")


def test_a_search_on_a_cluster_tries_what_it_tries_here(cluster, folder):
    tried = {}
    for results, where in (("here", ()), ("there", ("--executor", f"ray://{cluster.address}"))):
        done = lrbench(folder, "tune", "trial.yaml", "--results", results, "--format", "json", *where)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        tried[results] = [(each["policy"], each["status"], each["iterations"]) for each in found["tried"]]
    assert len(tried["here"]) == 4
    assert tried["here"] == tried["there"]
    assert measured_runs(folder / "there") == measured_runs(folder / "here")


def test_nothing_is_lost_or_done_twice_when_workers_nodes_and_the_driver_are_killed(cluster, tmp_path):
    counted = RayKilling(cluster, tmp_path, kills=3).check()
    assert [counted[victim] for victim in ("worker", "node", "driver")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--threads", "64"), "a session needs 64 CPU, 1 GiB of memory, but no node of the cluster has that"),
        (("--set", "engine.device=gpu"), "1 GPU, but no node of the cluster has that"),
    ],
)
def test_resources_that_no_node_has_are_refused(cluster, folder, words, said):
    done = lrbench(folder, "run", "trial.yaml", "--executor", f"ray://{cluster.address}", *words, timeout=240)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "results").exists()


def test_a_node_without_caffe_is_refused(cluster, folder):
    """The node looks for Caffe in its own data folder."""
    said = refusal(
        cluster,
        folder,
        "import lrbench.cli.setup as setup",
        "from factories.ray_sites import without_caffe",
        "setup.node_site = without_caffe",
    )
    assert said.startswith("error: node ")
    assert "Caffe is not installed" in said


def test_another_version_of_ray_or_python_is_refused(cluster, folder):
    """The command takes itself for another version; the check of the versions is Ray's own."""
    said = refusal(
        cluster, folder, "from ray._private import utils", "utils.compute_version_info = lambda: ('2.0.0', '3.10.1')"
    )
    assert said.startswith(
        f"error: --executor ray://{cluster.address}: the cluster has another version of Ray or Python"
    )
    assert "Ray: 2.0.0 Python: 3.10.1" in said
    assert said.endswith("; use the same on all machines\n")


def refusal(cluster: RayCluster, folder: Path, *before: str) -> str:
    """The only line that a command says which lines of Python have prepared."""
    done = prepared_command(cluster, folder, *before)
    _, said = done.communicate(timeout=240)
    assert done.returncode == 2, said
    assert len(said.splitlines()) == 1
    return said


def prepared_command(cluster: RayCluster, folder: Path, *before: str) -> subprocess.Popen[str]:
    """``lrbench run`` on the cluster, in a process that executes these lines of Python before."""
    code = "\n".join((*before, "from lrbench.cli.main import main", "main()"))
    words = ["run", "trial.yaml", "--executor", f"ray://{cluster.address}"]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))}
    command = [sys.executable, "-c", code, *words]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)


def test_runs_wait_when_no_node_is_left_say_so_and_go_on_when_one_comes(cluster, folder):
    (folder / "trial.yaml").write_text(SPEC.replace("iterations: 60", "iterations: 400"))
    assert lrbench(folder, "run", "trial.yaml", "--results", "here").returncode == 0
    command = prepared_command(
        cluster, folder, "import lrbench.executors.ray.pool as pool", "pool.PATIENCE_SECONDS = 1"
    )
    said: list[str] = []
    assert command.stderr is not None
    for line in command.stderr:
        said.append(line)
        if "iteration 20" in line and not any("iteration 20" in earlier for earlier in said[:-1]):
            for raylet in cluster.raylets():
                cluster.kill(raylet)
        elif "waiting: no node of the cluster has had room for a worker for 1 s" in line:
            cluster.add(2)
            break
    said += command.stderr
    assert command.wait(timeout=300) == 0, "".join(said)
    assert measured_runs(folder / "results") == measured_runs(folder / "here")


def test_an_address_without_a_cluster_is_refused(folder):
    port = free_port()
    done = lrbench(folder, "run", "trial.yaml", "--executor", f"ray://127.0.0.1:{port}", timeout=120)
    assert done.returncode == 2
    assert f"nothing answers at 127.0.0.1:{port}" in done.stderr
    done = lrbench(folder, "run", "trial.yaml", "--executor", "ray://here", timeout=120)
    assert done.returncode == 2
    assert "'here' is no HOST:PORT" in done.stderr


PROGRAM = """
import json
from pathlib import Path
import lrbench
from helper import slope

state = {"weight": 1.0}
run = lrbench.attach(
    save=lambda folder: (Path(folder) / "state.json").write_text(json.dumps(state)),
    restore=lambda folder: state.update(json.loads((Path(folder) / "state.json").read_text())),
)
for t in run:
    loss = state["weight"] ** 2
    state["weight"] -= run.rate * slope(state["weight"])
    run.step(loss)
    if run.should_evaluate:
        run.report(test_loss=state["weight"] ** 2)
"""
PROGRAM_SPEC = """
workload: {program: train.py, iterations: 12, evaluate_every: 4}
policies: ["STEP(k0=0.1, gamma=0.5, l=8)", "FIX(k0=0.1)"]
objective: {metric: test_loss}
"""


def test_a_program_is_sent_with_the_consent_that_was_typed_and_its_snapshots_hold_on_every_node(cluster, tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text("def slope(weight):\n    return 2 * weight\n")
    (tmp_path / "train.yaml").write_text(PROGRAM_SPEC)
    where = ("--executor", f"ray://{cluster.address}", "-j", "2")
    refused = lrbench(tmp_path, "run", "train.yaml", "--results", "there", *where)
    assert refused.returncode == 2
    assert "train.py would be executed, which needs your consent" in refused.stderr
    for results, more in (("here", ()), ("there", where)):
        done = lrbench(tmp_path, "run", "train.yaml", "--program", "--results", results, *more)
        assert done.returncode == 0, done.stderr
    assert len(measured_runs(tmp_path / "there")) == 2
    assert measured_runs(tmp_path / "there") == measured_runs(tmp_path / "here")
    branches = [json.loads(path.read_text()).get("branch") for path in tmp_path.glob("there/train/*/run.json")]
    assert sum(branch is not None for branch in branches) == 1
