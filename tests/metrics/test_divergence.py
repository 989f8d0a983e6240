"""Which losses are possible with which accuracies, and which come from NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.metrics.divergence import LARGEST_SAMPLE_LOSS, divergence

NAN = math.nan


def test_the_largest_loss_is_that_of_the_smallest_normal_float32():
    assert pytest.approx(-math.log(np.finfo(np.float32).tiny), rel=1e-15) == LARGEST_SAMPLE_LOSS


@pytest.mark.parametrize(
    ("loss", "accuracy", "classes", "diverged"),
    [
        (87.3365, 1.0, 10, True),
        (87.3365, 1.0, None, True),
        (87.3365, 0.1, 10, True),  # older builds of Caffe: accuracy by chance
        (87.3365, 0.1, None, False),
        (87.3365, 0.0, 10, False),  # sure of a wrong class for every sample
        (78.6029, 0.1, 10, False),  # sure of one class for every sample
        (0.1 * math.log(10) + 0.9 * LARGEST_SAMPLE_LOSS, 0.1, 10, False),  # the bound itself
        (0.1 * math.log(10) + 0.9 * LARGEST_SAMPLE_LOSS + 0.1, 0.1, 10, True),
        (math.log(10), 1.0, 10, False),
        (math.log(10) + 0.01, 1.0, 10, True),
        (0.0, 1.0, 1, False),
        (814.0, 0.1, 10, False),  # an engine that does not limit losses
        (814.0, 1.0, 10, True),
        (86.9, 1.0, None, False),
        (87.0, 0.5, None, False),
        (87.0, 0.51, None, True),
        (8733.65, 1.0, None, True),
        (0.9, 71.0, 10, False),  # in percent
        (NAN, 1.0, 10, True),
        (math.inf, None, None, True),
        (2.3, NAN, 10, True),
        (2.3, 0.1, 10, False),
        (500.0, None, None, False),
    ],
)
def test_an_accuracy_bounds_the_mean_loss(loss, accuracy, classes, diverged):
    assert (divergence(loss, accuracy, classes) is not None) == diverged


def test_nothing_follows_from_the_size_of_a_sum():
    assert divergence(8733.65, 1.0, 10, mean_loss=False) is None
    assert divergence(NAN, 1.0, 10, mean_loss=False) == "the test loss is not finite"
    assert divergence(90.0, NAN, 10, mean_loss=False) == "the net's outputs are not finite"


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0, 300))
def test_no_softmax_output_breaks_the_bound(samples, classes, seed, scale):
    generator = np.random.default_rng(seed)
    scores = scale * generator.standard_normal((samples, classes))
    labels = generator.integers(0, classes, samples)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    of_truth = probabilities[np.arange(samples), labels]
    accuracy = float(((probabilities >= of_truth[:, None]).sum(axis=1) == 1).mean())
    loss = float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean())
    logged = float(f"{loss:.6g}"), float(f"{accuracy:.6g}")
    assert divergence(loss, accuracy, classes) is None
    assert divergence(*logged, classes) is None
    assert divergence(*logged, None) is None
