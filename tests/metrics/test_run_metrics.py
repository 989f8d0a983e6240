"""The metrics of a run from its evaluations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrbench.errors import UsageError
from lrbench.metrics.metric import RunCurves
from lrbench.metrics.registry import METRICS, all_metrics, metric_named
from lrbench.metrics.run import RUN_METRICS, lr_scale_robustness, run_metrics, target_budgets

NAN = math.nan


def columns(**values):
    return {name: np.array(column, dtype=float) for name, column in values.items()}


RUN = columns(
    iteration=[0, 500, 1000, 1500, 2000],
    accuracy_top1=[0.1, 0.9, 0.95, 0.95, 0.93],
    train_seconds=[0, 10, 20, 30, 40],
    evaluation_seconds=[1, 2, 3, 4, 5],
    cpu_seconds=[2, 14, 26, 38, 50],
    peak_memory_bytes=[100, 200, 300, 300, 300],
)


def test_a_run_that_reaches_its_target():
    assert run_metrics(RunCurves(RUN, 0.9), RUN_METRICS) == {
        "best_accuracy": 0.95,
        "final_accuracy": 0.93,
        "iterations_to_best": 1000,
        "iterations_to_target": 500,
        "seconds_to_target": 10,
        "train_seconds": 40,
        "evaluation_seconds": 5,
        "iterations_per_second": 50,
        "cpu_seconds": 50,
        "peak_memory_bytes": 300,
    }


@pytest.mark.parametrize("target", [0.96, None])
def test_a_target_not_reached_is_none(target):
    metrics = run_metrics(RunCurves(RUN, target), RUN_METRICS)
    assert metrics["iterations_to_target"] is None
    assert metrics["seconds_to_target"] is None


def test_a_run_that_diverges_keeps_its_best_and_has_no_final():
    run = {**RUN, "accuracy_top1": np.array([0.1, 0.8, NAN, NAN, NAN])}
    metrics = run_metrics(RunCurves(run, 0.9), RUN_METRICS)
    assert metrics["best_accuracy"] == 0.8
    assert metrics["iterations_to_best"] == 500
    assert metrics["final_accuracy"] is None
    assert metrics["iterations_to_target"] is None


def test_a_run_that_was_never_accurate_has_no_best():
    metrics = run_metrics(
        RunCurves(columns(iteration=[500], accuracy_top1=[NAN], train_seconds=[1.5]), 0.0), RUN_METRICS
    )
    assert metrics["best_accuracy"] is None
    assert metrics["iterations_to_best"] is None
    assert metrics["iterations_to_target"] is None
    assert metrics["train_seconds"] == 1.5


def test_nothing_measured_yet():
    assert set(run_metrics(RunCurves({}, 0.5), RUN_METRICS).values()) == {None}
    assert set(run_metrics(RunCurves(columns(iteration=[], accuracy_top1=[]), 0.5), RUN_METRICS).values()) == {None}


def test_columns_that_are_not_there_are_unknown():
    metrics = run_metrics(RunCurves(columns(iteration=[0, 10], accuracy_top1=[0.1, 0.2]), 0.2), RUN_METRICS)
    assert metrics["iterations_to_target"] == 10
    assert metrics["seconds_to_target"] is None
    assert metrics["iterations_per_second"] is None
    assert metrics["peak_memory_bytes"] is None


def test_speed_of_a_training_that_began_in_the_middle():
    log = columns(iteration=[5000, 5500], accuracy_top1=[0.5, 0.6], train_seconds=[0, 50])
    assert run_metrics(RunCurves(log, None), RUN_METRICS)["iterations_per_second"] == 10
    first_evaluation_late = columns(iteration=[500, 1000], accuracy_top1=[0.5, 0.6], train_seconds=[50, 100])
    assert run_metrics(RunCurves(first_evaluation_late, None), RUN_METRICS)["iterations_per_second"] == 10


def test_a_miss_counts_as_the_budget_and_its_seconds():
    assert target_budgets(RUN, 2000) == {"iterations_to_target": 2000, "seconds_to_target": 40}
    assert target_budgets(RUN, None) == {"iterations_to_target": 2000, "seconds_to_target": 40}
    assert target_budgets(RUN, 3000) == {"iterations_to_target": 3000, "seconds_to_target": 60}  # at its own speed
    assert target_budgets({}, None) == {"iterations_to_target": None, "seconds_to_target": None}
    assert target_budgets(columns(iteration=[10]), 100) == {"iterations_to_target": 100, "seconds_to_target": None}


def test_robustness_is_the_spread_of_the_means():
    robustness = lr_scale_robustness({1.0: [0.9, 0.92], 10.0: [0.5, 0.3], 0.1: [0.8, None]})
    assert robustness.spread == pytest.approx(0.91 - 0.4)
    assert list(robustness.values) == [0.1, 1.0, 10.0]
    assert robustness.values[0.1] == 0.8
    assert robustness.missing == ()


def test_a_scale_without_any_accuracy_leaves_the_spread_unknown():
    robustness = lr_scale_robustness({1.0: [0.9], 5.0: [], 10.0: [None, NAN]})
    assert robustness.spread is None
    assert robustness.missing == (5.0, 10.0)
    assert robustness.values == {1.0: 0.9, 5.0: None, 10.0: None}


def test_a_scale_that_diverged_leaves_the_spread_unknown():
    robustness = lr_scale_robustness({1.0: [0.9, 0.9], 10.0: [0.5], 20.0: []}, {1.0: 0, 10.0: 1, 20.0: 2})
    assert robustness.spread is None
    assert robustness.values == {1.0: 0.9, 10.0: 0.5, 20.0: None}
    assert robustness.diverged == {10.0: 1, 20.0: 2}
    assert robustness.missing == (20.0,)


def test_every_metric_of_a_run_is_registered():
    assert set(run_metrics(RunCurves(RUN, None), RUN_METRICS)) <= set(METRICS)
    assert metric_named("test_loss").higher_is_better is False
    assert metric_named("best_accuracy").higher_is_better is True


def test_an_unknown_metric_names_those_near_it():
    with pytest.raises(UsageError, match=r"unknown metric 'best_acuracy'; did you mean best_accuracy"):
        metric_named("best_acuracy")
    with pytest.raises(UsageError, match="there are best_accuracy, final_accuracy"):
        metric_named("zzz")


def test_a_test_pass_at_iteration_0_is_no_result_and_reaches_no_target():
    run = columns(iteration=[0, 500, 1000], accuracy_top1=[0.95, 0.6, 0.9], train_seconds=[0, 10, 20])
    metrics = run_metrics(RunCurves(run, 0.9), RUN_METRICS)
    assert (metrics["best_accuracy"], metrics["iterations_to_best"]) == (0.9, 1000)
    assert (metrics["iterations_to_target"], metrics["seconds_to_target"]) == (1000, 20)
    untrained = {name: column[:1] for name, column in {**run, "test_loss": np.array([0.1])}.items()}
    known = {name: value for name, value in all_metrics(untrained, 0.9).items() if value is not None}
    assert known == {"train_seconds": 0}
