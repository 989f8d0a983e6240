"""Tests of all pairs against scipy's own where they have the same, and how they behave where spreads differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_settings import examples
from scipy import stats

from lrbench.metrics.summary import Summary, summarise
from lrbench.statistics.all_pairs import AllPairs, all_pairs
from lrbench.statistics.studentized_range import critical_value, tail

THREE = [[0.95, 0.951, 0.949], [0.949, 0.952, 0.9455], [0.90, 0.901, 0.899]]


def pairs_of(samples) -> AllPairs:
    found = all_pairs([summarise(values) for values in samples])
    assert found is not None
    return found


@pytest.mark.parametrize("groups", [2, 3, 7, 36])
@pytest.mark.parametrize("freedom", [4, 14, 72, 350])
def test_the_studentized_range_is_scipys(groups, freedom):
    values = np.array([0.0, 0.5, 2.0, 4.0, 6.0, 12.0])
    expected = stats.studentized_range.sf(values, groups, freedom)
    assert tail(values, groups, freedom) == pytest.approx(expected, abs=1e-8)
    critical = critical_value(groups, freedom, 0.05)
    assert stats.studentized_range.sf(critical, groups, freedom) == pytest.approx(0.05, abs=1e-6)


def test_a_value_far_beyond_has_a_tail_of_nothing():
    assert tail(np.array([1e300, math.inf]), 3, 6) == pytest.approx(0, abs=1e-20)


@examples(60)
@given(st.lists(st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=3, max_size=3), min_size=2, max_size=6))
def test_no_p_value_is_below_tukeys_own_and_none_differs_that_tukey_would_not(samples):
    found = all_pairs([summarise(values) for values in samples])
    if found is None or found.method == "Welch":
        return
    means, error = np.mean(samples, axis=1), math.sqrt(np.var(samples, axis=1, ddof=1).mean() / 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        ranges = np.abs(means[:, np.newaxis] - means) / error
    tukey = np.array([tail(row, len(samples), 2 * len(samples)) for row in ranges])
    p_values = np.array([found.p_values(index) for index in range(len(samples))])
    assert (p_values >= np.nan_to_num(tukey, nan=0) - 1e-6).all()
    off = ~np.eye(len(samples), dtype=bool)
    assert ((p_values < 0.05) == found.different())[off & (np.abs(p_values - 0.05) > 1e-6)].all()


def test_where_each_variance_is_the_pooled_one_only_the_factor_of_few_seeds_is_between_this_and_tukeys_test():
    samples = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [0.5, 1.5, 2.5]]
    found = pairs_of(samples)
    shrunk = np.array([4.0, 1.0, 3.5]) - np.array([1.0, 1.0, 1.0])
    expected = stats.studentized_range.sf((shrunk[0]) / math.sqrt(1.25 / 3), 3, 6)
    assert found.p_values(0)[1] == pytest.approx(expected, abs=1e-8)


def test_equal_spreads_are_tested_by_bartletts_test():
    found = pairs_of(THREE)
    assert found.spreads_p == pytest.approx(stats.bartlett(*THREE).pvalue, rel=1e-6)
    assert found.method == "Tukey"


def test_where_spreads_differ_welchs_test_decides_pairs_with_five_seeds():
    generator = np.random.default_rng(0)
    samples = [generator.normal(mean, wide, 8) for mean, wide in ((0, 0.1), (0.4, 0.1), (0.2, 5))]
    found = pairs_of(samples)
    assert found.method == "Welch"
    single = stats.ttest_ind(samples[0], samples[1], equal_var=False).pvalue
    assert found.p_values(0)[1] == pytest.approx(1 - (1 - single) ** 3, rel=1e-6)
    assert found.different()[0].tolist() == [False, True, False]


def test_where_spreads_differ_and_seeds_are_few_a_difference_must_pass_both_tests():
    found = pairs_of([[0.0, 0.01, 0.02], [0.4, 0.41, 0.42], [-5.0, 0.0, 5.0]])
    assert found.method == "Welch"
    assert stats.ttest_ind([0.0, 0.01, 0.02], [0.4, 0.41, 0.42], equal_var=False).pvalue < 1e-5
    assert not found.different().any()  # beside the spread of the third the first two differ by nothing
    assert found.p_values(0)[1] > 0.9


def test_a_policy_with_fewer_seeds_than_the_others_needs_a_larger_difference():
    few, many = ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0] * 3)
    samples = [summarise(many), *(summarise([value + 2.5 for value in values]) for values in (many, few))]
    found = all_pairs(samples)
    assert found is not None
    p_values = found.p_values(0)
    assert p_values[1] < 0.001 < 0.05 < p_values[2]


def test_a_policy_without_any_spread_is_tested_by_that_of_the_others():
    found = pairs_of([[0.9] * 3, [0.7, 0.701, 0.702], [0.5] * 3])
    assert found.different().sum() == 6


def test_means_without_spread_or_alone_are_not_tested():
    assert all_pairs([]) is None
    assert all_pairs([summarise([0.1, 0.2])]) is None
    assert all_pairs([summarise([0.1, 0.2]), summarise([0.3])]) is None
    assert all_pairs([summarise([0.1, 0.1]), summarise([0.2, 0.2])]) is None


def test_values_of_any_size_are_tested():
    expected = pairs_of(THREE).p_values(0)
    for factor in (1e-200, 1e200):
        found = pairs_of([[value * factor for value in values] for values in THREE])
        assert found.p_values(0) == pytest.approx(expected, abs=1e-9)
        assert found.gap(0, 2) == pytest.approx(0.05 * factor)
    assert all_pairs([Summary(0.0, math.inf, 2), summarise([1.0, 2.0])]) is None
