"""Early verdicts: what is out of reach, on what evidence, and that runs which get there are hardly ever given up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factories.search_table import load_table, played_runs

from lrbench.metrics.objective import Objective, Target
from lrbench.runs.evaluations import Evaluation
from lrbench.tuning.early_stopping import LATEST, RISK, STEEPEST, TargetFeasibility, best_so_far

TIMES = range(25, 301, 25)


def evaluation(iteration, accuracy):
    return Evaluation(iteration, {"accuracy_top1": accuracy})


def rows(accuracies, interval=25):
    return [evaluation(interval * number, value) for number, value in enumerate(accuracies, 1)]


def power_law(steepness, scale=4.0, floor=0.0):
    """Accuracies whose error falls as t^-steepness."""
    return [1 - max(scale * time**-steepness, floor) for time in TIMES]


def given_up_at(rule, accuracies):
    for count in range(1, len(accuracies) + 1):
        if rule.out_of_reach(rows(accuracies[:count])):
            return 25 * count
    return None


def earlier(count, seed=0):
    chance = np.random.default_rng(seed)
    return [power_law(0.8 + 0.1 * chance.standard_normal()) for _ in range(count)]


def test_a_run_on_its_way_is_left_alone():
    assert given_up_at(TargetFeasibility(0.95, 300), power_law(0.8)) is None


def test_a_run_at_chance_level_is_given_up_by_its_own_curve():
    rule = TargetFeasibility(0.95, 300)
    at = given_up_at(rule, [0.1] * 12)
    assert at is not None
    assert at < 150
    steepness = math.log(0.9 / 0.05) / math.log(300 / at)
    assert steepness > STEEPEST
    assert rule.out_of_reach(rows([0.1] * (at // 25))) == (
        f"out of reach: from 10.00% at iteration {at} the error would have to fall as t^-{steepness:.1f} to reach "
        f"95.00% by iteration 300, faster than t^-3"
    )


def test_once_the_target_was_reached_nothing_is_out_of_reach():
    assert given_up_at(TargetFeasibility(0.5, 300), [0.6, *[0.1] * 11]) is None


def test_near_the_end_nothing_is_given_up_any_more():
    rule = TargetFeasibility(0.999, 300)
    assert rule.out_of_reach(rows([0.1] * 12)) is None
    assert rule.out_of_reach(rows([0.1] * int(LATEST * 12))) is not None


def test_evaluations_without_a_value_are_not_taken_for_bad_ones():
    rule = TargetFeasibility(0.95, 300)
    assert rule.out_of_reach(rows([math.nan] * 8)) is None
    assert best_so_far(rows([math.nan, 0.5, math.nan, 0.4, 0.7])) == [(50, 0.5), (75, 0.5), (100, 0.5), (125, 0.7)]


def test_few_earlier_runs_are_no_evidence():
    few = TargetFeasibility(0.95, 300, tuple(best_so_far(rows(run)) for run in earlier(48)))
    enough = TargetFeasibility(0.95, 300, tuple(best_so_far(rows(run)) for run in earlier(49)))
    assert not few.by_earlier_runs
    assert "there are 48 earlier runs of this workload that reached it and 49 are needed" in few.evidence
    assert enough.by_earlier_runs
    assert "49 earlier runs of this workload that reached it; at most 2 %" in enough.evidence


def test_earlier_runs_tell_sooner_than_the_runs_own_curve():
    late = [0.1, 0.1, 0.1, *power_law(0.3)[3:]]
    known = TargetFeasibility(0.95, 300, tuple(best_so_far(rows(run)) for run in earlier(100)))
    assert (given_up_at(known, late) or 300) < (given_up_at(TargetFeasibility(0.95, 300), late) or 300)
    why = known.out_of_reach(rows(late[:3]))
    assert why == (
        "out of reach: 10.00% by iteration 75 is further behind than 98% of 100 earlier runs that reached "
        "95.00% ever were"
    )


@pytest.mark.parametrize("seed", range(3))
def test_of_runs_like_the_earlier_ones_hardly_any_is_given_up(seed):
    reaching = [run for run in earlier(1200, seed) if max(run) >= 0.95]
    known = TargetFeasibility(0.95, 300, tuple(best_so_far(rows(run)) for run in reaching[:200]))
    fresh = reaching[200:]
    given_up = sum(given_up_at(known, run) is not None for run in fresh)
    assert len(fresh) > 500
    assert given_up / len(fresh) <= 2.5 * RISK  # the bound holds on average over what the earlier runs happen to be
    hopeless = [given_up_at(known, power_law(0.4)), given_up_at(known, [0.1] * 12)]
    assert all(hopeless)


def test_curves_at_other_iterations_are_comparable():
    known = TargetFeasibility(0.95, 300, tuple(best_so_far(rows(run)) for run in earlier(60)))
    assert known.out_of_reach(rows([0.1] * 9, interval=10)) is not None
    on_its_way = [1 - 4.0 * (10 * n) ** -0.8 if n > 2 else 0.1 for n in range(1, 10)]
    assert known.out_of_reach(rows(on_its_way, interval=10)) is None


@pytest.mark.parametrize("target", [0.95, 0.98])
def test_of_measured_runs_at_most_two_in_a_hundred_that_reach_the_target_are_given_up(repository, target):
    table = played_runs(load_table(repository / "tests/data_files/digits_lenet.json.gz"))
    curves = {key: best_so_far(played.rows) for key, played in table.items()}
    reaching = [key for key, curve in curves.items() if curve and curve[-1][1] >= target]
    given_up = 0
    for key in reaching:
        known = TargetFeasibility(target, 300, tuple(curves[other] for other in reaching if other != key))
        until = [row for row in table[key].rows if row.iteration < min(i for i, a in curves[key] if a >= target)]
        given_up += any(known.out_of_reach(until[: count + 1]) for count in range(len(until)))
        own = TargetFeasibility(target, 300)
        assert not any(own.out_of_reach(until[: count + 1]) for count in range(len(until)))
    assert given_up / len(reaching) <= 0.02


def test_a_test_pass_at_iteration_0_is_not_part_of_a_runs_curve():
    untrained = evaluation(0, 0.99)
    assert best_so_far([untrained, *rows([0.1, 0.2])]) == [(25, 0.1), (50, 0.2)]
    assert TargetFeasibility(0.95, 300).out_of_reach([untrained]) is None


LOSS = Objective("test_loss", "minimize")


def losses(values):
    return [Evaluation(25 * number, {"test_loss": value}) for number, value in enumerate(values, 1)]


def test_a_loss_is_out_of_reach_by_earlier_runs_and_never_by_its_own_curve():
    target = Target(LOSS, 0.05)
    assert best_so_far(losses([2.0, 2.5, 1.0]), LOSS) == [(25, 2.0), (50, 2.0), (75, 1.0)]
    alone = TargetFeasibility(target, 300)
    assert alone.out_of_reach(losses([2.3] * 9)) is None
    assert alone.evidence == "nothing, as there are 0 earlier runs that reached it and 49 are needed"
    known = TargetFeasibility(
        target, 300, tuple(best_so_far(losses([1 - a for a in run]), LOSS) for run in earlier(60))
    )
    assert known.out_of_reach(losses([1 - accuracy for accuracy in earlier(1, seed=1)[0][:4]])) is None
    assert known.out_of_reach(losses([2.3] * 4)) == (
        "out of reach: 2.3 by iteration 100 is further behind than 98% of 60 earlier runs that reached 0.05 ever were"
    )


def test_no_run_is_given_up_where_no_error_is_known():
    for target in (Target(Objective("reward", "maximize"), 10.0), Target(Objective("elbo_loss", "minimize"), -3.0)):
        rule = TargetFeasibility(target, 300, tuple([(25, 1.0)] for _ in range(60)))
        assert rule.out_of_reach([Evaluation(100, {target.metric.metric: 0.0})]) is None
        assert rule.evidence == "nothing: no error is known for this target"
