"""Letters and ranks from made-up tests."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from property_settings import examples

from lrbench.metrics.summary import summarise
from lrbench.statistics.groups import letters, rank_ranges
from lrbench.statistics.verdicts import compare, p_values


def matrix(size, *pairs):
    found = np.zeros((size, size), dtype=bool)
    for one, other in pairs:
        found[one, other] = found[other, one] = True
    return found


def test_letters_by_hand():
    assert letters(matrix(3)) == ["a", "a", "a"]
    assert letters(matrix(3, (0, 2))) == ["a", "ab", "b"]
    assert letters(matrix(3, (0, 1), (0, 2), (1, 2))) == ["a", "b", "c"]
    assert letters(matrix(4, (0, 3), (1, 3))) == ["a", "a", "ab", "b"]
    assert letters(matrix(0)) == []


@st.composite
def differences(draw):
    size = draw(st.integers(1, 9))
    pairs = [(one, other) for one in range(size) for other in range(one)]
    return matrix(size, *draw(st.lists(st.sampled_from(pairs), unique=True) if pairs else st.just([])))


@examples(200)
@given(differences())
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(different):
    own = [set(text) for text in letters(different)]
    for one in range(len(own)):
        for other in range(one):
            assert bool(own[one] & own[other]) == (not different[one, other])
    assert all(own)


def test_more_groups_than_letters_have_numbers():
    every = ~np.eye(60, dtype=bool)
    assert letters(every)[51:54] == ["Z", "(53)", "(54)"]


def test_rank_ranges_by_hand():
    different = matrix(4, (0, 2), (0, 3), (1, 3))
    assert rank_ranges(different) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert rank_ranges(different, unknown=1) == [(1, 3), (1, 4), (2, 5), (3, 5)]


def test_verdicts():
    summaries = [[0.95, 0.951, 0.949], [0.949, 0.952, 0.946], [0.90, 0.901, 0.899], [0.5], []]
    best, alike, worse, single, nothing = compare([summarise(values) for values in summaries])
    assert (best.verdict, best.p, best.group, best.ranks) == ("best", None, "a", (1, 4))
    assert (alike.verdict, alike.group) == ("not told apart", "a")
    assert (worse.verdict, worse.group, worse.ranks) == ("worse", "b", (3, 5))
    assert (single.verdict, single.p, single.group, single.ranks) == ("one seed", None, "", (1, 5))
    assert nothing.verdict == "one seed"


def test_nothing_is_tested_without_seeds_or_spread():
    assert compare([]) == []
    for values in ([0.9], [0.9, 0.9]):
        found = compare([summarise(values), summarise([value / 2 for value in values])])
        assert [(each.p, each.group, each.ranks) for each in found] == [(None, "", None)] * 2
        assert found[1].verdict == ("no spread" if len(values) > 1 else "one seed")


def test_where_the_best_has_one_seed_the_others_still_have_letters():
    summaries = [summarise(values) for values in ([0.99], [0.9, 0.901], [0.5, 0.501])]
    found = compare(summaries)
    assert [each.verdict for each in found] == ["best", "one seed", "one seed"]
    assert [(each.group, each.ranks) for each in found] == [("", (1, 3)), ("a", (1, 2)), ("b", (2, 3))]


def test_more_policies_can_undo_a_difference():
    pair = [summarise([0.95, 0.96, 0.97]), summarise([0.915, 0.925, 0.935])]
    assert compare(pair)[1].verdict == "worse"
    assert compare([*pair, *[summarise([0.91, 0.92, 0.93])] * 30])[1].verdict == "not told apart"


def test_p_values_against_any_policy():
    summaries = [summarise(values) for values in ([0.9, 0.92], [0.5, 0.51], [0.7])]
    first, second, single = (p_values(summaries, index) for index in range(3))
    assert first[1] == second[0] is not None
    assert (first[0], first[2]) == (None, None)
    assert single == [None] * 3
