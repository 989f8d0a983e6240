"""``lrbench slurm``: the script, and array jobs on a cluster of two nodes that the tests start."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from factories.nets import LINEAR
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from slurm_cluster import PATIENCE_SECONDS, Cluster

from lrbench.runs.directory import RunDirectory

SPEC = """\
name: exp
workload: {net: linear.prototxt, dataset: digits, batch_size: 20, test_batch_size: 100, iterations: 40, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
seeds: [0, 1, 2]
policies: ["FIX(k0=0.01)"]
search: {functions: [FIX, COS], rates: [0.001, 0.1], trials: 4, finalists: 1}
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return "exp.yaml"


def test_the_script_has_the_options_of_sbatch_and_of_the_run(lrbench, spec, tmp_path):
    options = ["-j", "2", "--engine", "torch", "--gpus", "--", "--time=1:00:00", "--mem", "4G", "--comment=a b"]
    code, out, err = lrbench("slurm", spec, "--tasks", "3%2", *options)
    assert (code, err) == (0, "")
    head = [line.removeprefix("#SBATCH ") for line in out.splitlines() if line.startswith("#SBATCH")]
    assert head == [
        "--job-name=lrbench-exp",
        "--array=1-3%2",
        f"--chdir={tmp_path}",
        "--output=lrbench-exp-%A_%a.log",
        "--open-mode=append",
        "--requeue",
        "--signal=B:USR1@120",
        "--time=1:00:00",
        "--mem 4G",
        "'--comment=a b'",
    ]
    command = f"{sys.executable} -m lrbench run exp.yaml -j 2 --engine torch --gpus all"
    assert f'\n{command} --shard "$SLURM_ARRAY_TASK_ID/3" &\n' in out


def test_a_search_is_one_for_all_tasks(lrbench, spec, tmp_path):
    code, _, err = lrbench("slurm", spec, "--tune", "--tasks", 4, "--gpus", "--storage", "s.journal", "-o", "job.sh")
    assert (code, err) == (0, "wrote job.sh\n")
    command = "tune exp.yaml --set engine.device=gpu --set 'engine.device_ids=[0]' --storage s.journal &\n"
    assert f" -m lrbench {command}" in (tmp_path / "job.sh").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tasks", "0"], "'0' is not N or N%K, such as 8 or 100%10"),
        (["--tasks", "4"], "error: --tasks: 4 tasks for 3 runs; give fewer"),
        (["--tasks", "2", "--", "--array=1-4"], "error: --array=1-4: --array is set by lrbench slurm; use --tasks"),
        (["--tasks", "2", "--", "4:00"], "error: 4:00: is not an option of sbatch; write it as in --time=4:00:00"),
        (["--tasks", "2", "--", "--time=1\n#SBATCH --uid=0"], "an option of sbatch has more than one line"),
        (["--tasks", "2", "--storage", "s.journal"], "--storage is for --tune"),
        (["--tasks", "2", "--submit"], "error: --submit: there is no sbatch on this machine; submit on a login node"),
    ],
)
def test_what_cannot_be_a_job_is_one_line(lrbench, spec, monkeypatch, options, words):
    monkeypatch.setattr("shutil.which", lambda _: None)
    code, out, err = lrbench("slurm", spec, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_what_sbatch_refuses_is_one_line(lrbench, spec, monkeypatch, tmp_path):
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    code, out, err = lrbench("slurm", spec, "--tasks", 2, "--submit", "--", "--partition=gpu")
    assert (code, out) == (2, "")
    line = "error: sbatch refuses the job: invalid partition specified: gpu; correct the options after --\n"
    assert err == line


@pytest.fixture
def submit(slurm_cluster: Cluster, spec, digits):
    """Submits a job of the spec as a user does; returns its number."""

    def run(*options: str) -> int:
        command = [sys.executable, "-m", "lrbench", "slurm", spec, "--submit", *options]
        done = subprocess.run(command, env=slurm_cluster.environment, capture_output=True, text=True, check=False)
        found = re.fullmatch(r"Submitted batch job (\d+)\n", done.stderr)
        assert found, done.stderr
        return int(found[1])

    return run


def runs(name: str = "exp") -> list[RunDirectory]:
    return [RunDirectory(path.parent) for path in sorted(Path("results", name).glob("*/run.json"))]


def begun(job: int, cluster: Cluster) -> RunDirectory:
    """Wait until a run of the only task has an evaluation on disk, and more to do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for run in runs():
            if run.snapshots() and not run.status().done:
                return run
        assert time.monotonic() < deadline, cluster.ask("scontrol", "show", "job", str(job))
        time.sleep(0.1)


@pytest.mark.xdist_group("slurm")
def test_an_array_job_does_every_run_once(submit, slurm_cluster):
    record = slurm_cluster.wait(submit("--tasks", "2", "--", "--exclusive"))
    assert record.count("JobState=COMPLETED") == 2
    assert {*re.findall(r"BatchHost=(\w+)", record)} == {"n1", "n2"}
    assert [run.status().status for run in runs()] == ["finished"] * 3
    logs = "".join(path.read_text() for path in Path().glob("lrbench-exp-*.log"))
    assert ("2 runs: 2 finished" in logs, "1 run: 1 finished" in logs) == (True, True)


@pytest.mark.xdist_group("slurm")
@pytest.mark.parametrize("by", ["time limit", "preemption", "loss of its node"])
def test_a_task_that_is_cut_off_is_queued_again_and_resumes(submit, slurm_cluster, by):
    longer = ("--set", "workload.iterations=40000", "--set", "workload.test_interval=1000")
    job = submit("--tasks", "1", *longer, "--set", "seeds=1")
    run = begun(job, slurm_cluster)
    if by == "time limit":  # what SLURM sends the seconds before it that --signal names
        slurm_cluster.ask("scancel", "--batch", "--signal=USR1", f"{job}_1")
    elif by == "preemption":
        slurm_cluster.ask("scontrol", "requeue", f"{job}_1")
    else:
        slurm_cluster.lose(slurm_cluster.ask("squeue", "--noheader", f"--job={job}", "--format=%N").strip())
    record = slurm_cluster.wait(job)
    assert "JobState=COMPLETED" in record
    assert "Restarts=1" in record
    assert [row.iteration for row in run.evaluations()] == list(range(1000, 40001, 1000))
    assert "resuming at iteration" in Path(f"lrbench-exp-{job}_1.log").read_text()


@pytest.mark.xdist_group("slurm")
def test_a_cancelled_task_is_not_queued_again(submit, slurm_cluster):
    job = submit("--tasks", "1", "--set", "workload.iterations=3000", "--set", "seeds=1")
    run = begun(job, slurm_cluster)
    slurm_cluster.ask("scancel", str(job))
    record = slurm_cluster.wait(job)
    assert "JobState=CANCELLED" in record
    assert "Restarts=0" in record
    assert not run.status().done


@pytest.mark.xdist_group("slurm")
def test_the_tasks_of_a_search_share_its_trials(submit, slurm_cluster):
    record = slurm_cluster.wait(submit("--tune", "--tasks", "2", "--", "--exclusive"))
    assert record.count("JobState=COMPLETED") == 2
    storage = JournalStorage(JournalFileBackend("results/exp-tune/study.journal"))
    (study,) = optuna.get_all_study_summaries(storage)
    assert study.n_trials == 4
    assert all(run.status().status in ("finished", "pending", "diverged") for run in runs("exp-tune"))
    assert [json.loads((run.path / "status.json").read_text())["status"] for run in runs("exp-confirmed")]
