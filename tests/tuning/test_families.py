"""LR functions as families: what they promise holds at both ends of every shape and for runs of any length."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lrbench.errors import SpecError
from lrbench.policies import Choice, Shape, find_function, functions, parse_policy
from lrbench.policies.table import families, paper_functions
from lrbench.tuning.space import DEFAULT, family_part, find_family

FAMILIES = {name: family for row in functions() for name, family in row.families.items()}
OPEN_LOOP = [name for row in functions() if row.rates is not None for name in row.families]


def policy_of(name, rate, shape, iterations):
    part = family_part(name, FAMILIES[name], Shape("rate", 0.001, 0.1, log=True))
    return part.make({"rate": rate, **shape}, iterations)


def corners(name):
    shapes = FAMILIES[name].shapes
    ends = [shape.values if isinstance(shape, Choice) else (shape.low, shape.high) for shape in shapes]
    for values in itertools.product(*ends):
        yield dict(zip((shape.name for shape in shapes), values, strict=True))


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
        rates = np.array([bound.rates(np.arange(iterations), iterations) for bound in policy.upper_bounds])
        assert rates.max() <= 0.01235 * (1 + 1e-12)
        if iterations > 100 and not name.endswith(("EXP", "EXP_LOW")):
            assert rates.max() >= 0.01235 * 0.95


@pytest.mark.parametrize("name", OPEN_LOOP)
def test_a_shape_is_the_same_in_runs_of_any_length(name):
    for shape in corners(name):
        short, long = (policy_of(name, 0.1, shape, iterations) for iterations in (1680, 168_000))
        places = np.arange(8, 1680, 42)
        np.testing.assert_allclose(short.rates(places, 1680), long.rates(100 * places, 168_000), rtol=0.02, atol=0.002)


@pytest.mark.parametrize("name", ["TRI2_HIGH", "SIN2_HIGH", "COS2"])
def test_waves_that_start_high_are_halved_in_the_trough(name):
    for shape in corners(name):
        assert policy_of(name, 0.1, shape, 1000).text.endswith(", halve=trough)")


@pytest.mark.parametrize("name", OPEN_LOOP)
def test_texts_are_short_enough_to_read(name):
    assert max(len(policy_of(name, 0.012345678, corner, 9_999).text) for corner in corners(name)) < 90


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WARMUP", "WARMUP(policy=COSDECAY(k0=0.1, k1=0), l=50, k0=0, count=stage)"),
        ("WARMUP-LINEAR", "WARMUP(policy=LINEAR(k0=0.1, k1=0), l=50, k0=0, count=stage)"),
        ("WSD-SQRT", "WSD(k0=0.1, k1=0, warmup=50, decay=950, anneal=sqrt)"),
    ],
)
def test_a_decay_after_a_warm_up_fills_the_rest_of_the_run(name, text):
    policy = policy_of(name, 0.1, {"warm": 0.05}, 1000)
    assert policy.text == text
    rates = policy.rates(np.arange(1000), 1000)
    assert rates[0] == 0
    assert int(rates.argmax()) == 50
    assert 0 < rates[-1] < 0.001


def test_sets_of_families_have_names():
    assert families("paper13") == tuple(function.name for function in paper_functions())
    assert families("modern") == ("WARMUP", "WARMUP-LINEAR", "WSD-SQRT", "WSD", "ONECYCLE", "STEP", "EXP")
    assert set(families("all")) >= set(FAMILIES)
    assert {*families("paper13"), *families("modern")} - {"FIX", "NSTEP", "INV", "POLY"} == set(DEFAULT)


def test_every_function_can_be_searched_by_name_or_is_refused_with_the_reason():
    for function in functions():
        if function.families:
            assert find_family(function.name) is next(iter(function.families.values()))
        else:
            with pytest.raises(SpecError, match=f"{function.name} takes other policies, and a search by name does not"):
                find_family(function.name)


@pytest.mark.parametrize("name", ["WARMUP-COSINE", "STEP-LINEAR"])
def test_an_unknown_variant_is_no_family(name):
    with pytest.raises(SpecError, match=f"no shapes are known to search for .*{name}"):
        find_family(name)


def test_what_is_searched_by_default_has_a_family():
    assert all(name in FAMILIES for name in DEFAULT)
    assert find_function("WARMUP").families.keys() == {"WARMUP", "WARMUP-LINEAR"}


def test_an_unknown_function_is_named_with_what_was_meant():
    with pytest.raises(SpecError, match="no shapes are known to search for the LR function 'SINEX'; did you mean SINE"):
        find_family("SINEX")
