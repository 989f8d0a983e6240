"""What a net's probabilities say: against sums done by hand and a slow, plain implementation."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_settings import examples

from lrbench.errors import DataError, NetError
from lrbench.metrics.evaluation import evaluation_metrics
from lrbench.metrics.metric import Evaluated

NAMES = [
    "accuracy_top1",
    "accuracy_top5",
    "test_loss",
    "train_loss",
    "average_confidence",
    "confidence_deviation",
    "confidence_deviation_across_classes",
    "loss_difference",
    "expected_calibration_error",
]


def plainly(probabilities, labels):
    """The definitions, sample by sample."""
    rows = [[float(value) for value in row] for row in probabilities]
    ahead = [
        sum(p >= row[label] for c, p in enumerate(row) if c != label) for row, label in zip(rows, labels, strict=True)
    ]
    kept = [(max(row), int(label)) for row, label, n in zip(rows, labels, ahead, strict=True) if n < 1]
    classes = sorted({label for _, label in kept})
    class_means = [statistics.fmean(p for p, label in kept if label == c) for c in classes]
    error = 0.0
    for m in range(1, 16):
        inside = [(max(row), n < 1) for row, n in zip(rows, ahead, strict=True) if (m - 1) / 15 < max(row) <= m / 15]
        if inside:
            accuracy = statistics.fmean(ok for _, ok in inside)
            error += len(inside) / len(rows) * abs(accuracy - statistics.fmean(p for p, _ in inside))
    return {
        "accuracy_top1": statistics.fmean(n < 1 for n in ahead),
        "accuracy_top5": statistics.fmean(n < 5 for n in ahead) if len(rows[0]) >= 5 else math.nan,
        "average_confidence": statistics.fmean(p for p, _ in kept) if kept else math.nan,
        "confidence_deviation": statistics.pstdev([p for p, _ in kept]) if kept else math.nan,
        "confidence_deviation_across_classes": statistics.pstdev(class_means) if kept else math.nan,
        "expected_calibration_error": error,
    }


def random_case(seed, samples, classes, sharpness=4.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(samples, classes))
    logits[np.arange(samples), labels] += 1
    exponents = np.exp(sharpness * logits)
    return (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32), labels


@examples(60)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 12))
def test_agrees_with_the_definitions(seed, samples, classes):
    probabilities, labels = random_case(seed, samples, classes)
    got = evaluation_metrics(Evaluated(probabilities, labels, 0.5, 0.25))
    assert list(got) == NAMES
    for name, value in plainly(probabilities, labels).items():
        assert got[name] == pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True), name


def test_numbers_done_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.6, 0.3, 0.1]])
    got = evaluation_metrics(Evaluated(probabilities, np.array([0, 1, 2, 0]), test_loss=0.75, train_loss=0.5))
    assert got["accuracy_top1"] == 0.75
    assert got["average_confidence"] == pytest.approx(0.7, rel=1e-15)
    assert got["confidence_deviation"] == pytest.approx(math.sqrt(0.02 / 3), rel=1e-12)
    # class 0: (0.7 + 0.6) / 2, class 1: 0.8
    assert got["confidence_deviation_across_classes"] == pytest.approx(0.075, rel=1e-12)
    assert got["loss_difference"] == 0.25
    # one sample a bin: |1-0.7| + |1-0.8| + |0-0.5| + |1-0.6|, over 4
    assert got["expected_calibration_error"] == pytest.approx(0.35, rel=1e-12)


def test_a_tie_counts_against_the_true_class():
    probabilities = np.array([[0.5, 0.5, 0, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2, 0.0]])
    got = evaluation_metrics(Evaluated(probabilities, np.array([0, 0]), 1, 1))
    assert got["accuracy_top1"] == 0
    assert got["accuracy_top5"] == 1  # in the second row four others are as probable: fewer than five
    sixths = np.full((1, 6), 1 / 6)
    assert evaluation_metrics(Evaluated(sixths, np.array([3]), 1, 1))["accuracy_top5"] == 0


def test_one_nan_makes_accuracy_and_confidence_unknown():
    probabilities, labels = random_case(1, 30, 10)
    probabilities[7, 3] = np.nan
    got = evaluation_metrics(Evaluated(probabilities, labels, math.nan, 0.5))
    assert [name for name in NAMES if not math.isnan(got[name])] == ["train_loss"]


def test_nothing_correct_has_no_confidence():
    got = evaluation_metrics(Evaluated(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 0]), 1, 1))
    assert got["accuracy_top1"] == 0
    assert math.isnan(got["average_confidence"])
    assert math.isnan(got["confidence_deviation"])
    assert math.isnan(got["confidence_deviation_across_classes"])
    assert got["expected_calibration_error"] == pytest.approx(0.85)


@pytest.mark.parametrize(("classes", "known"), [(4, False), (5, True)])
def test_top5_needs_five_classes(classes, known):
    probabilities, labels = random_case(2, 20, classes)
    assert math.isnan(evaluation_metrics(Evaluated(probabilities, labels, 1, 1))["accuracy_top5"]) is not known


@pytest.mark.parametrize("edge", range(1, 15))
def test_a_confidence_on_a_bins_edge_belongs_to_the_bin_below(edge):
    """The two samples share a bin, where their errors cancel, only if the edge belongs below."""
    at_edge, below = edge / 15, edge / 15 - 0.03
    rows = [[at_edge, *[(1 - at_edge) / 30] * 30], [below, *[(1 - below) / 30] * 30]]
    got = evaluation_metrics(Evaluated(np.array(rows), np.array([0, 1]), 1, 1))
    correct = at_edge > (1 - at_edge) / 30
    assert got["expected_calibration_error"] == pytest.approx(abs(correct - max(rows[0]) - max(rows[1])) / 2)


def test_labels_that_the_net_cannot_give():
    probabilities, _ = random_case(3, 4, 3)
    with pytest.raises(DataError, match="label 3, but the net has 3 outputs"):
        evaluation_metrics(Evaluated(probabilities, np.array([0, 1, 2, 3]), 1, 1))
    with pytest.raises(DataError, match="label -1"):
        evaluation_metrics(Evaluated(probabilities, np.array([0, 1, 2, -1]), 1, 1))
    with pytest.raises(DataError, match="no test sample"):
        evaluation_metrics(Evaluated(np.zeros((0, 3)), np.zeros(0, int), 1, 1))


def test_logits_are_refused():
    with pytest.raises(NetError, match="not probabilities"):
        evaluation_metrics(Evaluated(np.array([[3.0, -2.0]]), np.array([0]), 1, 1))
    with pytest.raises(NetError, match="not probabilities"):
        evaluation_metrics(Evaluated(np.array([[3.0, 2.0]]), np.array([0]), 1, 1))


def test_a_large_test_set_takes_seconds_not_minutes():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 1000, 50_000)
    probabilities = rng.random((50_000, 1000), dtype=np.float32)
    probabilities[np.arange(50_000), labels] += 0.4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    start = time.process_time()
    got = evaluation_metrics(Evaluated(probabilities, labels, 1, 1))
    assert time.process_time() - start < 20
    assert 0 < got["accuracy_top1"] < got["accuracy_top5"] < 1


def test_classes_are_ranked_by_scores_where_probabilities_underflow():
    scores = np.array([[300, 150, 140, 130, 120, 110, 100]] * 7, dtype=np.float32)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    labels = np.arange(7)
    found = evaluation_metrics(Evaluated(probabilities, labels, 1.0, 1.0, scores))
    assert (found["accuracy_top1"], found["accuracy_top5"]) == (1 / 7, 5 / 7)
    without = evaluation_metrics(Evaluated(probabilities, labels, 1.0, 1.0))
    assert (without["accuracy_top1"], without["accuracy_top5"]) == (1 / 7, 1 / 7), "six zeros tie"
    assert {name: found[name] for name in NAMES if name != "accuracy_top5"} == {
        name: without[name] for name in NAMES if name != "accuracy_top5"
    }


def test_a_score_that_is_not_a_number_is_no_accuracy():
    scores = np.array([[1.0, np.nan]], dtype=np.float32)
    found = evaluation_metrics(Evaluated(np.array([[0.5, 0.5]]), np.array([0]), 1.0, 1.0, scores))
    assert math.isnan(found["accuracy_top1"])
