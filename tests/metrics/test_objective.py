"""The objective by which runs are judged: goals that names tell, values of a run, targets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrbench.errors import UsageError
from lrbench.metrics.objective import Objective, Target, known_goal, read_target, target_of
from lrbench.metrics.registry import all_metrics
from lrbench.runs.evaluations import Evaluation
from lrbench.stopping import StoppingRules

MAE = Objective("mae", "minimize")


def rows(*values, name="mae"):
    return [Evaluation(10 * at, {name: value}) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("accuracy", "maximize"),
        ("accuracy_top5", "maximize"),
        ("test_loss", "minimize"),
        ("expected_calibration_error", "minimize"),
        ("loss", "minimize"),
        ("angular_error", "minimize"),
        ("perplexity", "minimize"),
        ("test_mae", "minimize"),
        ("bleu", None),
        ("maerz", None),
    ],
)
def test_the_goal_that_a_name_tells(name, goal):
    assert known_goal(name) == goal


def test_the_best_of_a_minimised_metric_is_the_lowest_and_iteration_0_counts_for_nothing():
    found = rows(0.1, 3.0, math.nan, 2.0, math.inf, 2.5)
    assert (MAE.best(found), MAE.final(found)) == (2.0, 2.5)
    assert (MAE.best(found[:1]), MAE.final(found[:1])) == (None, None)
    assert MAE.final(found[:3]) is None


def test_a_target_on_a_minimised_metric_is_reached_from_above():
    target = Target(MAE, 2.5)
    assert target.iterations(rows(0.1, 3.0, math.nan, 2.5, 2.0)) == 30
    assert target.iterations(rows(0.1, 3.0)) is None


def test_rules_end_a_run_by_the_target_and_by_the_objective():
    assert StoppingRules(Target(MAE, 2.5)).verdict(rows(9, 3.0)) is None
    assert StoppingRules(Target(MAE, 2.5)).verdict(rows(9, 3.0, 2.5)) == "the target mae of 2.5 is reached"
    patient = StoppingRules(patience=2, objective=MAE)
    assert patient.verdict(rows(9, 3.0, 2.0, 2.1)) is None
    assert patient.verdict(rows(9, 3.0, 2.0, 2.1, math.nan)) == "no better mae in 2 evaluations"


def test_metrics_of_a_run_without_an_accuracy():
    columns = {
        "iteration": np.array([0.0, 10, 20, 30]),
        "mae": np.array([0.1, 3.0, 2.0, 2.5]),
        "r2": np.array([0.0, 0.1, 0.2, 0.3]),
        "train_seconds": np.array([0.0, 1, 2, 3]),
    }
    found = all_metrics(columns, Target(MAE, 2.6), Objective("mae", "minimize", "best"))
    assert (found["mae"], found["best_mae"], found["r2"]) == (2.5, 2.0, 0.3)
    assert (found["iterations_to_best"], found["iterations_to_target"], found["seconds_to_target"]) == (20, 20, 2)
    assert found["best_accuracy"] is found["final_accuracy"] is None


@pytest.mark.parametrize(
    ("objective", "stored"),
    [
        (Objective(), {"metric": "accuracy", "at": "final"}),
        (Objective("test_loss", "minimize", "best"), {"metric": "test_loss", "at": "best"}),
        (Objective("bleu", "maximize"), {"metric": "bleu", "at": "final", "goal": "maximize"}),
    ],
)
def test_the_goal_is_stored_where_the_name_does_not_tell_it(objective, stored):
    assert objective.stored() == stored
    assert Objective.parse(stored) == objective


@pytest.mark.parametrize("stored", [{}, {"metric": "bleu", "at": "final"}, {"metric": "best_accuracy"}, {"metric": 3}])
def test_what_is_no_objective_is_unknown(stored):
    assert Objective.parse(stored) is None


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (0.98, "accuracy of 0.98"),
        ("0.98", "accuracy of 0.98"),
        ("accuracy=0.98", "accuracy of 0.98"),
        ("test_loss=0.12", "test loss of 0.12"),
        ("val_perplexity = 1e2", "val perplexity of 100"),
        ("reward>=-200", "reward of -200"),
    ],
)
def test_a_target_is_read_as_a_user_writes_it(given, title):
    target = target_of(read_target(given, "--target"))
    assert target is not None
    assert target.title == title
    assert target.metric.goal == ("minimize" if "loss" in title or "perplexity" in title else "maximize")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("98", "--target is 98, but an accuracy is above 0 and at most 1; give a fraction, such as 0.98 for 98 %"),
        ("nan", "--target is nan, but an accuracy is above 0 and at most 1; "),
        (
            "high",
            "--target is 'high', but must be an accuracy or the value of a metric; write a fraction, such as 0.98",
        ),
        ("test_loss=inf", "--target is 'test_loss=inf', but must be an accuracy or the value of a metric; "),
        ("test_loss>=0.1", "--target is test_loss>=0.1, but low values of test_loss are better; write test_loss=0.1"),
        ("reward=3", "--target names reward, a name that does not tell whether low or high values are better; write "),
        ("train_seconds=3", "--target names train_seconds, which is not a metric of an evaluation; name another"),
    ],
)
def test_a_target_that_is_none_is_refused_in_one_line(given, message):
    with pytest.raises(UsageError) as refused:
        read_target(given, "--target")
    assert str(refused.value).startswith(message)


def test_no_target_is_none():
    assert read_target(None, "--target") is None
