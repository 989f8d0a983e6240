"""A policy in a program: parsed, called, written out for a run, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.errors import PolicyError, UsageError
from lrbench.policies import Policy, functions, parse_policy

OPEN_LOOP = [row.example for row in functions() if not parse_policy(row.example).closed_loop]


@pytest.mark.parametrize("text", OPEN_LOOP)
def test_without_a_length_a_policy_is_the_same_for_every_length_or_asks_for_it(text):
    policy = Policy.parse(text)
    t = np.arange(0, 400, 7)
    if np.array_equal(policy.rates(t, 500), policy.rates(t, 5000)):
        for iterations in (401, 5000, 100_000):
            assert np.array_equal(policy(t), policy.rates(t, iterations))
    else:
        with pytest.raises(PolicyError, match="the run's iterations, of which"):
            policy(t)


@pytest.mark.parametrize("text", OPEN_LOOP)
def test_a_schedule_is_every_rate_of_a_run(text):
    policy = Policy.parse(text)
    rates = policy.schedule(10_000)
    assert (rates.dtype, rates.shape) == (np.dtype("float64"), (10_000,))
    for t in (0, 1, 777, 9_999):
        assert rates[t] == policy(t, iterations=10_000)


def test_a_number_gives_a_number_and_numbers_an_array():
    policy = Policy.parse("STEP(k0=0.1, gamma=0.5, l=10)")
    rate = policy(25)
    assert (type(rate), rate) == (float, 0.025)
    assert type(policy(np.int64(25))) is float
    assert policy([[0, 10], [20, 30]]).tolist() == [[0.1, 0.05], [0.025, 0.0125]]
    assert policy([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Policy.parse("POLY(k0=0.1, p=1)")(5),
            "POLY: l is the run's iterations, of which 0 are left here; give l, or more iterations",
        ),
        (lambda: Policy.parse("FIX(k0=0.1)")(-1), "FIX: t counts iterations from 0, but is -1"),
        (
            lambda: Policy.parse("POLY(k0=1, p=1, l=4)")([0, 4, 6]),
            "POLY: the rate at t = 6 is -0.5, but must be finite and not negative; change the parameters, or shorten the run",
        ),
        (
            lambda: Policy.parse("POLY(k0=1, p=1, l=2)").schedule(20),
            "POLY: the rate at t = 3 is -0.5, but must be finite and not negative; change the parameters, or shorten the run",
        ),
        (lambda: Policy.parse("FIX(k0=0.1)").plot(0), "a run has at least one iteration, but iterations is 0"),
    ],
)
def test_what_is_impossible_is_one_line(call, message):
    with pytest.raises(PolicyError) as refused:
        call()
    assert str(refused.value) == message


def test_a_closed_loop_policy_says_why_it_has_no_rate():
    (closed, *_) = [row.example for row in functions() if parse_policy(row.example).closed_loop]
    with pytest.raises(PolicyError, match="depend on the evaluations of a run"):
        Policy.parse(closed)(0, 100)


def test_a_picture_shows_itself_and_is_written(tmp_path):
    picture = Policy.parse("TRI(k0=0.01, k1=0.06, l=20)").plot(100, Policy.parse("FIX(k0=0.03)"))
    (axes,) = picture.figure.axes
    curves = [line.get_ydata() for line in axes.lines]
    assert np.array_equal(curves[0], Policy.parse("TRI(k0=0.01, k1=0.06, l=20)").schedule(100))
    assert np.array_equal(curves[1], np.full(100, 0.03))
    assert picture._repr_png_().startswith(b"\x89PNG")
    for suffix, head in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        picture.save(tmp_path / f"rates{suffix}")
        assert (tmp_path / f"rates{suffix}").read_bytes().startswith(head)
    with pytest.raises(UsageError, match=r'the suffix is "\.gif"; use \.png, \.svg, \.pdf'):
        picture.save("rates.gif")
    with pytest.raises(UsageError, match=r"cannot be written: No such file or directory; choose another path"):
        picture.save(tmp_path / "none/rates.png")
