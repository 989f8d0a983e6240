"""Tests between two values of a setting: against scipy's Welch test where they are that, and how often they err."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lrbench.metrics.summary import Summary, summarise
from lrbench.statistics.two_values import both_testable, p_of_all, p_of_each, why_untested

NEAR = ([0.1, 0.2, 0.3], [0.15, 0.25, 0.35])
FAR = ([0.1, 0.2, 0.3], [0.9, 1.0, 1.1])


def each(*samples) -> list[float]:
    found = p_of_each(pairs(*samples))
    assert found is not None
    return found


def pairs(*samples):
    return [(summarise(one), summarise(two)) for one, two in samples]


def test_one_policy_is_tested_by_welchs_test_with_its_variances_raised_for_few_seeds():
    one, two = [1.0, 2.0, 3.0], [2.0, 5.0, 5.5]
    [p] = each((one, two))
    errors = [np.var(values, ddof=1) / 3 for values in (one, two)]
    freedom = sum(errors) ** 2 / sum(error**2 / 2 for error in errors)
    expected = 2 * stats.t.sf(abs(np.mean(one) - np.mean(two)) / math.sqrt(1.25 * sum(errors)), freedom)
    assert p == pytest.approx(expected)
    assert p > stats.ttest_ind(one, two, equal_var=False).pvalue


def test_the_spread_of_all_policies_tells_more_apart_than_their_own_alone():
    [alone] = each(FAR)
    together = each(FAR, *[NEAR] * 5)
    assert alone > 0.0005
    assert together[0] < 0.0005 < 0.5 < together[1]


def test_p_values_are_corrected_for_their_number():
    [alone] = each(NEAR)
    assert all(p > alone for p in each(*[NEAR] * 3))


def test_where_spreads_differ_and_seeds_are_few_both_tests_must_find_a_difference():
    wide = ([-9.0, 0.0, 9.0], [-9.0, 0.5, 9.0])
    narrow = ([0.0, 0.001, 0.002], [0.1, 0.101, 0.102])
    assert stats.ttest_ind(*narrow, equal_var=False).pvalue < 1e-6
    assert min(each(narrow, wide, wide)) > 0.5
    many = [
        tuple([value] * 3 + [value * 1.001, value * 0.999] for value in (0.0, 0.1)),
        *[(w * 2, w * 2) for w, _ in [wide]],
    ]
    assert each(*many)[0] < 0.001


def test_over_all_policies_it_is_welchs_test_for_one():
    assert p_of_all(pairs(FAR)) == pytest.approx(stats.ttest_ind(*FAR, equal_var=False).pvalue)


def test_over_several_policies_by_hand():
    samples = [([1.0, 3.0], [2.0, 2.0]), ([10.0, 10.0], [12.0, 14.0])]
    # variances over n: 2/2, 0, 0, 2/2; differences 0 and 3; t^2 = 3^2 / (1 + 1)
    expected = 2 * stats.t.sf(3 / math.sqrt(2), 2)
    assert p_of_all(pairs(*samples)) == pytest.approx(expected)


def test_nothing_is_tested_without_policies_or_spread():
    same = ([0.1, 0.1], [0.3, 0.3])
    for untested in (pairs(), pairs(same)):
        assert p_of_each(untested) is None
        assert p_of_all(untested) is None
    assert each(same, FAR)[0] < 1  # by the spread of the other
    assert both_testable(pairs(NEAR)[0])
    assert not both_testable((summarise([0.1]), summarise([0.1, 0.2])))
    assert not both_testable((Summary(0.1, math.inf, 2), summarise([0.1, 0.2])))


def test_why_nothing_is_both_testable():
    single, several = summarise([0.1]), summarise([0.1, 0.1])
    assert why_untested(single, several) == "one seed"
    assert why_untested(several, several) == "no spread"
    assert why_untested(Summary(0.1, None, 1, equal_seeds=True), several) == "seeds change nothing"


def test_values_of_any_size_are_both_testable():
    expected = p_of_each(pairs(NEAR, FAR)), p_of_all(pairs(NEAR, FAR))
    for factor in (1e-200, 1e200):
        scaled = pairs(*[tuple([value * factor for value in values] for values in pair) for pair in (NEAR, FAR)])
        assert p_of_each(scaled) == pytest.approx(expected[0])
        assert p_of_all(scaled) == pytest.approx(expected[1])
