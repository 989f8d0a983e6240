"""``lrbench run --launcher torchrun``: a program in several processes, with gloo on the CPU."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from factories.script_folder import Folder

from lrbench.policies import parse_policy

TORCHRUN = ("--set", "seeds=[0]", "--launcher", "torchrun --nproc-per-node 2")
PROGRAM = """
import time

import lrbench
import torch
import torch.distributed as dist


def save(folder):
    torch.save({"model": model.state_dict(), "random": torch.get_rng_state()}, f"{folder}/state.pt")


def restore(folder):
    state = torch.load(f"{folder}/state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    torch.set_rng_state(state["random"])


run = lrbench.attach(save=save, restore=restore)
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(run.seed + rank)
used = open(f"used-{rank}.txt", "a")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = run.scheduler(optimizer)


def evaluate():
    total = sum(each.sum() for each in model.parameters()).detach() * (rank + 1)
    dist.all_reduce(total)
    return {"test_loss": total.item()}


for t in run:
    print(t, repr(optimizer.param_groups[0]["lr"]), file=used, flush=True)
    inputs = torch.randn(8, 4)  # others on each rank
    loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.step(loss, evaluate)
"""


FUNCTION = """
import resource

import lrbench.torch
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def training(seed):
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(seed + rank)
    data = TensorDataset(torch.randn(64, 4, generator=torch.Generator().manual_seed(3)))
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    model = torch.nn.parallel.DistributedDataParallel(net)

    def step(model, batch):
        return (model(batch[0]) - batch[0].sum(1, keepdim=True)).square().mean()

    def evaluate(model):
        with open(f"peak-{rank}", "w") as file:
            file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
        total = sum(each.abs().sum() for each in model.parameters()) * (rank + 1)
        dist.all_reduce(total)
        return {"test_loss": total.item()}

    batches = DataLoader(data, batch_size=8, sampler=DistributedSampler(data, seed=seed))
    return lrbench.torch.Training(
        model, torch.optim.AdamW(model.parameters(), lr=0.1), batches=batches, step=step, evaluate=evaluate
    )
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("train.py", PROGRAM)
    return folder


def processes_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.usefixtures("warm_programs")
def test_every_rank_gets_the_rates_and_rank_0_reports(folder):
    done = folder.train(*TORCHRUN)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].endswith(" and torchrun --nproc-per-node 2")
    expected = parse_policy("COSDECAY(k0=0.1)").rates(np.arange(12), 12).tolist()
    for rank in (0, 1):
        lines = (folder.path / f"used-{rank}.txt").read_text().splitlines()
        assert [float(line.split()[1]) for line in lines] == expected
    (run,) = folder.runs
    assert [row["iteration"] for row in folder.evaluations(run)] == [4, 8, 12]
    assert "1 of 1 runs to do" in folder.train("--set", "seeds=[0]", "--dry-run").stderr  # one process is another run
    assert "0 of 1 runs to do" in folder.train(*TORCHRUN, "--dry-run").stderr


def test_after_a_kill_no_process_lives_and_the_run_resumes_exactly(folder, template_of_programs, monkeypatch):
    words = (*TORCHRUN, "--set", "workload.iterations=20")
    with monkeypatch.context() as warm:
        warm.setattr(sys, "executable", str(template_of_programs))
        assert folder.train(*words, "--results", "whole").returncode == 0
    (whole,) = (folder.path / "whole/train").glob("*/")
    folder.write("train.yaml", (folder.path / "train.yaml").read_text() + "snapshots: {keep: all}\n")
    folder.write("train.py", PROGRAM.replace("    run.step(", "    time.sleep(0.2)\n    run.step("))
    for victim, iteration in (("lrbench", 4), ("torchrun", 8), ("rank", 12)):
        command = folder.command("run", "train.yaml", "--program", *words)
        process = subprocess.Popen(command, cwd=folder.path, stderr=subprocess.PIPE)
        folder.wait_for(f"results/train/*/snapshots/iter_{iteration:08}")
        others = processes_of(process)
        killed: dict[str, Any] = {
            "lrbench": process,
            "torchrun": next(each for each in others if "torch.distributed.run" in each.cmdline()),
            "rank": next(each for each in others if each.environ().get("RANK") == "1"),
        }
        killed[victim].send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(others, timeout=5)
        assert not alive
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if victim == "lrbench" else 1), errors
    monkeypatch.setattr(sys, "executable", str(template_of_programs))
    done = folder.train(*words)
    assert done.returncode == 0, done.stderr
    assert "resuming at iteration" in done.stderr
    assert folder.evaluations(folder.runs[0]) == folder.evaluations(whole)


@pytest.mark.usefixtures("warm_programs")
def test_a_training_in_two_ranks_resumes_exactly_and_its_usage_is_that_of_both(folder):
    folder.write("train.py", FUNCTION)
    words = (*TORCHRUN, "--set", "workload.function=training")
    done = folder.train(*words)
    assert done.returncode == 0, done.stderr
    (run,) = folder.runs
    whole = folder.evaluations(run)
    assert [row["iteration"] for row in whole] == [4, 8, 12]
    assert whole[0]["test_loss"] > whole[0]["train_loss"] > 0
    peaks = [int((folder.path / f"peak-{rank}").read_text()) for rank in (0, 1)]
    last = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    assert last["peak_memory_bytes"] >= sum(peaks)
    assert {path.name for path in (run / "snapshots/iter_00000008").iterdir()} >= {"training.pt", "rank_1"}
    folder.cut(run, 8)
    done = folder.train(*words)
    assert done.returncode == 0, done.stderr
    assert "resuming at iteration 8" in done.stderr
    assert folder.evaluations(run) == whole


@pytest.mark.usefixtures("warm_programs")
def test_a_rank_that_fails_is_named_by_the_users_line(folder):
    folder.write(
        "train.py", PROGRAM.replace("    loss.backward()", "    loss.backward()\n    if rank and t == 5: 1 / 0")
    )
    assert folder.train(*TORCHRUN).returncode == 1
    assert folder.statuses()[0]["reason"].startswith("train.py:41: ZeroDivisionError: division by zero; see ")


@pytest.mark.usefixtures("warm_programs")
def test_options_that_torchrun_does_not_know_fail_the_run_with_its_words_in_the_log(folder):
    done = folder.train("--set", "seeds=[0]", "--launcher", "torchrun --no-such-option")
    assert done.returncode == 1
    assert "torchrun ended with status 2 before the program began; see " in folder.statuses()[0]["reason"]
    assert "--no-such-option" in (folder.runs[0] / "program.log").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--program", "--launcher", "mpirun"), "is 'mpirun', but must be torchrun with its options"),
        (("--program", "--launcher", "torchrun '"), "No closing quotation"),
        (("--launcher", "torchrun"), "--launcher is for --program"),
    ],
)
def test_a_wrong_launcher_is_refused_before_anything_is_executed(folder, words, message):
    folder.write("train.py", "open('executed', 'w')\n" + PROGRAM)
    done = folder.lrbench("run", "train.yaml", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (folder.path / "executed").exists()


def test_lrbench_as_one_of_several_ranks_is_refused_in_one_line(folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = folder.train()
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: LRBench was started as one of WORLD_SIZE=2 processes; start it once; --launcher "
        "'torchrun --nproc-per-node N' starts the program in N processes"
    ]


def test_attach_in_a_process_that_the_program_started_is_refused(folder):
    text = "import subprocess, sys\nimport lrbench\nsubprocess.run([sys.executable, 'other.py'], check=True)\n"
    folder.write("train.py", text)
    folder.write("other.py", "import lrbench\nrun = lrbench.attach(iterations=3)\n")
    assert folder.train("--set", "seeds=[0]").returncode == 1
    (run,) = folder.runs
    assert "lrbench.attach was called in a process that the program started itself" in (run / "program.log").read_text()
