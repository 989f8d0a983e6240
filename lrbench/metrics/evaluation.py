"""The metrics of one evaluation: what a net's scores and probabilities say over the whole test set.

With ``K`` the correctly classified samples and ``p`` the highest softmax probability of each:

=====================================  ==========================================================
``accuracy_top1``, ``accuracy_top5``   share of samples with fewer than 1 (5) *other* classes
                                       whose score is at least that of the true class
``average_confidence``                 mean of p over K
``confidence_deviation``               population standard deviation of p over K
``confidence_deviation_across_classes``  population standard deviation, over the classes with a
                                       member in K, of the mean p in that class
``loss_difference``                    test_loss - train_loss
``expected_calibration_error``         sum over 15 bins B of |B|/N * |accuracy(B) - confidence(B)|
=====================================  ==========================================================

What cannot be known is NaN: everything but the losses where a probability is NaN, the confidences where
K is empty, ``accuracy_top5`` where there are fewer than five classes (Caffe refuses that, too).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import DataError, NetError

CALIBRATION_BINS = 15
# Softmax in float32 over a thousand classes sums to 1 within 1e-4; logits are not even near.
SUM_TOLERANCE = 1e-2

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


def evaluation_metrics(
    probabilities: Floats, labels: Integers, test_loss: float, train_loss: float, scores: Floats | None = None
) -> dict[str, float]:
    """Every metric of one evaluation, by name; computed in float64.

    Classes are ranked by their scores where they are given. Probabilities in float32 are 0 for every class whose score
    is more than 104 below the highest, so that those classes tie; they rank classes where there are no scores.

    A tie counts as Caffe's Accuracy layer counts it: against the true class, so that equal probabilities are no
    correct answer. Unlike Caffe, for which every comparison with NaN is a win and a diverged net is 100% accurate,
    NaN among the probabilities makes accuracies and confidences NaN.

    Args:
        probabilities: softmax outputs, shape (N, C), any float type.
        labels: the true classes, shape (N,), integers in [0, C).
        test_loss: mean loss over the test set.
        train_loss: mean loss over the training iterations since the last evaluation.
        scores: what the softmax is taken of, of the probabilities' shape.

    Raises:
        DataError: there is no sample, or a label that the net has no output for.
        NetError: the rows are not probabilities.
    """
    metrics = {
        "accuracy_top1": np.nan,
        "accuracy_top5": np.nan,
        "test_loss": float(test_loss),
        "train_loss": float(train_loss),
        "average_confidence": np.nan,
        "confidence_deviation": np.nan,
        "confidence_deviation_across_classes": np.nan,
        "loss_difference": float(test_loss) - float(train_loss),
        "expected_calibration_error": np.nan,
    }
    _check_labels(probabilities, labels)
    highest = probabilities.max(axis=1).astype(np.float64)  # NaN wins in max: one is enough to see it
    ranking = probabilities if scores is None else scores
    if np.isfinite(highest).all() and np.isfinite(probabilities.min()) and not np.isnan(ranking.min()):
        _check_probabilities(probabilities)
        metrics.update(_of_ranking(ranking, labels, highest))
    return {name: float(value) for name, value in metrics.items()}


def _of_ranking(ranking: Floats, labels: Integers, highest: NDArray[np.float64]) -> dict[str, float]:
    ahead = _classes_ahead(ranking, labels)
    correct = ahead < 1
    metrics = {
        "accuracy_top1": float(correct.mean()),
        "accuracy_top5": float((ahead < 5).mean()) if ranking.shape[1] >= 5 else np.nan,
        "expected_calibration_error": calibration_error(highest, correct),
    }
    if correct.any():
        metrics.update(_confidences(highest[correct], labels[correct]))
    return metrics


def _classes_ahead(ranking: Floats, labels: Integers) -> NDArray[np.intp]:
    """How many other classes are ranked at least as high as the true one, of each sample."""
    of_truth = ranking[np.arange(len(labels)), labels]
    # Compared in the type they came in: exact, and no second copy of a large array. The true class itself is >= itself.
    at_least: NDArray[np.intp] = np.count_nonzero(ranking >= of_truth[:, None], axis=1)
    return at_least - 1


def _confidences(confidence: NDArray[np.float64], classes: Integers) -> dict[str, float]:
    members = np.bincount(classes)
    present = members > 0
    of_class = np.bincount(classes, weights=confidence)[present] / members[present]
    return {
        "average_confidence": float(confidence.mean()),
        "confidence_deviation": float(confidence.std()),
        "confidence_deviation_across_classes": float(of_class.std()),
    }


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: how far confidence is from accuracy, on average.

    ``sum_m |B_m|/N * |accuracy(B_m) - confidence(B_m)|`` over 15 bins of equal width, ``B_m`` holding the samples with
    confidence in ((m-1)/15, m/15]. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    inner_edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.digitize(confidence, inner_edges, right=True)
    # |B|/N * |accuracy - confidence| is |hits - summed confidence| / N: no division by an empty bin.
    hits = np.bincount(bins, weights=correct, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(hits - sums).sum() / len(confidence))


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
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or float(np.abs(sums - 1).max()) > SUM_TOLERANCE:
        raise NetError(
            "the net's outputs are not probabilities: some are negative, or those of a sample do not sum to 1",
            remedy="name the top of a Softmax layer",
        )
