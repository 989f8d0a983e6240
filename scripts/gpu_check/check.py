"""What the parts of the check share: commands with time limits, specs, runs read back and compared."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
CLOCKS = ("train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes")
"""Of an evaluation, what differs each time."""


class CommandFailed(Exception):
    """A command that ended with another exit code than 0, or not in time."""


@dataclass
class Running:
    """A command under way, with the files that its output goes to."""

    process: subprocess.Popen[bytes]
    files: tuple[Path, Path]

    @property
    def output(self) -> str:
        """Its standard output so far."""
        return self.files[0].read_text(errors="replace")

    @property
    def errors(self) -> str:
        """Its standard error so far."""
        return self.files[1].read_text(errors="replace")


@dataclass
class Check:
    """The check under way.

    Attributes:
        work: a folder for everything that is not a result.
        device: "gpu", or "cpu" where the check itself is tried.
        deadline: when the part under way has to end, by ``time.monotonic``.
    """

    work: Path
    device: str
    deadline: float = math.inf
    _started: list[Running] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU is used."""
        return self.device == "gpu"

    def scaled(self, iterations: int) -> int:
        """So many iterations on a GPU, and a fortieth of them on a CPU."""
        return iterations if self.on_gpu else iterations // 40

    def start(self, *command: str) -> Running:
        """Start a command in a session of its own."""
        logs = self.work / "logs"
        logs.mkdir(exist_ok=True)
        files = tuple(logs / f"{len(self._started):03}.{kind}" for kind in ("out", "err"))
        files[1].write_text(f"$ {' '.join(command)}\n")
        with files[0].open("wb") as output, files[1].open("ab") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=self.work, start_new_session=True
            )
        running = Running(process, (files[0], files[1]))
        self._started.append(running)
        return running

    def finish(self, running: Running, *, codes: tuple[int, ...] = (0,)) -> str:
        """Wait for a command, to the deadline at most, and return its standard output.

        Raises:
            CommandFailed: it ended with another exit code than one of ``codes``, or had to be killed.
        """
        try:
            code = running.process.wait(max(1.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill(running)
            raise CommandFailed(f"killed at the time limit: {running.errors[-600:]}") from None
        if code not in codes:
            raise CommandFailed(f"exit code {code}: {running.errors[-600:]}")
        return running.output

    def run(self, *command: str, codes: tuple[int, ...] = (0,)) -> str:
        """Start a command and wait for it."""
        return self.finish(self.start(*command), codes=codes)

    def end(self) -> None:
        """Kill what still runs."""
        for running in self._started:
            if running.process.poll() is None:
                kill(running)

    def write_spec(self, name: str, workload: dict[str, Any], policy: str, **engine: Any) -> Path:
        """A spec of one run, on the check's device unless the engine settings say otherwise."""
        path = self.work / f"{name}.yaml"
        path.write_text(
            json.dumps(
                {
                    "name": name,
                    "workload": {"test_batch_size": 100, "display_interval": 10, **workload},
                    "solver": {"momentum": 0.9, "weight_decay": 0.0005},
                    "seeds": [0],
                    "policies": [policy],
                    "engine": {"device": self.device, **engine},
                }
            )
        )
        return path

    def lrbench(self, spec: Path, place: str, *options: str) -> tuple[str, ...]:
        """The command that runs a spec, with its results in the folder ``place``."""
        return (sys.executable, "-m", "lrbench", "run", str(spec), "--results", str(self.work / place), *options)

    def run_folder(self, place: str) -> Path:
        """The folder of the one run with results in ``place``."""
        return next((self.work / place).glob("*/*/run.json")).parent

    def train(self, specs: dict[str, Path], *options: str) -> dict[str, Path]:
        """Run specs of one run each at once, each with its results in the folder named; return the runs' folders."""
        under_way = [self.start(*self.lrbench(spec, place, *options)) for place, spec in specs.items()]
        for running in under_way:
            self.finish(running)
        return {place: self.run_folder(place) for place in specs}


def kill(running: Running) -> None:
    """End a command and what it started at once."""
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


def read_rows(folder: Path) -> Rows:
    """The evaluations of a run, in order; a last line that is not whole is left out."""
    try:
        lines = (folder / "evaluations.jsonl").read_text().splitlines(keepends=True)
    except OSError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def read_losses(folder: Path) -> dict[int, float]:
    """The training losses that Caffe displayed, by iteration; of one resumed, the last of each."""
    from lrbench.engines.caffe.log import read_log

    displays = read_log(folder / "caffe.log").displays
    return dict(zip(displays.iterations.tolist(), displays.losses.tolist(), strict=True))


def same(one: Rows, other: Rows) -> bool:
    """Whether two runs have the same evaluations bit for bit, clocks and memory apart."""
    return [without_clocks(row) for row in one] == [without_clocks(row) for row in other]


def without_clocks(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in CLOCKS}


def compare_rows(one: Rows, other: Rows) -> dict[str, Any]:
    """Losses and accuracies of two runs at the same iterations side by side, and how far they are apart at most."""
    pairs = [(left, right) for left in one for right in other if left["iteration"] == right["iteration"]]
    names = ("train_loss", "test_loss", "accuracy_top1")
    return {
        "identical": same(one, other),
        "iterations": [left["iteration"] for left, _ in pairs],
        **{name: [[left.get(name), right.get(name)] for left, right in pairs] for name in names},
        "largest_difference": {
            name: largest([(left.get(name), right.get(name)) for left, right in pairs]) for name in names
        },
    }


def compare_losses(one: dict[int, float], other: dict[int, float]) -> dict[str, Any]:
    """Training losses of single iterations side by side."""
    iterations = sorted(one.keys() & other.keys())
    pairs = [(one[iteration], other[iteration]) for iteration in iterations]
    return {
        "iterations": iterations,
        "losses": pairs,
        "largest_difference": largest(pairs),
        "first_difference": next(
            (iteration for iteration, (left, right) in zip(iterations, pairs, strict=True) if left != right), None
        ),
    }


def largest(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """The largest difference within a pair; None without a pair of numbers."""
    known = [abs(left - right) for left, right in pairs if left is not None and right is not None]
    return max(known, default=None)


def read_usage(folder: Path) -> dict[str, Any]:
    """What the sampler saw of a run: the number of its samples and the highest of each quantity."""
    try:
        samples = [json.loads(line) for line in (folder / "usage.jsonl").read_text().splitlines()]
    except OSError:
        samples = []
    names = ("memory_bytes", "gpu_memory_bytes", "gpu_percent", "cpu_percent")
    return {
        "samples": len(samples),
        **{
            name: max((sample[name] for sample in samples if sample.get(name) is not None), default=None)
            for name in names
        },
    }
