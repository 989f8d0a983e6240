"""``check`` finds every run in which a policy is impossible; ``rates`` takes any t."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lrbench.errors import PolicyError
from lrbench.policies import parse_policy


@pytest.mark.parametrize(
    ("text", "last_good", "message"),
    [
        ("POLY(k0=1, p=1, l=100)", 101, "POLY: the rate at t = 101 is -0.01, but must be finite and not negative"),
        ("POLY(k0=1, p=0.5, l=100)", 101, "POLY: the rate at t = 101 is nan, but must be finite"),
        ("POLY(k0=1, p=2, l=100)", 101, "POLY: l is 100, but the run goes on to t = 101"),
        ("REX(k0=1, l=100)", 101, "REX: the rate at t = 101 is -0.0"),
        ("REX(k0=1, l=0.3)", 1, "REX: l is 0.3, but the run goes on to t = 1 and the rate is 0 at t = l"),
        ("EXP(k0=1, gamma=10)", 309, "EXP: the rate at t = 309 is inf"),
        ("TRIEXP(k0=0, k1=1, gamma=1e9, l=1)", 35, "TRIEXP: the rate at t = 35 is inf"),
        ("SCALE(factor=1e300, policy=EXP(k0=1, gamma=10))", 9, "SCALE: the rate at t = 9 is inf"),
        (
            "COMPOSE(policies=[FIX(k0=1), POLY(k0=1, p=1, l=10)], boundaries=[500])",
            511,
            "COMPOSE: the rate at t = 511 is -0.1",
        ),
    ],
)
def test_the_first_impossible_rate_is_named(text: str, last_good: int, message: str) -> None:
    policy = parse_policy(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy.check(last_good)
        with pytest.raises(PolicyError) as refused:
            policy.check(last_good + 1)
        assert message in str(refused.value)
        with pytest.raises(PolicyError):
            policy.check(600_000)  # more than is checked at once


@pytest.mark.parametrize(
    ("text", "first_good", "message"),
    [
        ("WARMUP(policy=FIX(k0=1), l=100)", 101, "WARMUP: l is 100, but must be below the 100 iterations of the run"),
        (
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2), FIX(k0=3)], boundaries=[50, 100])",
            101,
            "COMPOSE: boundary 100 lies beyond the 100 iterations of the run or stage",
        ),
        ("SCALE(factor=2, policy=WARMUP(policy=FIX(k0=1), l=100))", 101, "SCALE: WARMUP: l is 100"),
        (
            "COMPOSE(policies=[FIX(k0=1), WARMUP(policy=FIX(k0=1), l=60)], boundaries=[40])",
            101,
            "COMPOSE: policies[1]: WARMUP: l is 60, but must be below the 60 iterations",
        ),
        (
            "COMPOSE(policies=[FIX(k0=1), WARMUP(policy=FIX(k0=1), l=100)], boundaries=[40], count=run)",
            101,
            "COMPOSE: policies[1]: WARMUP: l is 100, but must be below the 100 iterations",
        ),
        ("ONECYCLE(k0=0.1, k1=1, k2=0)", 4, "ONECYCLE: rise * l is 0.9, but must be above 1"),
        ("WSD(k0=1, warmup=50, decay=51)", 101, "WSD: warmup + decay is 101, but must be at most l, which is 100"),
    ],
)
def test_a_run_too_short_is_refused(text: str, first_good: int, message: str) -> None:
    policy = parse_policy(text)
    policy.check(first_good)
    with pytest.raises(PolicyError) as refused:
        policy.check(first_good - 1)
    assert message in str(refused.value)


def test_only_what_occurs_in_a_stage_is_checked() -> None:
    # Past t = 100 this POLY rises again, but its stage ends before.
    policy = parse_policy("COMPOSE(policies=[POLY(k0=1, p=2, l=100), FIX(k0=1)], boundaries=[101], count=run)")
    policy.check(1000)
    late = parse_policy("COMPOSE(policies=[POLY(k0=1, p=2, l=100), FIX(k0=1)], boundaries=[102], count=run)")
    with pytest.raises(PolicyError, match="POLY: l is 100, but the run goes on to t = 101"):
        late.check(1000)


def test_a_missing_l_keeps_the_runs_budget_in_a_stage_that_counts_from_the_run() -> None:
    # WSD's phases fit the run's 1000 iterations, though not the 100 of its stage.
    stages = "COMPOSE(policies=[WSD(k0=1, warmup=50, decay=500), FIX(k0=1)], boundaries=[100], count={})"
    parse_policy(stages.format("run")).check(1000)
    with pytest.raises(PolicyError, match="warmup \\+ decay is 550, but must be at most l, which is 100"):
        parse_policy(stages.format("stage")).check(1000)


@pytest.mark.parametrize("iterations", [0, -5])
def test_a_run_has_iterations(iterations: int) -> None:
    with pytest.raises(PolicyError, match="at least one iteration"):
        parse_policy("FIX(k0=1)").check(iterations)
    with pytest.raises(PolicyError, match="l is the run's iterations, of which"):
        parse_policy("LINEAR(k0=1)").rates([0], iterations)


def test_rates_keep_the_shape_of_t() -> None:
    policy = parse_policy("WARMUP(policy=COS(k0=0, k1=1, l=10), l=3)")
    assert policy.rates([], 100).tolist() == []
    assert policy.rates(3, 100).shape == ()
    assert policy.rates(3, 100) == 1.0
    assert policy.rates([[0, 3], [8, 13]], 100).tolist() == [[0, 1], [0, 1]]
    assert policy.rates(np.arange(5, dtype=np.int32), 100).dtype == np.float64
    assert policy.rates(range(5), 100).shape == (5,)


def test_rates_are_the_callers_own() -> None:
    policy = parse_policy("SAW_HIGH(k0=0, k1=1, l=10)")
    policy.rates(np.arange(5), 100)[:] = 7
    assert policy.rates([0], 100).tolist() == [1]


def test_t_counts_from_0() -> None:
    with pytest.raises(PolicyError, match="FIX: t counts iterations from 0, but is -1"):
        parse_policy("FIX(k0=1)").rates([3, -1], 100)


def test_scaled() -> None:
    policy = parse_policy("TRI(k0=0.01, k1=0.06, l=2000)")
    assert policy.scaled(1) is policy
    assert policy.scaled(0.5).text == "SCALE(factor=0.5, policy=TRI(k0=0.01, k1=0.06, l=2000))"
    assert policy.scaled(0.5).unscaled(0.5) == policy
    assert policy.scaled(0.5).unscaled(0.25) == policy.scaled(0.5)
    assert policy.unscaled(0.5) == policy
    assert policy.scaled(0.5).scaled(0.5).unscaled(0.5) == policy.scaled(0.5)
    assert policy.scaled(0.5).scaled(3).split() == (1.5, policy)
    assert policy.split() == (1, policy)
    assert parse_policy(policy.scaled(0.5).text) == policy.scaled(0.5)
    t = np.arange(5000)
    assert policy.scaled(0.1).rates(t, 5000).tolist() == (0.1 * policy.rates(t, 5000)).tolist()
    assert parse_policy("POLY(k0=1, p=1)").scaled(2).rates([0, 50], 100).tolist() == [2, 1]
    for factor in (0, -1, float("nan"), "2"):
        with pytest.raises(PolicyError, match="SCALE: factor is"):
            policy.scaled(factor)  # type: ignore[arg-type]
