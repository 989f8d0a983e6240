"""A folder with a program and a spec, in which ``lrbench`` is run in processes of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from command_line import typed

PLAIN = """
import random
import lrbench

run = lrbench.attach(policy="COSDECAY(k0=0.1)", iterations=12, evaluate_every=4, width=3)
random.seed(run.seed)
used = open(f"used-{run.seed}.txt", "a")
weight = 1.0
for t in run:
    print(t, repr(run.rate), file=used, flush=True)
    loss = weight**2
    weight -= run.rate * 2 * weight
    run.step(loss)
    if run.should_evaluate:
        run.report(test_loss=weight**2 + random.random() / 1000)
"""

SPEC = """
workload: {program: train.py, iterations: 12, evaluate_every: 4}
seeds: [0, 1]
policies: ["COSDECAY(k0=0.1)"]
objective: {metric: test_loss}
"""


class Folder:
    """A folder with a program and a spec, in which ``lrbench`` is run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("train.py", PLAIN)
        self.write("train.yaml", SPEC)

    def write(self, name: str, text: str) -> Path:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)
        return self.path / name

    def program(self, *changes: tuple[str, str]) -> None:
        text = PLAIN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.write("train.py", text)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lrbench", *words]

    def lrbench(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in this process; the programs have theirs."""
        return typed(*words, cwd=self.path)

    def train(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.lrbench("run", "train.yaml", "--program", *words)

    @property
    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.path.glob("results/train/*/run.json"))

    def statuses(self) -> list[dict[str, Any]]:
        return [json.loads((run / "status.json").read_text()) for run in self.runs]

    def cut(self, run: Path, iteration: int) -> None:
        """Leave the run as a kill after the snapshot of an iteration does."""
        rows = (run / "evaluations.jsonl").read_text().splitlines(keepends=True)
        kept = [row for row in rows if json.loads(row)["iteration"] <= iteration]
        (run / "evaluations.jsonl").write_text("".join(kept))
        (run / "status.json").write_text(json.dumps({"status": "running", "iteration": iteration}))
        for snapshot in (run / "snapshots").glob("iter_*"):
            if int(snapshot.name[5:]) > iteration:
                shutil.rmtree(snapshot)

    def evaluations(self, run: Path) -> list[dict[str, Any]]:
        clocks = {"train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"}
        rows = map(json.loads, (run / "evaluations.jsonl").read_text().splitlines())
        return [{name: value for name, value in row.items() if name not in clocks} for row in rows]

    def wait_for(self, pattern: str) -> None:
        """Wait until there is such a file."""
        deadline = time.monotonic() + 120
        while not list(self.path.glob(pattern)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
