"""``lrbench run`` as a user types it, on real Caffe: done once, resumed exactly, honest about failures."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select
from typing import Any

import psutil
import pytest
from command_line import typed
from factories.measured import measured_runs
from factories.nets import LINEAR
from factories.processes import children

from lrbench.api.environment import home

pytestmark = pytest.mark.caffe

SPEC = """
name: trial
workload:
  net: linear.prototxt
  dataset: digits
  batch_size: 16
  test_batch_size: 100
  iterations: 400
  test_interval: 20
  display_interval: 20
solver: {type: SGD, momentum: 0.9, weight_decay: 0.0005}
target_accuracy: 0.8
policies:
  - FIX(k0=0.01)
  - TRI(k0=0.001, k1=0.02, l=30)
"""
Command = Callable[..., list[str]]


def with_spec(folder: Path) -> Path:
    (folder / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_spec(tmp_path)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lrbench", *arguments]


def lrbench(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return typed(*arguments, cwd=folder, variables=variables)


def statuses(results: Path) -> list[str]:
    return sorted(json.loads(path.read_text())["status"] for path in results.glob("*/*/status.json"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the runs give when nothing disturbs them."""
    folder = with_spec(tmp_path_factory.mktemp("uninterrupted"))
    answer = lrbench(folder, "run", "trial.yaml", "-j", "2")
    assert answer.returncode == 0, answer.stderr
    return measured_runs(folder / "results")


def test_a_run_leaves_what_the_design_says_and_the_second_call_skips_it(folder, uninterrupted):
    first = lrbench(folder, "run", "trial.yaml", "-j", "2")
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert "2 runs: 2 finished" in first.stderr
    assert "next: lrbench report results/trial" in first.stderr
    assert measured_runs(folder / "results") == uninterrupted
    run = next((folder / "results/trial").glob("FIX*"))
    assert {path.name for path in run.iterdir()} >= {
        "run.json",
        "net.prototxt",
        "solver.prototxt",
        "evaluations.jsonl",
        "status.json",
        "caffe.log",
        "snapshots",
    }
    description = json.loads((run / "run.json").read_text())
    assert description["policy"] == "FIX(k0=0.01)"
    assert description["engine"]["driver"] == "stepping"
    rows = uninterrupted[run.name]
    assert [row["iteration"] for row in rows] == [*range(20, 401, 20)]
    assert rows[-1]["accuracy_top1"] > 0.8
    before = (run / "evaluations.jsonl").stat().st_mtime_ns
    second = lrbench(folder, "run", "trial.yaml")
    assert second.returncode == 0
    assert "2 runs: 2 finished (2 already done, skipped)" in second.stderr
    assert (run / "evaluations.jsonl").stat().st_mtime_ns == before


def test_the_solver_in_the_folder_works_with_plain_caffe_train(folder, uninterrupted, caffe_environment):
    lrbench(folder, "run", "trial.yaml", "--set", "policies=[FIX(k0=0.01)]", "--set", "workload.iterations=40")
    run = next((folder / "results/trial").glob("FIX*"))
    train = ("GLOG_logtostderr=1", *caffe_environment.tool, "train", "--solver=solver.prototxt")
    answer = subprocess.run(caffe_environment.command(train, 1), cwd=run, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-500:]
    shown = [line for line in answer.stderr.splitlines() if "Test net output" in line and " accuracy_top1 = " in line]
    own = [row["accuracy_top1"] for row in measured_runs(folder / "results")[run.name]]
    assert [float(line.rsplit("= ", 1)[1]) for line in shown] == pytest.approx(own, abs=1e-6)


def workers_of(process: int) -> list[psutil.Process]:
    return children(lambda child: "worker.py" in " ".join(child.cmdline()), process)


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=100)
    return not alive


def test_after_kill_9_at_any_moment_the_next_call_gives_the_same_evaluations(folder, uninterrupted):
    moments = random.Random(0)
    for _ in range(8):
        process = subprocess.Popen(command("run", "trial.yaml", "-j", "2"), cwd=folder, stderr=subprocess.PIPE)
        assert process.stderr is not None
        if moments.random() < 0.5:  # while it starts, or at one of the first lines that it prints
            select([process.stderr], [], [], moments.uniform(0, 2))
        else:
            for _ in range(moments.randint(1, 8)):
                process.stderr.readline()
        workers = workers_of(process.pid)
        process.kill()
        process.communicate()
        assert gone(workers), "Caffe outlived LRBench"
    answer = lrbench(folder, "run", "trial.yaml", "-j", "2")
    assert answer.returncode == 0, answer.stderr
    assert measured_runs(folder / "results") == uninterrupted
    assert statuses(folder / "results") == ["finished"] * 2


def test_an_interruption_ends_the_children_keeps_what_is_done_and_says_how_to_resume(folder, uninterrupted):
    for number, after in ((signal.SIGINT, "40 "), (signal.SIGTERM, "200 ")):
        process = subprocess.Popen(
            command("run", "trial.yaml", "-j", "2"), cwd=folder, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        seconds = (line for line in process.stderr if line.split("  iteration ")[-1].startswith(after))
        next(seconds)
        workers = workers_of(process.pid)
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=200) == 130
        assert gone(workers)
        assert len(workers) == 2
        assert "to resume, type: lrbench run trial.yaml -j 2" in rest
        assert "Traceback" not in rest
        assert any(len(rows) >= 2 for rows in measured_runs(folder / "results").values())
    answer = lrbench(folder, "run", "trial.yaml", "-j", "2")
    assert answer.returncode == 0
    assert "resuming at iteration" in answer.stderr
    assert measured_runs(folder / "results") == uninterrupted


def test_two_calls_at_once_on_one_results_folder_do_each_run_once(folder, uninterrupted):
    both = [
        subprocess.Popen(command("run", "trial.yaml"), cwd=folder, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = [process.communicate(timeout=200)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sum(text.count("  started\n") for text in told) == 2
    assert measured_runs(folder / "results") == uninterrupted


def test_a_dying_caffe_fails_that_run_alone_and_the_next_call_does_it_again(folder, uninterrupted):
    process = subprocess.Popen(command("run", "trial.yaml", "-j", "2"), cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "iteration 20" in line:
            break
    workers_of(process.pid)[0].kill()
    rest = process.stderr.read()
    assert process.wait(timeout=120) == 1
    assert "Caffe was killed by SIGKILL" in rest
    assert statuses(folder / "results") == ["failed", "finished"]
    assert lrbench(folder, "run", "trial.yaml").returncode == 0
    assert measured_runs(folder / "results") == uninterrupted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds the runs' snapshots and little else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        os.geteuid() != 0
        or mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a small disk needs the right to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_fails_the_run_with_its_reason_and_the_others_go_on(folder, uninterrupted, small_disk):
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 220_000))
    answer = lrbench(folder, "run", "trial.yaml", "--results", "disk/results", "-j", "1")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert statuses(small_disk / "results") == ["failed", "failed"]
    assert "2 runs: 2 failed" in answer.stderr
    reasons = [json.loads(path.read_text())["reason"] for path in small_disk.glob("results/*/*/status.json")]
    assert all("disk is full" in reason or "No space left" in reason for reason in reasons), reasons
    (small_disk / "ballast").unlink()
    answer = lrbench(folder, "run", "trial.yaml", "--results", "disk/results", "--set", "policies=[FIX(k0=0.01)]")
    assert answer.returncode == 0, answer.stderr
    name, rows = next(item for item in measured_runs(small_disk / "results").items() if item[0].startswith("FIX"))
    assert rows == uninterrupted[name]


def test_a_diverged_run_is_an_outcome(folder):
    answer = lrbench(
        folder,
        "run",
        "trial.yaml",
        "--set",
        "policies=[FIX(k0=10)]",
        "--set",
        "workload.net=lenet",
        "--set",
        "workload.iterations=40",
    )
    assert answer.returncode == 0
    assert "1 run: 1 diverged" in answer.stderr
    assert "nan%" not in answer.stderr


def test_shares_and_robustness_and_stopping_at_the_target(folder):
    options = ["--set", "robustness.scales=[0.5, 1, 2]", "--set", "stopping.at_target=true"]
    for index in (1, 2):
        answer = lrbench(folder, "run", "trial.yaml", "--shard", f"{index}/2", "-j", "2", *options)
        assert answer.returncode == 0, answer.stderr
        assert "3 runs: 3 stopped" in answer.stderr
    scales = sorted(json.loads(path.read_text())["lr_scale"] for path in folder.glob("results/*/*/run.json"))
    assert scales == [0.5, 0.5, 1, 1, 2, 2]


def test_dry_run_shows_the_runs_in_order_with_an_estimate_and_writes_nothing(folder):
    answer = lrbench(folder, "run", "trial.yaml", "--dry-run", "--set", "seeds=[0, 1]")
    assert answer.returncode == 0
    labels = [line.split("  ->")[0].split(maxsplit=2)[2] for line in answer.stdout.splitlines()]
    assert labels == [
        "FIX(k0=0.01) SGD seed 0",
        "TRI(k0=0.001, k1=0.02, l=30) SGD seed 0",
        "FIX(k0=0.01) SGD seed 1",
        "TRI(k0=0.001, k1=0.02, l=30) SGD seed 1",
    ]
    assert "4 of 4 runs to do; about 0:0" in answer.stderr
    assert not (folder / "results").exists()


def test_the_native_driver_gives_the_same_accuracies(folder, uninterrupted):
    answer = lrbench(folder, "run", "trial.yaml", "--set", "engine.driver=native", "--set", "policies=[FIX(k0=0.01)]")
    assert answer.returncode == 0, answer.stderr
    rows = next(iter(measured_runs(folder / "results").values()))
    expected = next(rows for name, rows in uninterrupted.items() if name.startswith("FIX"))
    for name in ("iteration", "accuracy_top1", "test_loss", "average_confidence", "expected_calibration_error"):
        assert [row[name] for row in rows] == [row[name] for row in expected]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "engine.driver=native"], "TRI(k0=0.001, k1=0.02, l=30) has no native form"),
        (["--set", "engine.device=gpu"], "Caffe cannot use GPU 0: "),
        (["--set", "workload.test_batch_size=64"], "500 samples, which is not a multiple of the test batch of 64"),
        (["--shard", "3/2"], "is not I/N"),
        (["--results", "trial.yaml"], "cannot write the results folder"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(folder, options, words):
    answer = lrbench(folder, "run", "trial.yaml", *options)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (folder / "results").exists()
    assert (folder / "trial.yaml").read_text() == SPEC


def test_without_caffe_the_line_says_what_to_type(folder):
    empty = folder / "empty_home"
    shutil.copytree(home() / "data", empty / "data")
    answer = lrbench(folder, "run", "trial.yaml", LRBENCH_HOME=str(empty))
    assert answer.returncode == 2
    assert "lrbench caffe install" in answer.stderr
    answer = lrbench(folder, "run", "trial.yaml", LRBENCH_CAFFE=sys.executable)
    assert answer.returncode == 2
    assert "No module named 'caffe'" in answer.stderr
    answer = lrbench(folder, "run", "trial.yaml", LRBENCH_CAFFE="/nowhere/python")
    assert answer.returncode == 2
    assert "LRBENCH_CAFFE" in answer.stderr


def test_a_results_folder_that_cannot_be_written_is_named(folder):
    (folder / "results").write_text("a file\n")
    answer = lrbench(folder, "run", "trial.yaml")
    assert answer.returncode == 2
    assert "results" in answer.stderr
    assert (folder / "results").read_text() == "a file\n"
    assert "started" not in answer.stderr


def test_dry_run_without_data_or_caffe_still_shows_the_runs(folder):
    empty = str(folder / "empty")
    answer = lrbench(folder, "run", "trial.yaml", "--dry-run", LRBENCH_HOME=empty)
    assert answer.returncode == 0
    assert answer.stdout.splitlines() == [
        "   1  FIX(k0=0.01) SGD seed 0",
        "   2  TRI(k0=0.001, k1=0.02, l=30) SGD seed 0",
    ]
    assert "type: lrbench data prepare digits" in answer.stderr
    assert lrbench(folder, "data", "prepare", "digits", LRBENCH_HOME=empty).returncode == 0
    answer = lrbench(folder, "run", "trial.yaml", "--dry-run", LRBENCH_HOME=empty)
    assert answer.returncode == 0
    assert "2 of 2 runs to do; no estimate: " in answer.stderr
    assert "lrbench caffe install" in answer.stderr


LONG_NET = """
name: "long_net"
layer { name: "digits" type: "Data" top: "x" top: "y" include { phase: TRAIN } transform_param { scale: 0.00390625 }
  data_param { source: "somewhere" batch_size: 8 backend: LMDB } }
layer { name: "digits" type: "Data" top: "x" top: "y" include { phase: TEST } transform_param { scale: 0.00390625 }
  data_param { source: "somewhere" batch_size: 8 backend: LMDB } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
%s
layer { name: "cost" type: "SoftmaxWithLoss" bottom: "fc" bottom: "y" top: "cost" }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "y" top: "acc" include { phase: TEST } }
"""
LONG_SPEC = """
workload: {net: long.prototxt, dataset: digits, batch_size: 20, test_batch_size: 100, iterations: 20, test_interval: 20}
policies: ["INV(k0=0.01, gamma=0.01, p=0.5)"]
engine: {driver: native}
"""


def test_the_log_of_a_net_too_long_for_caffes_logger_is_reported(folder):
    layers = (f'layer {{ name: "r{number}" type: "ReLU" bottom: "fc" top: "fc" }}' for number in range(450))
    (folder / "long.prototxt").write_text(LONG_NET % "\n".join(layers))
    (folder / "long.yaml").write_text(LONG_SPEC)
    done = lrbench(folder, "run", "long.yaml")
    assert done.returncode == 0, done.stderr
    (log,) = folder.glob("results/long/*/caffe.log")
    answer = lrbench(folder, "report", str(shutil.copy(log, folder / "copy.log")), "--format", "json")
    assert answer.returncode == 0, answer.stderr
    reported = json.loads(answer.stdout)
    (run,) = reported["runs"]
    assert run["policy"] == "INV(k0=0.01, gamma=0.01, p=0.5)"
    assert run["workload"].startswith("long_net on ")
    assert ", batch 20, 20 iterations" in run["workload"]
    assert 0 < run["best_accuracy"] <= 1
    (note,) = reported["notes"]
    assert "its net is cut where Caffe's logger ends a message, at 30,000 bytes" in note
