"""The evaluations in a plain training log of Caffe: its passes over the first test net.

``train_loss`` is the mean of the losses displayed since the pass before, as a log has no others.
``learning_rate`` is that of the last iteration before the pass, from the policy where it is known, else as last
displayed. Seconds are the log's own: evaluation is the time the passes took, training all other time from the first
iteration on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog, Test
from lrbench.policies import Policy
from lrbench.report.rows import Columns

Column = NDArray[np.float64]

_TOP5 = re.compile(r"top[^a-z0-9]?5|@5|_5\b")
_ACCURACY = re.compile(r"acc|top[^a-z0-9]?\d|prec")


def evaluations_of_log(log: CaffeLog, policy: Policy | None = None) -> Columns:
    """Columns by name, in the order of iterations; where a resumed training repeats an iteration, the later counts.

    Args:
        policy: what the training followed, None where that is not known.
    """
    passes = {test.iteration: test for test in log.tests if test.net == 0 and test.outputs}
    tests = [passes[iteration] for iteration in sorted(passes)]
    iterations = np.array([test.iteration for test in tests], dtype=np.float64)
    train_loss, displayed = _since_the_last(log, iterations)
    rate = displayed if policy is None else _rates_before(iterations, policy, log)
    test_loss, accuracy, top5 = _outputs(tests)
    train_seconds, evaluation_seconds = _seconds(log, tests)
    return {
        "iteration": iterations,
        "learning_rate": rate,
        "train_loss": train_loss,
        "test_loss": test_loss,
        "accuracy_top1": accuracy,
        "accuracy_top5": top5,
        "loss_difference": test_loss - train_loss,
        "train_seconds": train_seconds,
        "evaluation_seconds": evaluation_seconds,
    }


def _since_the_last(log: CaffeLog, iterations: Column) -> tuple[Column, Column]:
    """Mean displayed loss, and last displayed rate, of the iterations before each pass and not before the last one."""
    shown = np.array([display.iteration for display in log.displays])
    losses = np.array([display.loss for display in log.displays])
    rates = np.array([np.nan if display.rate is None else display.rate for display in log.displays])
    mean_loss, last_rate = np.full(len(iterations), np.nan), np.full(len(iterations), np.nan)
    start = -1.0
    for index, end in enumerate(iterations):
        inside = (shown >= start) & (shown < end)
        if inside.any():
            mean_loss[index] = losses[inside].mean()
            last_rate[index] = rates[inside][-1]
        start = end
    return mean_loss, last_rate


def _rates_before(iterations: Column, policy: Policy, log: CaffeLog) -> Column:
    """The policy's rate of the iteration before each pass; NaN before the first."""
    known = iterations > 0
    rates = np.full(len(iterations), np.nan)
    budget = log.solver.max_iter if log.solver else 0
    rates[known] = policy.rates(iterations[known] - 1, max(1, budget))
    return rates


def _outputs(tests: Sequence[Test]) -> tuple[Column, Column, Column]:
    """Loss, accuracy and top-5 accuracy. Caffe counts NaN as correct: where the loss is not finite they are unknown."""
    accuracy, top5, loss = _output_names(tests)
    columns = [
        np.array([test.outputs.get(name, np.nan) if name else np.nan for test in tests], dtype=np.float64)
        for name in (loss, accuracy, top5)
    ]
    if loss is not None:
        for column in columns[1:]:
            column[~np.isfinite(columns[0])] = np.nan
    return columns[0], columns[1], columns[2]


def _output_names(tests: Sequence[Test]) -> tuple[str | None, str | None, str | None]:
    """Which outputs are accuracy, top-5 accuracy and loss.

    A name says so or, where none does for the accuracy, it is the only other output that stays within [0, 1].
    """
    names = list(dict.fromkeys(name for test in tests for name in test.outputs))
    accuracies = [name for name in names if _ACCURACY.search(name.lower())]
    losses = [name for name in names if "loss" in name.lower() and name not in accuracies]
    others = [name for name in names if name not in accuracies and name not in losses]
    shares = [name for name in others if all(0 <= test.outputs.get(name, 0) <= 1 for test in tests)]
    if not accuracies and len(shares) == 1:
        accuracies = shares
    top5 = [name for name in accuracies if _TOP5.search(name.lower())]
    top1 = [name for name in accuracies if name not in top5]
    return _chosen(top1, "accuracy"), _chosen(top5, "accuracy_top5"), _chosen(losses, "loss")


def _chosen(names: Sequence[str], usual: str) -> str | None:
    """The usual name, or the last: the outputs of auxiliary branches come before the net's own."""
    return usual if usual in names else names[-1] if names else None


def _seconds(log: CaffeLog, tests: Sequence[Test]) -> tuple[Column, Column]:
    """Seconds of training before each pass, and of all passes up to its end, those of other test nets included."""
    begin = _training_start(log)
    spent = 0.0
    before: dict[int, float] = {}
    for test in sorted(log.tests, key=lambda test: test.started):
        before[id(test)] = spent
        spent += test.ended - test.started
    train = [test.started - begin - before[id(test)] for test in tests]
    evaluation = [before[id(test)] + test.ended - test.started for test in tests]
    return np.array(train, dtype=np.float64), np.array(evaluation, dtype=np.float64)


def _training_start(log: CaffeLog) -> float:
    """When training began: with the first pass, if Caffe made one before the first iteration."""
    shown = log.displays[0].seconds if log.displays else np.inf
    if log.tests and log.tests[0].started <= shown:
        return log.tests[0].started
    return shown if log.training_started is None else log.training_started
