"""Active runs: those that a process is training, with their progress and the time left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lrbench.errors import plain
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.report.formats import NOTHING, with_unit
from lrbench.report.rows import RunRow
from lrbench.runs.declarations import training_text


@dataclass(frozen=True)
class ActiveRun:
    """A run that a process is training.

    Attributes:
        name: policy, solver and seed.
        iteration: iteration of the last evaluation.
        iterations: iterations of the whole run; None where unknown.
        objective: what the run is judged by.
        value, best: of the objective at the last evaluation, and the best so far; None where there is none.
        rate: learning rate just before the last evaluation.
        seconds_left: estimate from the speed so far, evaluations included; None before the first evaluation.
        place: machine and GPU, such as ``node1 GPU 0``; empty where unknown.
    """

    path: str
    name: str
    iteration: int
    iterations: int | None
    objective: Objective
    value: float | None
    best: float | None
    rate: float | None
    seconds_left: float | None
    place: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """Texts of ``iteration``, ``value``, ``best``, ``rate`` and the time ``left``; a dash where unknown."""
        value, best = (
            NOTHING if each is None else with_unit(each, self.objective.unit) for each in (self.value, self.best)
        )
        return {
            "iteration": f"{self.iteration:,}" + ("" if self.iterations is None else f" of {self.iterations:,}"),
            "value": value,
            "best": best,
            "rate": NOTHING if self.rate is None else f"{self.rate:.3g}",
            "left": NOTHING if self.seconds_left is None else duration(self.seconds_left),
        }


def value_title(runs: Iterable[ActiveRun]) -> str:
    """Return the title of the runs' values: their objective, where it is one."""
    titles = {run.objective.title for run in runs}
    return titles.pop() if len(titles) == 1 else "objective"


def active_runs(runs: Iterable[RunRow]) -> list[ActiveRun]:
    """Return the runs that a process holds, in their order."""
    return [_active_run(run) for run in runs if run.status == "running"]


def _active_run(run: RunRow) -> ActiveRun:
    iteration, budget = int(_last(run, "iteration") or 0), run.workload.get("iterations")
    iterations = budget if isinstance(budget, int) else None
    objective = run.objective or ACCURACY
    taken, seconds_left = _last(run, "train_seconds"), None
    if taken is not None and iterations is not None and iteration > 0:
        taken += _last(run, "evaluation_seconds") or 0.0
        seconds_left = taken / iteration * max(0, iterations - iteration)
    scale = f" x{run.lr_scale:g}" if run.lr_scale != 1 else ""
    name = f"{run.policy}{scale}, {training_text(run.solver, run.facts)}, seed {run.seed}"
    return ActiveRun(
        run.where,
        plain(name),
        iteration,
        iterations,
        objective,
        _last(run, objective.column),
        run.metrics.get(objective.best_metric.name),
        _last(run, "learning_rate"),
        seconds_left,
        plain(run.place),
    )


def _last(run: RunRow, name: str) -> float | None:
    column = run.evaluations.get(name)
    return float(column[-1]) if column is not None and len(column) and np.isfinite(column[-1]) else None


def duration(seconds: float) -> str:
    """Return a duration as text, such as ``45 s``, ``12 min`` or ``3 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
