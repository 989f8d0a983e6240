"""The evaluations in a plain training log of Caffe: its passes over the first test net.

``train_loss`` is the mean of the losses displayed since the pass before, as a log has no others.
``learning_rate`` is that of the last iteration before the pass, from the policy where it is known, else as last
displayed. Seconds are the log's own: evaluation is the time the passes took, training all other time from the first
iteration on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog
from lrbench.policies import Policy
from lrbench.report.caffe_outputs import Readings, read_outputs
from lrbench.report.rows import Columns
from lrbench.runs.evaluations import in_order

Column = NDArray[np.float64]


def evaluations_of_log(log: CaffeLog, policy: Policy | None = None, readings: Readings | None = None) -> Columns:
    """Columns by name, in the order of iterations; where a resumed training repeats an iteration, the later counts.

    Args:
        policy: what the training followed, None where that is not known.
        readings: what ``read_outputs`` gives for the log, where it is there already.
    """
    readings = readings or read_outputs(log)
    iterations = log.tests.iterations[readings.passes].astype(np.float64)
    train_loss, displayed = _since_the_last(log, iterations)
    train_loss[readings.diverged] = np.nan
    rate = displayed if policy is None else _rates_before(iterations, policy, log)
    train_seconds, evaluation_seconds = _seconds(log, readings.passes)
    return {
        "iteration": iterations,
        "learning_rate": rate,
        "train_loss": train_loss,
        "test_loss": readings.loss,
        "accuracy_top1": readings.accuracy,
        "accuracy_top5": readings.top5,
        "loss_difference": readings.loss - train_loss,
        "train_seconds": train_seconds,
        "evaluation_seconds": evaluation_seconds,
    }


def _since_the_last(log: CaffeLog, iterations: Column) -> tuple[Column, Column]:
    """Mean displayed loss, and last displayed rate, of the iterations before each pass and not before the last one."""
    displays = log.displays
    shown = in_order(
        {"iteration": displays.iterations.astype(np.float64), "loss": displays.losses, "rate": displays.rates}
    )
    mean_loss, last_rate = np.full(len(iterations), np.nan), np.full(len(iterations), np.nan)
    edges = np.searchsorted(shown["iteration"], iterations)
    start = 0
    for index, end in enumerate(edges):
        if end > start:
            mean_loss[index] = shown["loss"][start:end].mean()
            last_rate[index] = shown["rate"][end - 1]
        start = end
    return mean_loss, last_rate


def _rates_before(iterations: Column, policy: Policy, log: CaffeLog) -> Column:
    """The policy's rate of the iteration before each pass; NaN before the first."""
    known = iterations > 0
    rates = np.full(len(iterations), np.nan)
    budget = log.solver.max_iter if log.solver else 0
    rates[known] = policy.rates(iterations[known] - 1, max(1, budget))
    return rates


def _seconds(log: CaffeLog, passes: NDArray[np.int64]) -> tuple[Column, Column]:
    """Seconds of training before each pass, and of all passes up to its end, those of other test nets included."""
    if not len(passes):
        return np.array([]), np.array([])
    started, taken = log.tests.started, log.tests.ended - log.tests.started
    order = np.argsort(started, kind="stable")
    before = np.empty(len(order))
    before[order] = np.concatenate([[0.0], np.cumsum(taken[order])[:-1]])
    return (started - _training_start(log) - before)[passes], (before + taken)[passes]


def _training_start(log: CaffeLog) -> float:
    """When training began: with the first pass, if Caffe made one before the first iteration."""
    started = log.training_started
    shown = log.displays[0].seconds if log.displays else np.inf
    if log.tests and log.tests[0].started <= shown:
        first = log.tests[0]
        if started is None or first.iteration == log.sessions.first_iteration:
            return first.started
    return shown if started is None else started
