"""Detection of divergence in an evaluation: the one rule for the runs of every engine and for training logs.

Caffe takes no logarithm of less than the smallest normal float32, so a sample's softmax loss is at most
``-log(2**-126) = 87.3365``. On a GPU this turns the NaN of a diverged net into a loss of 87.3365, and Caffe's Accuracy
layer counts NaN as correct: such a log claims an accuracy of 100 %. Both cannot be true. The true class of a correct
sample is the most probable of K classes, which has a probability of at least 1/K, so that a mean loss is at most

    accuracy * ln(K) + (1 - accuracy) * 87.3365
"""

from __future__ import annotations

import math

LARGEST_SAMPLE_LOSS = 126 * math.log(2)
"""-log of the smallest normal float32: the most that Caffe's softmax loss of one sample can be."""

_SUSPICIOUS_LOSS = 87.0
# Losses are sums of float32, and logs print six digits.
_TOLERANCE = 1e-4


def divergence(loss: float, accuracy: float | None, classes: int | None, *, mean_loss: bool = True) -> str | None:
    """Return why an evaluation shows that the net diverged, to be followed by where; None if it does not.

    Args:
        loss: the softmax loss on the test set.
        accuracy: the top-1 accuracy, a fraction; NaN where the net's outputs are not finite, None where it was not
            measured.
        classes: K, None where it is not known. Then only a loss of at least 87 with an accuracy above 1/2 is
            impossible.
        mean_loss: whether the loss is the mean over all labels; nothing follows from the size of a sum.
    """
    if not math.isfinite(loss):
        return "the test loss is not finite"
    if accuracy is None:
        return None
    if not math.isfinite(accuracy):
        return "the net's outputs are not finite"
    if mean_loss and not _possible(loss, accuracy, classes):
        return f"the test loss of {loss:.6g} and the accuracy of {100 * accuracy:.4g} % stand for NaN"
    return None


def _possible(loss: float, accuracy: float, classes: int | None) -> bool:
    if not 0 <= accuracy <= 1:
        return True  # no share: a log of another program's numbers
    if classes is None:
        return loss < _SUSPICIOUS_LOSS or accuracy <= 0.5
    of_correct = accuracy * math.log(classes)
    if accuracy < 1 and loss > LARGEST_SAMPLE_LOSS * (1 + _TOLERANCE):
        return True  # an engine whose losses are not limited as Caffe's are
    return loss <= (of_correct + (1 - accuracy) * LARGEST_SAMPLE_LOSS) * (1 + _TOLERANCE) + _TOLERANCE
