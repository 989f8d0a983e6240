"""Costs of training with a policy, over its seeds.

======================================  ========================================================================
``train_seconds_per_1000_iterations``   wall time of training, evaluations excluded, for 1,000 iterations
``cpu_seconds``                         processor time of a run, over all threads, from the start of its process on
``cpu_percent``                         processor time in percent of the wall time: 100 is one core in full use
``mean_memory_bytes``                   resident memory, mean over the time of training and evaluating
``peak_memory_bytes``                   the most main memory at once, as the system counts it
``gpu_percent``                         share of the time in which a GPU was at work for it
``gpu_memory_bytes``                    the most GPU memory at once
======================================  ========================================================================

Over the runs that finished or were stopped by a rule: those that diverged are too short. Where K runs share processes,
memory and shares are those of all K.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.metrics.summary import Summary, summarise
from lrbench.report.formats import counted
from lrbench.report.policies import PolicyRow
from lrbench.report.rows import RunRow
from lrbench.runs.status import COMPLETED
from lrbench.runs.usage import USAGE, Sample, highest_of, mean_of, read_usage


@dataclass(frozen=True)
class Cost:
    """One column: its name in files, its title in tables, how many of its units make one of the title's, and digits."""

    name: str
    title: str
    scale: float = 1.0
    digits: int = 0

    def text(self, value: float) -> str:
        """The value in the title's unit."""
        return f"{value / self.scale:,.{self.digits}f}"


COSTS = (
    Cost("train_seconds_per_1000_iterations", "training s per 1,000 iterations", digits=2),
    Cost("cpu_seconds", "CPU s per run", digits=1),
    Cost("cpu_percent", "CPU %"),
    Cost("mean_memory_bytes", "memory MB, mean", 1e6),
    Cost("peak_memory_bytes", "memory MB, peak", 1e6),
    Cost("gpu_percent", "GPU %"),
    Cost("gpu_memory_bytes", "GPU memory MB, peak", 1e6),
)

Samples = Mapping[Path, Sequence[Sample]]


def read_samples(runs: Iterable[RunRow]) -> tuple[dict[Path, list[Sample]], list[str]]:
    """The samples of each run that has a folder, by its path, and a line for what was wrong with how many of them."""
    samples: dict[Path, list[Sample]] = {}
    problems: collections.Counter[str] = collections.Counter()
    for run in runs:
        if run.status not in COMPLETED:
            continue
        samples[run.path], problem = read_usage(run.path / USAGE)
        if problem is not None:
            problems[problem] += 1
    return samples, [
        f"{counted(count, 'run', 'runs')}: {problem}; so CPU % and mean memory are unknown, or of the samples that are "
        "there"
        for problem, count in problems.items()
    ]


def costs(row: PolicyRow, samples: Samples) -> dict[str, Summary]:
    """Mean, deviation and count of each column by name."""
    found = [_of_run(run, samples.get(run.path, ())) for run in row.counted if run.status in COMPLETED]
    return {
        cost.name: summarise([value for values in found if (value := values[cost.name]) is not None]) for cost in COSTS
    }


def _of_run(run: RunRow, samples: Sequence[Sample]) -> dict[str, float | None]:
    speed = run.metrics["iterations_per_second"]
    return {
        "train_seconds_per_1000_iterations": 1000 / speed if speed else None,
        "cpu_seconds": run.metrics["cpu_seconds"],
        "cpu_percent": mean_of(samples, "cpu_percent"),
        "mean_memory_bytes": mean_of(samples, "memory_bytes"),
        "peak_memory_bytes": run.metrics["peak_memory_bytes"],
        "gpu_percent": mean_of(samples, "gpu_percent"),
        "gpu_memory_bytes": highest_of(samples, "gpu_memory_bytes"),
    }


def ratio(value: Summary, base: Summary) -> float | None:
    """How many times the base's mean; None where either is not known or the base's is none."""
    return value.mean / base.mean if value.mean is not None and base.mean else None
