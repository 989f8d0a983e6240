"""Policies carried over to runs of another length: each rate stays at the same part of the run."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.policies import functions, parse_policy
from lrbench.tuning.recommending.rescaling import rescaled, without_dimension

LONGER = {  # in a run of 1,000 iterations, made 10,000
    "FIX(k0=0.01)": "FIX(k0=0.01)",
    "STEP(k0=0.01, gamma=0.85, l=250)": "STEP(k0=0.01, gamma=0.85, l=2500)",
    "NSTEP(k0=0.01, gamma=0.9, l=[500, 700])": "NSTEP(k0=0.01, gamma=0.9, l=[5000, 7000])",
    "INV(k0=0.01, gamma=0.001, p=0.75)": "INV(k0=0.01, gamma=0.0001, p=0.75)",
    "POLY(k0=0.01, p=1.2)": "POLY(k0=0.01, p=1.2)",
    "EXP(k0=0.01, gamma=0.999)": "EXP(k0=0.01, gamma=0.9999)",
    "SIG(k0=0.01, gamma=-0.01, l=500)": "SIG(k0=0.01, gamma=-0.001, l=5000)",
    "SINEXP(k0=0.01, k1=0.06, gamma=0.999, l=200)": "SINEXP(k0=0.01, k1=0.06, gamma=0.9999, l=2000)",
    "SGDR(k0=0.1, k1=0, l=100, mult=2)": "SGDR(k0=0.1, k1=0, l=1000, mult=2)",
    "WSD(k0=0.1, k1=0, warmup=0, decay=200, l=1000, anneal=linear)": "WSD(k0=0.1, k1=0, warmup=0, decay=2000, l=10000, anneal=linear)",
    "SCALE(factor=0.1, policy=TRI(k0=0.01, k1=0.06, l=200))": "SCALE(factor=0.1, policy=TRI(k0=0.01, k1=0.06, l=2000))",
    "WARMUP(policy=COSDECAY(k0=0.03, k1=0), l=30, k0=0, count=stage)": "WARMUP(policy=COSDECAY(k0=0.03, k1=0), l=300, k0=0, count=stage)",
    "COMPOSE(policies=[TRI(k0=0.01, k1=0.06, l=50), FIX(k0=0.001)], boundaries=[400], count=stage)": "COMPOSE(policies=[TRI(k0=0.01, k1=0.06, l=500), FIX(k0=0.001)], boundaries=[4000], count=stage)",
}


@pytest.mark.parametrize(("measured", "wanted"), LONGER.items())
def test_lengths_and_decay_follow_the_run_and_rates_stay(measured, wanted):
    carried = rescaled(parse_policy(measured), 1000, 10_000)
    assert carried is not None
    assert carried.text == wanted


OPEN_LOOP = [
    function
    for function in functions()
    if not parse_policy(function.example).closed_loop and not without_dimension(parse_policy(function.example))
]


def test_power_whose_rates_do_not_depend_on_the_length_is_the_only_one_not_carried_over():
    left = [function for function in functions() if function not in OPEN_LOOP]
    assert [function.name for function in left if not parse_policy(function.example).closed_loop] == ["POWER"]
    assert rescaled(parse_policy("POWER(k0=0.1, a=0.5, b=-0.5)"), 1000, 2000) is None


@pytest.mark.parametrize("function", OPEN_LOOP, ids=lambda function: function.name)
def test_every_open_loop_function_has_the_same_rate_at_the_same_part_of_the_run(function):
    policy = parse_policy(function.example)
    carried = rescaled(policy, 10_000, 40_000)
    assert carried is not None
    t = np.arange(3, 10_000, 97)
    before, after = policy.rates(t, 10_000), carried.rates(4 * t, 40_000)
    assert np.allclose(before, after, rtol=5e-3, atol=2e-3 * before.max())


def test_the_same_length_changes_nothing():
    policy = parse_policy("SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=333.3)")
    assert rescaled(policy, 1000, 1000) == policy


@pytest.mark.parametrize(
    "text",
    [
        "PLATEAU(k0=0.1)",
        "COMPOSE(policies=[PLATEAU(k0=0.1), FIX(k0=0.001)], boundaries=[400])",
    ],
)
def test_what_reacts_to_evaluations_is_not_carried_over(text):
    assert rescaled(parse_policy(text), 1000, 2000) is None


@pytest.mark.parametrize(
    "text",
    [
        "NSTEP(k0=0.01, gamma=0.9, l=[500, 501])",  # both steps at the same iteration
        "COMPOSE(policies=[FIX(k0=0.1), FIX(k0=0.001)], boundaries=[999])",  # the last stage would never begin
    ],
)
def test_what_is_impossible_in_a_shorter_run_is_left_out(text):
    assert rescaled(parse_policy(text), 1000, 10) is None
