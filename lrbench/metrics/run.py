"""The metrics of a whole run, computed from the columns of its evaluations.

===========================  =======================================================================
``best_accuracy``            the highest accuracy_top1 of any evaluation after iteration 0
``final_accuracy``           accuracy_top1 of the last evaluation, if that is after iteration 0
``iterations_to_best``       the first iteration at which best_accuracy was reached
``iterations_to_target``     the first evaluated iteration with accuracy_top1 >= target
``seconds_to_target``        seconds of training, evaluations excluded, up to that iteration
``train_seconds``            seconds of training in all
``evaluation_seconds``       seconds of evaluating in all
``iterations_per_second``    iterations trained / train_seconds
``cpu_seconds``              processor time of training and evaluating, over all threads
``peak_memory_bytes``        the most main memory that the engine held at once
===========================  =======================================================================

Not reached or not known is None, never a number. An evaluation at iteration 0 is of the initial weights: it is no best
or final accuracy, and no target is reached there (``lrbench.metrics.target.of_trained_net``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.metrics.registry import METRICS

Column = NDArray[np.float64]


def run_metrics(evaluations: Mapping[str, Column], target: float | None) -> dict[str, float | None]:
    """The metrics of a run by name; see the module for their definitions.

    Args:
        evaluations: columns by name, each with a value for each evaluation in the order of iterations, NaN where
            unknown. A column that is absent is unknown throughout.
        target: the accuracy to reach, a fraction; None where there is none.
    """
    iterations = _column(evaluations, "iteration")
    accuracy = np.where(iterations > 0, _column(evaluations, "accuracy_top1"), np.nan)
    best = _known(np.fmax.reduce(accuracy, initial=np.nan))
    train_seconds = _column(evaluations, "train_seconds")
    return {
        "best_accuracy": best,
        "final_accuracy": _last(accuracy),
        "iterations_to_best": _at_first(accuracy, best, iterations),
        "iterations_to_target": _at_first(accuracy, target, iterations),
        "seconds_to_target": _at_first(accuracy, target, train_seconds),
        "train_seconds": _last(train_seconds),
        "evaluation_seconds": _last(_column(evaluations, "evaluation_seconds")),
        "iterations_per_second": _speed(iterations, train_seconds),
        "cpu_seconds": _last(_column(evaluations, "cpu_seconds")),
        "peak_memory_bytes": _last(_column(evaluations, "peak_memory_bytes")),
    }


def all_metrics(evaluations: Mapping[str, Column], target: float | None) -> dict[str, float | None]:
    """The metrics of a run and of its last evaluation, by name; those of an evaluation at iteration 0 are None."""
    metrics = run_metrics(evaluations, target)
    trained = (_last(_column(evaluations, "iteration")) or 0) > 0
    for name in (metric.name for metric in METRICS.values() if not metric.of_run):
        column = evaluations.get(name)
        metrics[name] = _last(column) if column is not None and trained else None
    return metrics


def target_budgets(evaluations: Mapping[str, Column], iterations: int | None) -> dict[str, float | None]:
    """What a run that missed its target counts as, by the name of each metric of a time to the target.

    ``iterations_to_target``: the run's budget, or, where that is not known, the iterations that it trained.
    ``seconds_to_target``: the training seconds of that many iterations: those of the run where it trained to the end of
    its budget, else extrapolated at its own mean speed. None where not known.

    Args:
        evaluations: as for ``run_metrics``.
        iterations: the run's budget; None where it is not known.
    """
    trained = _last(_column(evaluations, "iteration"))
    seconds = _last(_column(evaluations, "train_seconds"))
    budget = trained if iterations is None else float(iterations)
    if trained is not None and budget is not None and seconds is not None and trained < budget:
        speed = _speed(_column(evaluations, "iteration"), _column(evaluations, "train_seconds"))
        seconds = seconds + (budget - trained) / speed if speed else None
    return {"iterations_to_target": budget, "seconds_to_target": seconds}


@dataclass(frozen=True)
class Robustness:
    """How far a policy's accuracy depends on the scale of its rates.

    Attributes:
        spread: max - min, over the scales, of the mean best accuracy over the seeds; None unless every scale has one
            and no run diverged at any.
        accuracies: that mean by scale, ascending, of the runs that did not diverge; None where there is none.
        diverged: how many runs diverged, by scale; the scales at which one did.
        missing: the scales without an accuracy, such as those whose every run diverged.
    """

    spread: float | None
    accuracies: dict[float, float | None]
    diverged: dict[float, int]
    missing: tuple[float, ...]


def lr_scale_robustness(
    best_accuracies: Mapping[float, Sequence[float | None]], diverged: Mapping[float, int] | None = None
) -> Robustness:
    """The spread of accuracy when a policy's rates are multiplied by each of several scales.

    ``max_s A(s) - min_s A(s)`` with A(s) the mean, over the seeds that have one, of the best accuracy at scale s. A
    seed that diverged at a scale has no accuracy there that could stand for it: then the spread is unknown, however
    well the others did.

    Args:
        best_accuracies: for each scale the best accuracy of each run that did not diverge, None or NaN where it has
            none.
        diverged: for each scale how many runs diverged.
    """
    means = {scale: _mean_of_known(best_accuracies[scale]) for scale in sorted(best_accuracies)}
    unstable = {scale: count for scale, count in sorted((diverged or {}).items()) if count}
    missing = tuple(scale for scale, mean in means.items() if mean is None)
    known = [mean for mean in means.values() if mean is not None]
    spread = max(known) - min(known) if known and not missing and not unstable else None
    return Robustness(spread, means, unstable, missing)


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _column(evaluations: Mapping[str, Column], name: str) -> Column:
    if name in evaluations:
        return evaluations[name]
    return np.full(len(evaluations.get("iteration", ())), np.nan)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _last(column: Column) -> float | None:
    return _known(column[-1]) if len(column) else None


def _at_first(accuracy: Column, threshold: float | None, column: Column) -> float | None:
    """The column's value at the first evaluation whose accuracy is at least the threshold."""
    if threshold is None:
        return None
    reached = accuracy >= threshold  # False for NaN
    return _known(column[reached.argmax()]) if reached.any() else None


def _speed(iterations: Column, train_seconds: Column) -> float | None:
    if not len(iterations):
        return None
    # A log may begin in the middle of a training: then its first evaluation is at a later iteration, after 0 s.
    start = iterations[0] if train_seconds[0] == 0 else 0
    seconds = train_seconds[-1]
    return _known((iterations[-1] - start) / seconds) if seconds > 0 else None
