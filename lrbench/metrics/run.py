"""The metrics of a whole run, computed from the columns of its evaluations.

Not reached or not known is None, never a number. An evaluation at iteration 0 is of the initial weights: it is no best
or final accuracy, and no target is reached there (``lrbench.runs.evaluations.of_trained_net``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrbench.metrics.metric import Metric, RunCurves, Unit, last_known

if TYPE_CHECKING:
    from lrbench.metrics.metric import Column


def _speed(run: RunCurves) -> float | None:
    iterations, train_seconds = run.column("iteration"), run.column("train_seconds")
    if not len(iterations):
        return None
    # A log may begin in the middle of a training: then its first evaluation is at a later iteration, after 0 s.
    start = iterations[0] if train_seconds[0] == 0 else 0
    seconds = train_seconds[-1]
    return last_known((iterations[-1:] - start) / seconds) if seconds > 0 else None


def _last(name: str, title: str, unit: Unit, definition: str) -> Metric:
    """Build the metric that is the last value of the column of its name."""
    return Metric(name, title, unit, definition, of_run=lambda run: run.last(name))


RUN_METRICS = (
    Metric(
        "best_accuracy",
        "best accuracy",
        "fraction",
        "the highest accuracy_top1 after iteration 0",
        higher_is_better=True,
        of_run=lambda run: run.best_accuracy,
    ),
    Metric(
        "final_accuracy",
        "final accuracy",
        "fraction",
        "the last accuracy_top1, unless of iteration 0",
        higher_is_better=True,
        of_run=lambda run: last_known(run.accuracy),
    ),
    Metric(
        "iterations_to_best",
        "iterations to best",
        "iterations",
        "the first evaluated iteration at which the best value of the objective, by default the accuracy, was reached",
        of_run=lambda run: run.at_best("iteration"),
        grid="iteration",
    ),
    Metric(
        "iterations_to_target",
        "iterations to target",
        "iterations",
        "the first evaluated iteration at which the target was reached; null if it was not",
        of_run=lambda run: run.at_target("iteration"),
        grid="iteration",
        to_target=True,
    ),
    Metric(
        "seconds_to_target",
        "seconds to target",
        "seconds",
        "training seconds, evaluations excluded, up to there; null if it was not reached",
        of_run=lambda run: run.at_target("train_seconds"),
        grid="train_seconds",
        to_target=True,
    ),
    _last("train_seconds", "training", "seconds", "wall time of training"),
    _last("evaluation_seconds", "evaluation", "seconds", "wall time of evaluating"),
    Metric(
        "iterations_per_second",
        "speed",
        "iterations/s",
        "iterations / train_seconds",
        higher_is_better=True,
        of_run=_speed,
    ),
    _last(
        "cpu_seconds",
        "processor time",
        "seconds",
        "of the engine's process, training and evaluating, over all its threads",
    ),
    _last("peak_memory_bytes", "peak memory", "bytes", "the most main memory that the engine's process held at once"),
)


def run_metrics(run: RunCurves, metrics: Iterable[Metric]) -> dict[str, float | None]:
    """Each metric of a run, and of its last evaluation unless that is at iteration 0, by name."""
    trained = (run.last("iteration") or 0) > 0
    found: dict[str, float | None] = {}
    for metric in metrics:
        if metric.of_run is not None:
            found[metric.name] = metric.of_run(run)
        elif metric.of_evaluation is not None:
            found[metric.name] = run.last(metric.name) if trained else None
    return found


def target_budgets(evaluations: Mapping[str, Column], iterations: int | None) -> dict[str, float | None]:
    """Return the time that a run which missed its target counts with, by the name of each metric of such a time.

    ``iterations_to_target``: the run's budget, or, where that is not known, the iterations that it trained.
    ``seconds_to_target``: the training seconds of that many iterations: those of the run where it trained to the end of
    its budget, else extrapolated at its own mean speed. None where not known.

    Args:
        evaluations: columns by name, as in ``RunCurves``.
        iterations: the run's budget; None where it is not known.
    """
    curves = RunCurves(evaluations, None)
    trained, seconds = curves.last("iteration"), curves.last("train_seconds")
    budget = trained if iterations is None else float(iterations)
    if trained is not None and budget is not None and seconds is not None and trained < budget:
        speed = _speed(curves)
        seconds = seconds + (budget - trained) / speed if speed else None
    return {"iterations_to_target": budget, "seconds_to_target": seconds}


@dataclass(frozen=True)
class Robustness:
    """Dependence of a policy's objective, by default the accuracy, on the scale of its rates.

    Attributes:
        spread: max - min, over the scales, of the mean best value over the seeds; None unless every scale has one and
            no run diverged at any.
        values: that mean by scale, ascending, of the runs that did not diverge; None where there is none.
        diverged: how many runs diverged, by scale; the scales at which one did.
        missing: the scales without a value, such as those whose every run diverged.
    """

    spread: float | None
    values: dict[float, float | None]
    diverged: dict[float, int]
    missing: tuple[float, ...]


def lr_scale_robustness(
    best_values: Mapping[float, Sequence[float | None]], diverged: Mapping[float, int] | None = None
) -> Robustness:
    """The spread of the objective when a policy's rates are multiplied by each of several scales.

    ``max_s A(s) - min_s A(s)`` with A(s) the mean, over the seeds that have one, of the best value at scale s, by
    default of the accuracy. A seed that diverged at a scale has no value there that could stand for it: then the spread
    is unknown, however well the others did.

    Args:
        best_values: for each scale the best value of each run that did not diverge, None or NaN where it has none.
        diverged: for each scale how many runs diverged.
    """
    import numpy as np

    means: dict[float, float | None] = {}
    for scale in sorted(best_values):
        reached = [value for value in best_values[scale] if value is not None and math.isfinite(value)]
        means[scale] = float(np.mean(reached)) if reached else None
    unstable = {scale: count for scale, count in sorted((diverged or {}).items()) if count}
    missing = tuple(scale for scale, mean in means.items() if mean is None)
    known = [mean for mean in means.values() if mean is not None]
    spread = max(known) - min(known) if known and not missing and not unstable else None
    return Robustness(spread, means, unstable, missing)
