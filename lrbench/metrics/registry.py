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
        higher_is_better: the direction of the ranking.
        of_run: measured once for a run; otherwise at each evaluation, and a run shows that of its last one.
    """

    name: str
    title: str
    unit: Unit
    higher_is_better: bool = False
    of_run: bool = True


def _at_evaluation(name: str, title: str, unit: Unit, higher_is_better: bool = False) -> Metric:
    return Metric(name, title, unit, higher_is_better, of_run=False)


_ALL = (
    Metric("best_accuracy", "best accuracy", "fraction", higher_is_better=True),
    Metric("final_accuracy", "final accuracy", "fraction", higher_is_better=True),
    Metric("iterations_to_best", "iterations to best", "iterations"),
    Metric("iterations_to_target", "iterations to target", "iterations"),
    Metric("seconds_to_target", "seconds to target", "seconds"),
    Metric("train_seconds", "training", "seconds"),
    Metric("evaluation_seconds", "evaluation", "seconds"),
    Metric("iterations_per_second", "speed", "iterations/s", higher_is_better=True),
    Metric("cpu_seconds", "processor time", "seconds"),
    Metric("peak_memory_bytes", "peak memory", "bytes"),
    _at_evaluation("accuracy_top1", "top-1 accuracy", "fraction", higher_is_better=True),
    _at_evaluation("accuracy_top5", "top-5 accuracy", "fraction", higher_is_better=True),
    _at_evaluation("test_loss", "test loss", "loss"),
    _at_evaluation("train_loss", "training loss", "loss"),
    _at_evaluation("average_confidence", "confidence", "fraction", higher_is_better=True),
    _at_evaluation("confidence_deviation", "confidence deviation", "fraction"),
    _at_evaluation("confidence_deviation_across_classes", "confidence deviation, classes", "fraction"),
    _at_evaluation("loss_difference", "test - training loss", "loss"),
    _at_evaluation("expected_calibration_error", "calibration error", "fraction"),
    Metric("lr_scale_robustness", "spread over LR scales", "fraction"),
)

METRICS = {metric.name: metric for metric in _ALL}


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: there is none; the message lists the names near it.
    """
    if name in METRICS:
        return METRICS[name]
    raise UsageError(f"unknown metric {name!r}",
                     remedy=did_you_mean(name, METRICS) or f"there are {', '.join(METRICS)}")
