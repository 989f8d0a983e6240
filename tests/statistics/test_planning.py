"""Differences that seeds show: against a small simulation, and how they go with seeds and policies."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.metrics.summary import summarise
from lrbench.statistics.all_pairs import AllPairs, all_pairs
from lrbench.statistics.planning import EXACT_UP_TO, seeds_for, smallest_difference, smallest_shown


@pytest.mark.parametrize(("policies", "seeds"), [(2, 3), (7, 3), (5, 6)])
def test_a_difference_that_is_shown_is_found_in_four_of_five_tables(policies, seeds):
    generator = np.random.default_rng(0)
    found = []
    for _ in range(1000):
        samples = generator.normal(size=(policies, seeds))
        samples[0] += smallest_difference(policies, seeds)
        counts = np.full(policies, float(seeds))
        tests = AllPairs(samples.mean(axis=1), samples.var(axis=1, ddof=1), counts)
        found.append(bool(tests.different()[0, 1]))
    assert 0.73 < np.mean(found) < 0.84  # 0.8, less where equal spreads look unequal by chance; 1000 draws


def test_more_seeds_show_less_and_more_policies_take_more():
    shown = [smallest_difference(7, seeds) for seeds in range(2, 12)]
    assert shown == sorted(shown, reverse=True)
    assert smallest_difference(2, 3) < smallest_difference(7, 3) < smallest_difference(36, 3)


def test_the_seeds_for_a_difference_show_it_and_one_fewer_do_not():
    for difference in (1.2, 2.0, 3.5):
        seeds = seeds_for(difference, 7)
        assert seeds is not None
        assert smallest_difference(7, seeds) <= difference < smallest_difference(7, seeds - 1)


def test_seeds_beyond_the_exact_ones_go_with_the_square_of_the_difference():
    at_most = smallest_difference(7, EXACT_UP_TO)
    assert seeds_for(at_most / 2, 7) == 4 * EXACT_UP_TO
    assert smallest_difference(7, 4 * EXACT_UP_TO) == pytest.approx(at_most / 2, rel=0.05)
    assert seeds_for(0.001, 7) is None
    assert seeds_for(0.0, 7) is None


def test_what_a_table_shows_is_in_the_unit_of_its_metric():
    samples = [[0.95, 0.951, 0.949], [0.949, 0.952, 0.9455], [0.90, 0.901, 0.899]]
    tests = all_pairs([summarise(values) for values in samples])
    assert tests is not None
    assert smallest_shown(tests) == pytest.approx(smallest_difference(3, 3) * tests.deviation)


def test_where_spreads_differ_it_is_that_of_the_first_two():
    generator = np.random.default_rng(0)
    steady = [list(generator.normal(mean, 0.01, 6)) for mean in (1.0, 0.9)]
    tests = all_pairs([summarise(values) for values in (*steady, list(generator.normal(0.5, 1, 6)))])
    assert tests is not None
    assert tests.method == "Welch"
    shown = smallest_shown(tests)
    assert shown is not None
    assert 0.01 < shown < 0.1
    constant = all_pairs([summarise(values) for values in ([1.0] * 6, [0.9] * 6, list(generator.normal(0.5, 1, 6)))])
    assert constant is not None
    assert smallest_shown(constant) is None


def test_deviations_far_below_the_largest_of_the_table_count():
    generator = np.random.default_rng(0)
    small, huge = [list(generator.normal(0, deviation, 6)) for deviation in (1.0, 1e130)]
    tests = all_pairs([summarise(values) for values in (small, [value + 9 for value in small], huge)])
    assert tests is not None
    assert tests.method == "Welch"
    shown = smallest_shown(tests)
    assert shown is not None
    assert shown == pytest.approx(5 * np.std(small, ddof=1), rel=1)
