"""A folder with a program whose useful rates are known, and its spec, in which ``lrbench`` is run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from command_line import typed

DESCENT = """
import random
import lrbench

run = lrbench.attach(policy="FIX(k0=0.05)", iterations=200, evaluate_every=40)
start = random.Random(run.seed)
slow, fast = 1 + start.random(), 1 + start.random()
for t in run:
    loss = 0.5 * slow * slow + 5 * fast * fast
    slow, fast = slow - run.rate * slow, fast - 10 * run.rate * fast
    run.step(loss)
    if run.should_evaluate:
        run.report(distance=abs(slow) + abs(fast))
"""
"""Gradient descent on a parabola with the curvatures 1 and 10: above a rate of 0.2 it breaks down."""

BREAKS_ABOVE = 0.2

SPEC = """
workload: {program: train.py, iterations: 200, evaluate_every: 40}
objective: {metric: distance, goal: minimize}
range: {seeds: [1, 2], rates: 3}
"""
CANARY = "open('executed', 'w')\n"


class ProgramFolder:
    """A folder with ``train.py`` and ``train.yaml``."""

    def __init__(self, path: Path, program: str = DESCENT, spec: str = SPEC) -> None:
        self.path = path
        self.write("train.py", program)
        self.write("train.yaml", spec)

    def write(self, name: str, text: str) -> Path:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)
        return self.path / name

    def lrbench(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in this process; ``name=value`` among the words sets that in the spec."""
        parts = [part for word in words for part in (("--set", word) if _is_setting(word) else (word,))]
        return typed(*parts, cwd=self.path)

    def answer(self, *words: str) -> Any:
        """Return the JSON of a command that succeeds."""
        done = self.lrbench(*words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def runs(self, experiment: str = "*") -> list[Path]:
        return sorted(path.parent for path in self.path.glob(f"results/{experiment}/*/run.json"))

    def described(self, run: Path) -> dict[str, Any]:
        return dict(json.loads((run / "run.json").read_text()))

    def evaluations(self, run: Path) -> list[dict[str, Any]]:
        clocks = {"train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"}
        rows = map(json.loads, (run / "evaluations.jsonl").read_text().splitlines())
        return [{name: value for name, value in row.items() if name not in clocks} for row in rows]


def _is_setting(word: str) -> bool:
    return not word.startswith("-") and "=" in word and "(" not in word.partition("=")[0]
