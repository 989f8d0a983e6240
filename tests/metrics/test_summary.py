"""Means over seeds, and times to a target that some missed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.metrics.registry import METRICS
from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target, with_spacing

samples = st.lists(st.floats(0, 1).map(lambda x: round(x, 4)), min_size=2, max_size=6)


def test_equal_values_have_no_spread_at_all():
    assert summarise([0.1] * 3) == Summary(0.1, 0.0, 3)


def test_a_summary_has_the_sample_deviation():
    summary = summarise([0.9, 0.92, 0.97])
    assert summary.mean == pytest.approx(0.93)
    assert summary.deviation == pytest.approx(0.0360555127546)
    assert summary.n == 3
    assert summarise([0.5]).deviation is None
    assert summarise([]).mean is None


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_out_and_the_count_says_so(unknown):
    for values in ([0.8, unknown], [unknown, 0.8]):
        assert summarise(values) == Summary(0.8, None, 1)
    assert summarise([0.7, unknown, 0.9]) == summarise([0.7, 0.9])
    assert summarise([unknown, unknown]) == Summary(None, None, 0)


@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=5).flatmap(
        lambda values: st.tuples(st.just(values), st.permutations(values))
    )
)
def test_a_summary_does_not_depend_on_the_order(both):
    one, other = map(summarise, both)
    assert one.n == other.n
    assert (one.mean, one.deviation) == pytest.approx((other.mean, other.deviation))


def test_times_to_a_target_count_a_miss_with_the_budget():
    times = times_to_target([500, None, 1000], [2000, 2000, 2000])
    assert (times.mean, times.n, times.runs, times.missed) == (750, 2, 3, 1)
    assert times.restricted_mean == pytest.approx(3500 / 3)
    assert times_to_target([500, None], [2000, None]).restricted_mean is None
    assert times_to_target([], []) == TimesToTarget(None, None, 0, 0, None)


def test_the_share_that_reached_a_target_goes_before_the_time():
    both, soon, late = (
        times_to_target(times, [2000] * len(times)) for times in ([1900, 2000], [100, None], [200, None, 200, None])
    )
    unknown = times_to_target([100, None], [2000, None])
    assert sorted([unknown, late, soon, both], key=lambda times: times.order) == [both, soon, late, unknown]


def test_values_of_any_size_have_a_deviation():
    for factor in (1e-200, 1.0, 1e200):
        summary = summarise([factor, 2 * factor])
        assert summary.mean == pytest.approx(1.5 * factor)
        assert summary.deviation == pytest.approx(math.sqrt(0.5) * factor)
    assert summarise([1.7e308, -1.7e308]).deviation == math.inf


def test_values_on_a_grid_have_the_variance_of_their_rounding_in_tests():
    equal = times_to_target([500, 500, 500], [2000] * 3)
    spaced = with_spacing(equal, 250)
    assert spaced.deviation == pytest.approx(250 / math.sqrt(12))
    assert (spaced.mean, spaced.n) == (500, 3)
    assert with_spacing(summarise([300, 700]), 100).deviation == pytest.approx(math.sqrt(80_000 + 100**2 / 12))
    assert with_spacing(equal, 0) is equal
    assert with_spacing(summarise([500]), 250).deviation is None


def test_the_spacing_of_a_metric_is_the_distance_to_the_evaluation_before():
    columns = {"iteration": np.array([0.0, 100, 500, 1000]), "train_seconds": np.array([0.0, 2, 10, 20])}
    assert METRICS["iterations_to_target"].spacing(columns, 500) == 400
    assert METRICS["iterations_to_best"].spacing(columns, 100) == 100
    assert METRICS["seconds_to_target"].spacing(columns, 20) == 10
    assert METRICS["final_accuracy"].spacing(columns, 0.9) == 0
