"""False alarms and power in a short simulation with fixed seeds; the long one is ``scripts/measure_statistics``.

The bounds are binomial: a share that a right test exceeds, or falls short of, once in a thousand times.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

PROGRAM = Path(__file__).parents[2] / "scripts" / "measure_statistics"
TABLES = 400
MOST_ALARMS = 0.06
"""Nominal 5 % and a point."""


@pytest.fixture(scope="module")
def measured():
    return SimpleNamespace(**runpy.run_path(str(PROGRAM)))


def seldom_more(share):
    return binom.ppf(0.999, TABLES, share) / TABLES


def seldom_less(share):
    return binom.ppf(0.001, TABLES, share) / TABLES


@pytest.mark.parametrize("spread", ["equal", "one x3", "third x3", "half x3"])
@pytest.mark.parametrize("counts", [(3,) * 3, (3,) * 7, (5,) * 7, (3,) * 15, (3, *(5,) * 6)], ids=str)
def test_a_table_of_equal_means_raises_an_alarm_in_one_of_twenty_at_most(measured, spread, counts):
    alarms = measured.false_alarms(np.random.default_rng(0), spread, counts, TABLES)
    assert alarms["report"] <= seldom_more(MOST_ALARMS)


def test_tukeys_test_alone_would_raise_too_many_where_one_policy_varies_more(measured):
    alarms = measured.false_alarms(np.random.default_rng(0), "one x3", (3,) * 7, TABLES)
    assert alarms["Tukey"] > seldom_more(MOST_ALARMS)


@pytest.mark.parametrize(("gap", "found"), [(2, 0.33), (3, 0.71), (4, 0.92)])
def test_of_seven_policies_with_three_seeds_one_that_is_better_is_found_far_more_often_than_by_welch(
    measured, gap, found
):
    shares = measured.power(np.random.default_rng(0), gap, 7, 3, TABLES)
    assert shares["report"] >= seldom_less(found)
    assert shares["report"] > 2 * shares["Welch"]


def test_the_ranges_of_ranks_hold_the_true_ranks(measured):
    covered = measured.ranks_covered(np.random.default_rng(0), "one x3", 5, 3, TABLES)
    assert covered >= seldom_less(1 - MOST_ALARMS)


def test_the_interval_of_the_rank_correlation_covers_that_of_the_true_orders(measured):
    covered = measured.agreement_covered(np.random.default_rng(0), "one x3", 5, 3, TABLES)
    assert covered >= seldom_less(1 - MOST_ALARMS)


@pytest.mark.parametrize("seeds", [(3, 3), (3, 10)], ids=str)
@pytest.mark.parametrize("wide", ["one", "all"])
def test_two_values_that_do_not_differ_raise_an_alarm_in_one_of_twenty_at_most(measured, seeds, wide):
    spreads = measured.deviations("one x3", 7) if wide == "one" else np.full(7, 3.0)
    alarms = measured.contrast_alarms(np.random.default_rng(0), (spreads, np.ones(7)), seeds, TABLES)
    assert max(alarms) <= seldom_more(MOST_ALARMS)


@pytest.mark.parametrize("worse", [0, 2])
@pytest.mark.parametrize("spread", ["equal", "one x3"])
def test_seeds_that_are_added_until_the_question_is_settled_raise_no_more_alarms(measured, spread, worse):
    found = measured.adding_seeds(
        np.random.default_rng(0), measured.deviations(spread, 4), 1.5, worse, TABLES // 2, most=12
    )
    assert found.alarms <= binom.ppf(0.999, TABLES // 2, MOST_ALARMS) / (TABLES // 2)
    assert found.seeds < 12
