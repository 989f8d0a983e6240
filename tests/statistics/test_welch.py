"""Welch's test against scipy's own, and Holm's correction by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t, ttest_ind

from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target
from lrbench.statistics.welch import holm, welch, welch_over_pairs

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


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@given(samples, samples)
def test_welch_agrees_with_scipy(first, second):
    assume(len(set(first)) > 1 or len(set(second)) > 1)
    p = welch(summarise(first), summarise(second))
    assert p == pytest.approx(ttest_ind(first, second, equal_var=False).pvalue, rel=1e-6, abs=1e-12)


def test_welch_needs_two_values_of_each_and_some_spread():
    assert welch(summarise([0.9]), summarise([0.8, 0.81])) is None
    assert welch(summarise([0.9, 0.9]), summarise([0.8, 0.8])) is None


def test_welch_over_several_pairs_by_hand():
    pairs = [([1.0, 3.0], [2.0, 2.0]), ([10.0, 10.0, 13.0], [12.0, 14.0, 16.0])]
    # variances over n: 2/2, 0, 3/3, 4/3; differences 0 and 3, in the mean 1.5; t^2 = 3^2 / (1 + 1 + 4/3)
    errors, freedom = (1, 0, 1, 4 / 3), (1, 1, 2, 2)
    nu = sum(errors) ** 2 / sum(error**2 / df for error, df in zip(errors, freedom, strict=True))
    expected = 2 * t.sf(3 / sum(errors) ** 0.5, nu)
    assert welch_over_pairs([(summarise(one), summarise(two)) for one, two in pairs]) == pytest.approx(expected)


def test_welch_over_pairs_needs_two_values_of_each_and_some_spread():
    several, same = (summarise([0.1, 0.2]), summarise([0.2, 0.3])), (summarise([0.1, 0.1]), summarise([0.3, 0.3]))
    assert welch_over_pairs([]) is None
    assert welch_over_pairs([several, (summarise([0.1]), summarise([0.2, 0.3]))]) is None
    assert welch_over_pairs([same]) is None
    assert welch_over_pairs([same, several]) is not None


def test_pairs_that_differ_by_chance_alone_are_told_apart_in_one_of_twenty_at_most():
    generator = np.random.default_rng(0)

    def pairs():
        for deviation in (0.01, 0.002, 0.01, 0.002, 0.01):
            mean = generator.normal(0.9, 0.05)
            yield tuple(summarise(list(generator.normal(mean, wide * deviation, 3))) for wide in (1, 2))

    found = [welch_over_pairs(list(pairs())) for _ in range(1000)]
    alarms = sum(p is not None and p < 0.05 for p in found)
    assert 10 < alarms < 60


def test_holm_by_hand():
    # ascending: 0.01 * 4, 0.02 * 3, 0.03 * 2 raised to the 0.06 before it, 0.5 * 1
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_values_of_any_size_have_a_deviation_and_are_tested():
    for factor in (1e-200, 1.0, 1e200):
        first, second = (summarise([value * factor for value in values]) for values in ([1.0, 2.0], [4.0, 5.0, 5.5]))
        assert first.mean == pytest.approx(1.5 * factor)
        assert first.deviation == pytest.approx(math.sqrt(0.5) * factor)
        assert welch(first, second) == pytest.approx(ttest_ind([1, 2], [4, 5, 5.5], equal_var=False).pvalue)
    assert summarise([1.7e308, -1.7e308]).deviation == math.inf
    assert welch(summarise([1.7e308, -1.7e308]), summarise([1.0, 2.0])) is None
