"""Programs that are killed again and again, and what must hold of their runs at the end."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from factories.measured import measured
from lrbench.policies import parse_policy

POLICY = "TRIEXP(k0=0.0001, k1=0.01, gamma=0.999, l=7)"
EVERY = 10
GONE_SECONDS = 5.0
PHASES = ("train", "evaluate", "save")

PARTS = """
import os
import sys
import time
import types

import lrbench
import torch

if "RANK" not in os.environ:  # the first optimizer would load PyTorch's compiler, which takes as long as PyTorch
    sys.modules["torch._dynamo"] = types.ModuleType("torch._dynamo")
    sys.modules["torch._dynamo"].disable = lambda function, *rest, **options: function
    sys.modules["torch._dynamo"].graph_break = lambda: None

phase = os.open("phase.txt", os.O_CREAT | os.O_WRONLY)
used = os.open(f"used-{os.environ.get('RANK', 0)}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)


def mark(text, iteration):
    if os.environ.get("RANK", "0") == "0":
        os.pwrite(phase, f"{text} {iteration}".ljust(40).encode(), 0)


def steps(optimizer):
    state = list(optimizer.state.values())
    return int(state[0]["step"]) if state else 0


def record(optimizer, args, kwargs):
    rate = optimizer.param_groups[0]["lr"]
    os.write(used, f"{steps(optimizer)} {rate!r}\\n".encode())
    time.sleep(0.005)


def make(seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(record)
    return model, optimizer


def slowly(text, optimizer):
    mark(text, steps(optimizer))
    time.sleep(0.1)
"""
TRAINING = """
from torch.utils.data import DataLoader, TensorDataset

import lrbench.torch


class Slow:
    def __init__(self, optimizer):
        self.optimizer = optimizer

    def state_dict(self):
        slowly("save", self.optimizer)
        return {}

    def load_state_dict(self, state):
        pass


def training(seed):
    model, optimizer = make(seed)
    inputs = torch.randn(96, 8)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True))

    def step(model, batch):
        mark("train", steps(optimizer))
        return (model(batch[0]) - batch[1]).square().mean()

    def evaluate(model):
        slowly("evaluate", optimizer)
        return {"test_loss": (model(inputs) - data.tensors[1]).square().mean()}

    loader = DataLoader(data, batch_size=16, shuffle=True)
    return lrbench.torch.Training(
        model, optimizer, batches=loader, step=step, evaluate=evaluate, ema=0.9, state={"slow": Slow(optimizer)}
    )
"""
ATTACH = """
def save(folder):
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
    torch.save(state, f"{folder}/state.pt")
    slowly("save", optimizer)
    open(f"{folder}/whole", "w").close()


def restore(folder):
    assert os.path.exists(f"{folder}/whole")
    state = torch.load(f"{folder}/state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])


def evaluate():
    slowly("evaluate", optimizer)
    model.eval()
    with torch.no_grad():
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    model.train()
    return {"test_loss": reduced(loss)}


def reduced(loss):
    return loss.item()


run = lrbench.attach(save=save, restore=restore)
model, optimizer = make(run.seed)
inputs = torch.randn(96, 8)
LAUNCHED
scheduler = run.scheduler(optimizer)
for t in run:
    mark("train", t)
    chosen = inputs[torch.randint(96, (16,))]
    loss = (model(chosen) - chosen.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.step(loss, evaluate)
"""
LAUNCHED = """
torch.distributed.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(model)
torch.manual_seed(run.seed + torch.distributed.get_rank())


def reduced(loss):
    torch.distributed.all_reduce(loss)
    return loss.item()
"""


@dataclass(frozen=True)
class Door:
    """A way to train a program under LRBench.

    Attributes:
        victims: processes that are killed in turn.
        words: further words of ``lrbench run``.
    """

    program: str
    workload: Mapping[str, Any] = field(default_factory=dict)
    words: Sequence[str] = ()
    victims: Sequence[str] = ("lrbench", "program")

    @property
    def ranks(self) -> int:
        return 2 if self.words else 1


DOORS = {
    "attach": Door(PARTS + ATTACH.replace("LAUNCHED", "")),
    "training": Door(PARTS + TRAINING, {"function": "training"}),
    "torchrun": Door(
        PARTS + ATTACH.replace("LAUNCHED", LAUNCHED),
        words=("--launcher", "torchrun --nproc-per-node 2"),
        victims=("lrbench", "torchrun", "rank"),
    ),
}


@dataclass
class Killing:
    """A run that is killed until it has been killed often enough, and then trained to its end."""

    door: Door
    folder: Path
    kills: int
    seed: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    slowest_end: float = 0.0

    def __post_init__(self) -> None:
        self.iterations = EVERY * (self.kills + 1)
        self.random = random.Random(self.seed)
        workload = {"program": "train.py", "iterations": self.iterations, "evaluate_every": EVERY, **self.door.workload}
        spec = {"workload": workload, "objective": {"metric": "test_loss"}, "policies": [POLICY]}
        (self.folder / "train.py").write_text(self.door.program)
        (self.folder / "train.yaml").write_text(json.dumps(spec))

    def check(self) -> dict[str, Any]:
        """Kill, resume and compare; return what was counted. Raises AssertionError where something does not hold."""
        whole = self.start("whole")
        assert whole.wait() == 0
        for file in self.folder.glob("used-*.txt"):
            file.unlink()
        attempts = 0
        while sum(self.counted.values()) < self.kills:
            self.kill()
            attempts += 1
            assert attempts < 5 * self.kills, "the kills miss"
        assert self.start("killed").wait() == 0
        assert self.evaluations("killed") == self.evaluations("whole")
        rates = self.check_rates()
        return {**self.counted, "rates checked": rates, "slowest end in seconds": round(self.slowest_end, 2)}

    def start(self, results: str) -> subprocess.Popen[bytes]:
        words = ["run", "train.yaml", "--program", "--results", results, *self.door.words]
        with (self.folder / f"{results}.txt").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "lrbench", *words], cwd=self.folder, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill the process in the phase that was hit least often; a kill outside that phase is not counted."""
        victim, wanted = min(product(self.door.victims, PHASES), key=lambda pair: self.counted[f"{pair[1]}, {pair[0]}"])
        at = 1 + sum(self.counted.values()) * EVERY + self.random.randrange(EVERY)
        (self.folder / "phase.txt").write_text("")
        process = self.start("killed")
        while not self.in_phase(wanted, at):
            assert process.poll() is None, "the run has ended before its kill"
            time.sleep(0.001)
        processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        self.victim(processes, victim).send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        if victim == "lrbench":
            process.wait()
        _, alive = psutil.wait_procs(processes[1:], timeout=GONE_SECONDS)
        assert not alive, f"{GONE_SECONDS} s after {victim} was killed: {alive}"
        self.slowest_end = max(self.slowest_end, time.monotonic() - killed_at)
        process.wait()
        if self.in_phase(wanted, at):
            self.counted[f"{wanted}, {victim}"] += 1

    def in_phase(self, wanted: str, at: int) -> bool:
        phase, _, iteration = (self.folder / "phase.txt").read_text().strip().partition(" ")
        return phase == wanted and iteration.isdecimal() and at <= int(iteration) < self.iterations

    def victim(self, processes: Sequence[psutil.Process], name: str) -> psutil.Process:
        if name == "lrbench":
            return processes[0]
        for process in processes[1:]:
            with suppress(psutil.Error):
                words = process.cmdline()
                launcher = "torch.distributed.run" in words
                rank = process.environ().get("RANK")
                if (name == "torchrun" and launcher) or (name == "rank" and rank == "1"):
                    return process
                if name == "program" and any(word.endswith("start.py") for word in words):
                    return process
        raise AssertionError(f"there is no process {name}")

    def evaluations(self, results: str) -> list[dict[str, Any]]:
        (folder,) = (path.parent for path in (self.folder / results).glob("train/*/evaluations.jsonl"))
        return measured(folder)

    def check_rates(self) -> int:
        """Compare every rate that an optimizer used with the policy's; return how many."""
        expected = parse_policy(POLICY).rates(np.arange(self.iterations), self.iterations).tolist()
        checked = 0
        for rank in range(self.door.ranks):
            lines = (self.folder / f"used-{rank}.txt").read_text().splitlines()
            rates = [(int(step), float(rate)) for step, rate in map(str.split, lines)]
            assert [(step, expected[step]) for step, _ in rates] == rates
            assert {step for step, _ in rates} == set(range(self.iterations))
            checked += len(rates)
        return checked
