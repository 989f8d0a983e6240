"""Planned looks while seeds are added, and the pairs that need more of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lrbench.metrics.summary import summarise
from lrbench.statistics.all_pairs import all_pairs
from lrbench.statistics.planning import smallest_difference
from lrbench.statistics.sequential import planned_looks, unsettled
from lrbench.statistics.two_values import p_of_all, p_of_each
from lrbench.statistics.verdicts import compare

GENERATOR = np.random.default_rng(0)
ALIKE = [list(GENERATOR.normal(mean, 0.01, 6)) for mean in (0.93, 0.92, 0.9)]
SPREAD = [*ALIKE, list(GENERATOR.normal(0.9, 0.2, 6))]


def pairs_of(samples, looks=1):
    tests = all_pairs([summarise(values) for values in samples], looks)
    assert tests is not None
    return tests


def test_looks_are_spaced_evenly_on_a_logarithmic_scale_up_to_the_last():
    assert planned_looks(20) == (3, 5, 8, 12, 20)
    assert planned_looks(4) == (3, 4)
    assert planned_looks(3) == (3,)
    for most in range(3, 200):
        looks = planned_looks(most)
        assert looks[-1] == most
        assert all(early < late for early, late in pairwise(looks))


@pytest.mark.parametrize("looks", [1, 5])
@pytest.mark.parametrize(("samples", "method"), [(ALIKE, "Tukey"), (SPREAD, "Welch")])
def test_a_pair_differs_where_its_difference_exceeds_the_half_width(samples, method, looks):
    tests = pairs_of(samples, looks)
    assert tests.method == method
    differences = np.abs(np.subtract.outer(tests.means, tests.means)) * 2.0**tests.exponent
    assert ((differences > tests.half_widths()) == tests.different()).all()
    other = pairs_of([[1000 * value for value in values] for values in samples], looks)
    assert other.half_widths() == pytest.approx(1000 * tests.half_widths())


def test_each_look_tests_at_its_share_of_the_level():
    once, five = pairs_of(ALIKE), pairs_of(ALIKE, 5)
    assert five.p_values(0) == pytest.approx(np.minimum(1, 5 * once.p_values(0)))
    assert (five.different() == once.different(0.01)).all()
    assert five.half_widths() == pytest.approx(once.half_widths(0.01))
    assert smallest_difference(3, 6, 5) > smallest_difference(3, 6)
    (_, second, _), (_, corrected, _) = (compare([summarise(values) for values in ALIKE], looks) for looks in (1, 5))
    assert second.p is not None
    assert corrected.p == pytest.approx(min(1, 5 * second.p))
    pairs = [(summarise(values), summarise([value - 0.01 for value in values])) for values in ALIKE]
    each, over_all = p_of_each(pairs), p_of_all(pairs)
    assert each is not None
    assert over_all is not None
    assert p_of_each(pairs, 5) == pytest.approx([min(1, 5 * p) for p in each])
    assert p_of_all(pairs, 5) == pytest.approx(min(1, 5 * over_all))


def test_pairs_need_more_seeds_that_neither_differ_nor_are_known_well_enough():
    far = [*ALIKE, [0.5, 0.51, 0.49]]
    tests = pairs_of(far)
    left = unsettled(tests, 1e-6)
    assert not left[3].any()
    assert (left == left.T).all()
    assert left[0, 1] == (not tests.different()[0, 1])
    assert not np.diag(left).any()
    assert not unsettled(tests, float(tests.half_widths().max())).any()
