"""Stopping rules, on evaluations alone."""

from __future__ import annotations

import math

from lrbench.runs.evaluations import Evaluation
from lrbench.stopping import StoppingRules


def rows(*accuracies, first=1):
    return [
        Evaluation(10 * number, {"accuracy_top1": accuracy}) for number, accuracy in enumerate(accuracies, start=first)
    ]


def test_patience_counts_from_the_best_accuracy_and_nan_is_none():
    rules = StoppingRules(patience=2)
    assert rules.verdict(rows(math.nan, 0.5, 0.6)) is None
    assert rules.verdict(rows(0.6, math.nan, 0.5)) == "no better accuracy in 2 evaluations"
    assert rules.verdict(rows(math.nan, math.nan, math.nan)) == "no better accuracy in 2 evaluations"


def test_a_test_pass_at_iteration_0_neither_reaches_a_target_nor_sets_a_best():
    assert StoppingRules(target_accuracy=0.9).verdict(rows(0.95, first=0)) is None
    assert StoppingRules(patience=2).verdict(rows(0.95, 0.4, 0.5, first=0)) is None
    assert StoppingRules(target_accuracy=0.9).verdict(rows(0.95, 0.9, first=0)) is not None
