"""A runner whose runs are made up: what a policy's accuracy is at each evaluation follows from its rates alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from factories.fake_engine import FakeEngine
from factories.replay import Played, ReplayRunner
from lrbench.data import Prepared
from lrbench.policies import parse_policy
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment

ITERATIONS, INTERVAL = 120, 10
SPEC = """\
name: trial
workload: {{net: lenet, dataset: digits, batch_size: 50, test_batch_size: 100, iterations: 120, test_interval: 10}}
solver: {{type: SGD, momentum: 0.9}}
seeds: [0, 1]
target_accuracy: 0.9
search:
{search}
"""


class MadeUp(dict[tuple[str, int], Played]):
    """Played runs by policy and seed, made when they are asked for: 0.05 is the best rate, above 0.15 all diverge."""

    def __missing__(self, key: tuple[str, int]) -> Played:
        text, seed = key
        rates = parse_policy(text).rates(np.arange(ITERATIONS), ITERATIONS)
        rows, learnt = [], 0.0
        for iteration in range(INTERVAL, ITERATIONS + 1, INTERVAL):
            now = rates[iteration - INTERVAL : iteration]
            if now.max() > 0.15:
                rows.append(row(iteration, math.nan, seed))
                return Played("diverged", tuple(rows))
            learnt += float(np.exp(-(np.log(now.mean() / 0.05) ** 2))) / 4
            rows.append(row(iteration, 1 - 0.9 * math.exp(-learnt), seed))
        return Played("finished", tuple(rows))


def row(iteration: int, accuracy: float, seed: int = 0) -> Evaluation:
    """An evaluation; seeds differ in the training loss alone."""
    metrics = {"accuracy_top1": accuracy, "train_loss": 1 / (2 + seed)}
    return Evaluation(iteration, metrics, train_seconds=iteration / 100)


def made_up_runner(folder: Path, data: Prepared, search: str) -> ReplayRunner:
    """A runner of made-up runs for a spec with that section ``search``."""
    folder.mkdir(exist_ok=True)
    spec = folder / "trial.yaml"
    spec.write_text(SPEC.format(search="".join(f"  {line}\n" for line in search.splitlines())))
    experiment = read_experiment(spec, (), TuningSettings)
    return ReplayRunner(experiment, data, FakeEngine(), folder / "results", table=MadeUp())
