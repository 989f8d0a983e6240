"""Lengths that are not whole: at every multiple each export begins a cycle where the policy does."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lrbench.exporting import export_policy
from lrbench.exporting.dialects import Dialect, Jax, Keras, PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.policies import Policy, parse_policy

LAST = 1500
LENGTHS = (
    *(Fraction(a, 10) for a in (3, 7, 11, 33, 49, 69, 97, 108, 123, 171, 333, 541, 699, 1023, 1401)),
    *(Fraction(a, 100) for a in (35, 214, 575, 1025, 3199)),
    *(Fraction(a, b) for b in (3, 7, 9, 11, 13, 49) for a in (1, 10, 29, 100, 347)),
)
FORMS = (
    "STEP(k0=1, gamma=0.999, l={})",
    "TRI2(k0=0, k1=1, l={})",
    "SIN(k0=0.5, k1=1, l={})",
    "COS2(k0=0, k1=1, l={})",
    "COS2(k0=0, k1=1, l={}, halve=trough)",
    "SAW(k0=0, k1=1, l={})",
    "SAW2_HIGH(k0=0, k1=1, l={})",
    "HCOS(k0=0.1, k1=1, l={})",
    "SCALE(factor=2, policy=HSIN(k0=0.1, k1=1, l={}))",
    "COMPOSE(policies=[FIX(k0=1), SAW(k0=0, k1=1, l={})], boundaries=[5], count=run)",
)


def in_numpy(policy: Policy, dialect: Dialect) -> Any:
    """``learning_rate`` of a snippet, with numpy in place of the framework and its 32-bit integers."""
    functions = {name: getattr(np, name) for name in ("minimum", "maximum", "where", "sin", "cos", "exp", "sqrt")}
    module = SimpleNamespace(**functions, cast=lambda value, _: np.asarray(value, dtype=np.float64))
    names: dict[str, Any] = {"math": math, "jnp": module, "ops": module}
    exec(functions_of(policy, dialect, LAST + 2), names)
    return names["learning_rate"]


def near_multiples(length: Fraction) -> list[int]:
    """Every whole t that is a multiple of a length, up to a hundred of them, with the t before and the t after."""
    multiples = range(0, LAST + 1, length.numerator)[:100]
    return sorted({t for multiple in multiples for t in (multiple - 1, multiple, multiple + 1) if t >= 0})


@pytest.mark.parametrize("length", LENGTHS, ids=str)
def test_every_export_counts_as_the_policy_does(length: Fraction) -> None:
    times = near_multiples(length)
    for form in FORMS:
        policy = parse_policy(form.format(float(length)))
        want = policy.rates(times, LAST + 2)
        plain = in_numpy(policy, PlainPython())
        np.testing.assert_allclose([plain(t) for t in times], want, rtol=1e-12, atol=1e-15, err_msg=policy.text)
        for dialect in (Jax(LAST + 2), Keras(LAST + 2)):
            got = in_numpy(policy, dialect)(np.array(times, dtype=np.int32))
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=policy.text)


def test_the_steps_of_a_caffe_solver_are_the_first_whole_iterations_of_the_multiples() -> None:
    for length in (Fraction(54, 5), Fraction(100, 3)):
        text = export_policy(parse_policy(f"STEP(k0=1, gamma=0.5, l={float(length)})"), "caffe", 200)
        steps = [int(line.split(": ")[1]) for line in text.splitlines() if line.startswith("stepvalue")]
        assert steps == [t for t in range(1, 200) if t // length > (t - 1) // length]
