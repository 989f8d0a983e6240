"""Lengths that are not whole: every multiple of a length begins a cycle, whatever float64 makes of the quotient."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from lrbench.policies import parse_policy
from lrbench.policies.cycles import count_cycles, count_troughs, cycle_fraction, restarts

LAST = 70_000


def multiples(length: Fraction, at_most: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The whole t up to ``LAST`` that are multiples of a length, and how many of the length each is."""
    t = np.arange(length.numerator, LAST + 1, length.numerator)[:at_most]
    return t, t // length.numerator * length.denominator


def test_every_multiple_of_a_length_with_one_decimal_begins_a_cycle() -> None:
    for tenths in range(11, 10_000, 7):
        t, count = multiples(Fraction(tenths, 10))
        counted, since, _ = count_cycles(t.astype(np.float64), tenths / 10)
        assert counted.tolist() == count.tolist(), tenths / 10
        assert not since.any(), tenths / 10


def test_every_multiple_of_a_quotient_of_whole_numbers_begins_a_cycle() -> None:
    for a in range(1, 3000, 13):
        for b in (2, 3, 6, 7, 9, 11, 13, 49, 97, 101):
            t, count = multiples(Fraction(a, b), 500)
            counted, since, _ = count_cycles(t.astype(np.float64), a / b)
            assert counted.tolist() == count.tolist(), f"{a}/{b}"
            assert not since.any(), f"{a}/{b}"


def test_between_two_multiples_the_count_is_that_of_exact_arithmetic() -> None:
    for length in (Fraction(54, 5), Fraction(100, 3), Fraction(6117, 10), Fraction(1, 7), Fraction(97, 49)):
        t = np.arange(3000)
        counted, since, span = count_cycles(t.astype(np.float64), float(length))
        assert counted.tolist() == [int(step / length) for step in range(3000)]
        want = [float(step / length % 1) for step in range(3000)]
        assert (since / span).tolist() == want
        middles = count_troughs(t.astype(np.float64), float(length))
        assert middles.tolist() == [int(step / length + Fraction(1, 2)) for step in range(3000)]


@pytest.mark.parametrize(
    ("length", "fraction"),
    [
        (10.8, (54, 5)),
        (100 / 3, (100, 3)),
        (333.3, (3333, 10)),
        (1.1 * 3, (33, 10)),
        (100.00000000000001, (100, 1)),
        (0.1, (1, 10)),
        (2000, (2000, 1)),
        (2000.0, (2000, 1)),
        (1e17, (10**17, 1)),
        (0.0625, (1, 16)),
    ],
)
def test_a_length_is_the_simplest_fraction_near_it(length: float, fraction: tuple[int, int]) -> None:
    assert cycle_fraction(length) == Fraction(*fraction)


@pytest.mark.parametrize("length", [5e-324, 1e-300, 1e-17])
def test_a_length_too_short_to_count_by_gives_no_nan(length: float) -> None:
    with np.errstate(over="ignore"):
        counted, since, span = count_cycles(np.array([0.0, 1.0, 7.0]), length)
    assert counted[0] == 0
    assert (counted[1:] > 1e16).all()
    assert since.tolist() == [0, 0, 0]
    assert span > 0


def test_the_rates_of_every_stepped_and_cyclic_function_begin_anew_at_a_multiple() -> None:
    assert parse_policy("STEP(k0=1, gamma=0.1, l=10.8)")([161, 162, 163]) == pytest.approx(
        [1e-14, 1e-15, 1e-15], rel=1e-12
    )
    assert parse_policy("STEP(k0=1024, gamma=0.5, l=33.333333333333336)")([99, 100]).tolist() == [256, 128]
    for name, high in (("SAW", 0), ("HCOS", 1), ("HSIN", 1), ("SGDR", 1), ("SAW_HIGH", 1), ("HCOS_LOW", 0)):
        policy = parse_policy(f"{name}(k0=0, k1=1, l=10.8)")
        assert policy([54, 108, 162, 540, 10_800]).tolist() == [high] * 5, name
    assert parse_policy("COS2(k0=0, k1=1, l=10.8)")([54, 162]).tolist() == [0.5**5, 0.5**15]
    assert parse_policy("HCOS2(k0=0, k1=1, l=10.8)")([54, 162]).tolist() == [0.5**5, 0.5**15]
    assert parse_policy("TRI2_HIGH(k0=0, k1=1, l=5.4)")([54, 162]).tolist() == [0.5**5, 0.5**15]


def test_policies_in_policies_count_alike() -> None:
    step = "STEP(k0=1024, gamma=0.5, l=10.8)"
    assert parse_policy(f"SCALE(factor=2, policy={step})")([53, 54]).tolist() == [128, 64]
    assert parse_policy(f"WARMUP(policy={step}, l=5)")([58, 59], 100).tolist() == [64, 32]
    staged = f"COMPOSE(policies=[FIX(k0=1), {step}], boundaries=[100])"
    assert parse_policy(staged)([153, 154], 200).tolist() == [64, 32]


def test_restarts_at_whole_iterations_are_not_late() -> None:
    assert restarts(100, 1.1, 330)[:4].tolist() == [0, 100, 210, 331]
    assert restarts(10.8, 2, 200)[:5] == pytest.approx([0, 10.8, 32.4, 75.6, 162], rel=1e-15)
    assert restarts(10.8, 2, 200)[4] == 162
    million = restarts(1_000_000, 1.1, 7_000_000)
    assert million[:7].tolist() == [0, 1_000_000, 2_100_000, 3_310_000, 4_641_000, 6_105_100, 7_715_610]
    assert parse_policy("SGDR(k0=1, l=1000000, mult=1.1)")([6_105_099, 6_105_100])[1] == 1


@pytest.mark.parametrize(
    ("text", "fractions"),
    [
        ("STEP(k0=1, gamma=0.1, l=10.8)", True),
        ("STEP(k0=1, gamma=0.1, l=10)", False),
        ("TRI(k0=0, k1=1, l=2.5)", True),
        ("COS(k0=0, k1=1, l=1e17)", False),
        ("NSTEP(k0=1, gamma=0.1, l=[10.5])", False),
        ("POLY(k0=1, p=1, l=10.5)", False),
        ("POLY(k0=1, p=1)", False),
        ("SGDR(k0=1, l=10)", False),
        ("SGDR(k0=1, l=10.5)", True),
        ("SGDR(k0=1, l=10, mult=1.5)", True),
        ("SCALE(factor=2, policy=WARMUP(policy=SIN(k0=0, k1=1, l=3.3), l=5))", True),
        ("COMPOSE(policies=[FIX(k0=1), SAW(k0=0, k1=1, l=0.5)], boundaries=[5])", True),
        ("SWITCH(policies=[FIX(k0=1), TRI(k0=0, k1=1, l=9)])", False),
    ],
)
def test_a_policy_knows_whether_a_cycle_in_it_is_not_whole(text: str, fractions: bool) -> None:
    assert parse_policy(text).counts_fractions is fractions
