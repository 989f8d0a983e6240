"""The metrics by name: what each means, its unit, and whether more of it is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrbench.errors import UsageError, did_you_mean

Unit = Literal["fraction", "loss", "iterations", "seconds", "iterations/s", "bytes"]


@dataclass(frozen=True)
class Metric:
    """A metric that policies can be ranked by.

    Attributes:
        name: as in files, on the command line and in JSON.
        title: as at the head of a column.
        unit: what its numbers count; a fraction is shown in percent.
        definition: how it is computed, where K is the set of correctly classified samples of the test set, p the
            highest softmax probability of each sample, and N the number of samples.
        higher_is_better: the direction of the ranking.
        of_run: measured once for a run; otherwise at each evaluation, and a run shows that of its last one.
        to_target: a time to the target accuracy, which a run may miss: see ``lrbench.metrics.summary.TimesToTarget``.
    """

    name: str
    title: str
    unit: Unit
    definition: str
    higher_is_better: bool = False
    of_run: bool = True
    to_target: bool = False


def _at_evaluation(name: str, title: str, unit: Unit, definition: str, higher_is_better: bool = False) -> Metric:
    return Metric(name, title, unit, definition, higher_is_better, of_run=False)


_ALL = (
    Metric(
        "best_accuracy",
        "best accuracy",
        "fraction",
        "the highest accuracy_top1 after iteration 0",
        higher_is_better=True,
    ),
    Metric(
        "final_accuracy",
        "final accuracy",
        "fraction",
        "the last accuracy_top1, unless of iteration 0",
        higher_is_better=True,
    ),
    Metric(
        "iterations_to_best",
        "iterations to best",
        "iterations",
        "the first evaluated iteration at which the best accuracy was reached",
    ),
    Metric(
        "iterations_to_target",
        "iterations to target",
        "iterations",
        "the first evaluated iteration at which the target accuracy was reached; null if it was not",
        to_target=True,
    ),
    Metric(
        "seconds_to_target",
        "seconds to target",
        "seconds",
        "training seconds, evaluations excluded, up to there; null if it was not reached",
        to_target=True,
    ),
    Metric("train_seconds", "training", "seconds", "wall time of training"),
    Metric("evaluation_seconds", "evaluation", "seconds", "wall time of evaluating"),
    Metric("iterations_per_second", "speed", "iterations/s", "iterations / train_seconds", higher_is_better=True),
    Metric(
        "cpu_seconds",
        "processor time",
        "seconds",
        "of the engine's process, training and evaluating, over all its threads",
    ),
    Metric("peak_memory_bytes", "peak memory", "bytes", "the most main memory that the engine's process held at once"),
    _at_evaluation(
        "accuracy_top1",
        "top-1 accuracy",
        "fraction",
        "share of samples whose true class has no other class with at least its score",
        True,
    ),
    _at_evaluation(
        "accuracy_top5",
        "top-5 accuracy",
        "fraction",
        "share of samples whose true class has fewer than 5 other classes with at least its score",
        True,
    ),
    _at_evaluation(
        "test_loss",
        "test loss",
        "loss",
        "mean loss over the test set, at most 87.34 a sample; of several losses, the main one, unweighted",
    ),
    _at_evaluation(
        "train_loss",
        "training loss",
        "loss",
        "mean training loss over the iterations since the last evaluation; of several losses, the main one, unweighted",
    ),
    _at_evaluation("average_confidence", "confidence", "fraction", "mean of p over K", True),
    _at_evaluation(
        "confidence_deviation", "confidence deviation", "fraction", "population standard deviation of p over K"
    ),
    _at_evaluation(
        "confidence_deviation_across_classes",
        "confidence deviation, classes",
        "fraction",
        "population standard deviation, over the classes with a member in K, of the mean p in that class",
    ),
    _at_evaluation("loss_difference", "test - training loss", "loss", "test_loss - train_loss"),
    _at_evaluation(
        "expected_calibration_error",
        "calibration error",
        "fraction",
        "sum over 15 equal-width bins B of p, all samples, of abs(B)/N · abs(accuracy(B) - mean p(B))",
    ),
    Metric(
        "lr_scale_robustness",
        "spread over LR scales",
        "fraction",
        "with the spec's robustness: highest minus lowest mean best accuracy over the scales; null where a run "
        "diverged at any scale",
    ),
)

METRICS = {metric.name: metric for metric in _ALL}
TIMES_TO_TARGET = tuple(metric.name for metric in _ALL if metric.to_target)


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: there is none; the message lists the names near it.
    """
    if name in METRICS:
        return METRICS[name]
    raise UsageError(
        f"unknown metric {name!r}", remedy=did_you_mean(name, METRICS) or f"there are {', '.join(METRICS)}"
    )
