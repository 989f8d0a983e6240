"""The metrics of one evaluation: what a net's scores and probabilities say over the whole test set.

What cannot be known is NaN: everything but the losses where a probability is NaN, the confidences where no sample is
classified correctly, ``accuracy_top5`` where there are fewer than five classes (Caffe refuses that, too).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lrbench.errors import DataError, NetError
from lrbench.metrics.metric import Evaluated, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lrbench.metrics.metric import Floats, Integers

CALIBRATION_BINS = 15
# Softmax in float32 over a thousand classes sums to 1 within 1e-4; logits are not even near.
SUM_TOLERANCE = 1e-2


def _accuracy_top5(evaluated: Evaluated) -> float:
    return float((evaluated.classes_ahead < 5).mean()) if evaluated.ranking.shape[1] >= 5 else math.nan


def _average_confidence(evaluated: Evaluated) -> float:
    return float(evaluated.confidence[evaluated.correct].mean()) if evaluated.correct.any() else math.nan


def _confidence_deviation(evaluated: Evaluated) -> float:
    return float(evaluated.confidence[evaluated.correct].std()) if evaluated.correct.any() else math.nan


def _confidence_deviation_across_classes(evaluated: Evaluated) -> float:
    import numpy as np

    if not evaluated.correct.any():
        return math.nan
    confidence, classes = evaluated.confidence[evaluated.correct], evaluated.labels[evaluated.correct]
    members = np.bincount(classes)
    present = members > 0
    of_class = np.bincount(classes, weights=confidence)[present] / members[present]
    return float(of_class.std())


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: how far confidence is from accuracy, on average.

    ``sum_m |B_m|/N * |accuracy(B_m) - confidence(B_m)|`` over 15 bins of equal width, ``B_m`` holding the samples with
    confidence in ((m-1)/15, m/15]. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    import numpy as np

    inner_edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.digitize(confidence, inner_edges, right=True)
    # |B|/N * |accuracy - confidence| is |hits - summed confidence| / N: no division by an empty bin.
    hits = np.bincount(bins, weights=correct, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(hits - sums).sum() / len(confidence))


EVALUATION_METRICS = (
    Metric(
        "accuracy_top1",
        "top-1 accuracy",
        "fraction",
        "share of samples whose true class has no other class with at least its score",
        higher_is_better=True,
        of_evaluation=lambda evaluated: float(evaluated.correct.mean()),
    ),
    Metric(
        "accuracy_top5",
        "top-5 accuracy",
        "fraction",
        "share of samples whose true class has fewer than 5 other classes with at least its score",
        higher_is_better=True,
        of_evaluation=_accuracy_top5,
    ),
    Metric(
        "test_loss",
        "test loss",
        "loss",
        "mean loss over the test set, at most 87.34 a sample; of several losses, the main one, unweighted",
        of_evaluation=lambda evaluated: evaluated.test_loss,
        of_losses=True,
    ),
    Metric(
        "train_loss",
        "training loss",
        "loss",
        "mean training loss over the iterations since the last evaluation; of several losses, the main one, unweighted",
        of_evaluation=lambda evaluated: evaluated.train_loss,
        of_losses=True,
    ),
    Metric(
        "average_confidence",
        "confidence",
        "fraction",
        "mean of p over K",
        higher_is_better=True,
        of_evaluation=_average_confidence,
    ),
    Metric(
        "confidence_deviation",
        "confidence deviation",
        "fraction",
        "population standard deviation of p over K",
        of_evaluation=_confidence_deviation,
    ),
    Metric(
        "confidence_deviation_across_classes",
        "confidence deviation, classes",
        "fraction",
        "population standard deviation, over the classes with a member in K, of the mean p in that class",
        of_evaluation=_confidence_deviation_across_classes,
    ),
    Metric(
        "loss_difference",
        "test - training loss",
        "loss",
        "test_loss - train_loss",
        of_evaluation=lambda evaluated: evaluated.test_loss - evaluated.train_loss,
        of_losses=True,
    ),
    Metric(
        "expected_calibration_error",
        "calibration error",
        "fraction",
        "sum over 15 equal-width bins B of p, all samples, of abs(B)/N · abs(accuracy(B) - mean p(B))",
        of_evaluation=lambda evaluated: calibration_error(evaluated.confidence, evaluated.correct),
    ),
)


def evaluation_metrics(evaluated: Evaluated, metrics: Iterable[Metric] = EVALUATION_METRICS) -> dict[str, float]:
    """Each metric of one evaluation, by name; computed in float64.

    Classes are ranked by their scores where they are given. Probabilities in float32 are 0 for every class whose score
    is more than 104 below the highest, so that those classes tie; they rank classes where there are no scores.

    A tie counts as Caffe's Accuracy layer counts it: against the true class, so that equal probabilities are no
    correct answer. Unlike Caffe, for which every comparison with NaN is a win and a diverged net is 100% accurate,
    NaN among the probabilities makes accuracies and confidences NaN.

    Args:
        metrics: those to compute; others than those of evaluations are left out.

    Raises:
        DataError: there is no sample, or a label that the net has no output for.
        NetError: the rows are not probabilities.
    """
    _check_labels(evaluated.probabilities, evaluated.labels)
    if evaluated.finite:
        _check_probabilities(evaluated.probabilities)
    return {
        metric.name: float(metric.of_evaluation(evaluated)) if metric.of_losses or evaluated.finite else math.nan
        for metric in metrics
        if metric.of_evaluation is not None
    }


def _check_labels(probabilities: Floats, labels: Integers) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(f"probabilities {probabilities.shape} and labels {labels.shape} do not belong together")
    samples, classes = probabilities.shape
    if samples == 0 or classes == 0:
        raise DataError("there is no test sample to measure on", remedy="check the test set")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise DataError(
            f"the test set has label {wrong}, but the net has {classes} outputs, for labels 0 to {classes - 1}",
            remedy="give the net's last layer as many outputs as the data set has classes",
        )


def _check_probabilities(probabilities: Floats) -> None:
    import numpy as np

    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or float(np.abs(sums - 1).max()) > SUM_TOLERANCE:
        raise NetError(
            "the net's outputs are not probabilities: some are negative, or those of a sample do not sum to 1",
            remedy="name the top of a Softmax layer",
        )
