"""LR functions as families: what they promise holds at both ends of every shape and for runs of any length."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lrbench.errors import SpecError
from lrbench.policies import Shape, functions, parse_policy
from lrbench.policies.table import paper_functions
from lrbench.tuning.space import family_part, find_family

FAMILIES = {row.name: row for row in functions() if row.family is not None}


def policy_of(name, rate, shape, iterations):
    part = family_part(FAMILIES[name], Shape("rate", 0.001, 0.1, log=True))
    return part.make({"rate": rate, **shape}, iterations)


def corners(name):
    family = FAMILIES[name].family
    assert family is not None
    for ends in itertools.product(*((shape.low, shape.high) for shape in family.shapes)):
        yield {shape.name: end for shape, end in zip(family.shapes, ends, strict=True)}


def test_the_thirteen_of_the_papers_come_first():
    assert [function.name for function in paper_functions()] == [
        "FIX",
        "STEP",
        "NSTEP",
        "EXP",
        "INV",
        "POLY",
        "TRI",
        "TRI2",
        "TRIEXP",
        "SIN",
        "SIN2",
        "SINEXP",
        "COS",
    ]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("iterations", [10, 300, 70_000])
def test_every_corner_is_a_policy_whose_largest_rate_is_the_base_rate(name, iterations):
    for shape in corners(name):
        policy = policy_of(name, 0.0123456, shape, iterations)
        policy.check(iterations)
        assert parse_policy(policy.text) == policy
        rates = policy.rates(np.arange(iterations), iterations)
        assert rates.max() <= 0.01235 * (1 + 1e-12)
        if iterations > 100 and not name.endswith(("EXP", "EXP_LOW")):
            assert rates.max() >= 0.01235 * 0.95


@pytest.mark.parametrize("name", FAMILIES)
def test_a_shape_is_the_same_in_runs_of_any_length(name):
    for shape in corners(name):
        short, long = (policy_of(name, 0.1, shape, iterations) for iterations in (1680, 168_000))
        places = np.arange(8, 1680, 42)
        np.testing.assert_allclose(short.rates(places, 1680), long.rates(100 * places, 168_000), rtol=0.02, atol=0.002)


@pytest.mark.parametrize("name", ["TRI2_HIGH", "SIN2_HIGH", "COS2"])
def test_waves_that_start_high_are_halved_in_the_trough(name):
    for shape in corners(name):
        assert policy_of(name, 0.1, shape, 1000).text.endswith(", halve=trough)")


def test_texts_are_short_enough_to_read():
    policies = [policy_of(name, 0.012345678, corner, 9_999) for name in FAMILIES for corner in corners(name)]
    assert max(len(policy.text) for policy in policies) < 90


def test_an_unknown_function_is_named_with_what_was_meant():
    with pytest.raises(SpecError, match="no shapes are known to search for the LR function 'SINEX'; did you mean SINE"):
        find_family("SINEX")
