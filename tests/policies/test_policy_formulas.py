"""The rates agree with the formulas to 1e-12 relative, at small and at large t."""

from __future__ import annotations

import math
import random
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from policies import exact_formulas

from lrbench.errors import PolicyError
from lrbench.exporting.dialects import PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.policies import functions, parse_policy

TOLERANCE = Decimal("1e-12")
EXACT_ZERO = Decimal("1e-50")  # what the decimal series leave of a 0
LAST = 70_000

THIRTEEN = [
    "FIX(k0=0.013)",
    "STEP(k0=0.01, gamma=0.85, l=5000)",
    "STEP(k0=0.01, gamma=0.99, l=97.3)",
    "NSTEP(k0=0.01, gamma=0.9, l=[5000, 7000, 8000, 9000])",
    "NSTEP(k0=0.01, gamma=0.1, l=[32000, 48000, 69999])",
    "EXP(k0=0.01, gamma=0.99994)",
    "EXP(k0=1e-07, gamma=1.0001)",
    "INV(k0=0.01, gamma=0.0001, p=0.75)",
    "POLY(k0=0.01, p=1.2, l=70000)",
    "POLY(k0=0.01, p=1, l=70000)",
    "POLY(k0=0.3, p=0.5, l=70000)",
    "TRI(k0=0.01, k1=0.06, l=2000)",
    "TRI(k0=0.06, k1=0, l=70000)",
    "TRI(k0=0.001, k1=0.06, l=333.3)",
    "TRI2(k0=0.01, k1=0.06, l=2000)",
    "TRIEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)",
    "SIN(k0=0.01, k1=0.06, l=2000)",
    "SIN(k0=0, k1=0.06, l=70000)",
    "SIN2(k0=0.06, k1=0.01, l=2000)",
    "SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)",
    "COS(k0=0.01, k1=0.06, l=4000)",
    "COS(k0=0, k1=0.06, l=69998)",
]
OTHERS = [
    "SIG(k0=0.01, gamma=0.001, l=5000)",
    "SIG(k0=0.01, gamma=-0.001, l=5000)",
    "LINEAR(k0=0.1, k1=1e-05, l=60000)",
    "LINEAR(k0=1e-08, k1=1, l=70000)",
    "POLYDECAY(k0=0.1, k1=0.0001, p=0.9, l=60000)",
    "POLYDECAY(k0=1e-08, k1=1, p=2, l=70000)",
    "COSDECAY(k0=0.1, k1=0, l=70001)",
    "COSDECAY(k0=0, k1=0.1, l=70001)",
    "REX(k0=0.1, l=70000)",
    "INVSQRT(k0=0.01, l=1000)",
    "SPLINE(k0=0.1, points=[0.1, 1, 0.8, 0.3, 0], l=70001)",
    "SPLINE(k0=0.1, points=[0.5, 1.5, 1.5], l=35000.5)",
    "POWER(k0=0.01, a=0.5, b=-0.51)",
    "POWER(k0=1, a=0.01, b=-1.3)",
]
WAVES = [
    f"{name}(k0=0.{k}1, k1=0.06, {'gamma=0.9999, ' if 'EXP' in name else ''}l={length})"
    for name in exact_formulas.CYCLIC
    for k, length in ((0, 2000), (1, 611.7))
]
TROUGHS = [
    f"{name}(k0=0.{k}1, k1=0.06, l={length}, halve=trough)"
    for name in ("TRI2_HIGH", "SIN2_HIGH", "COS2")
    for k, length in ((0, 2000), (1, 611.7))
]


def sampled_times(policy_text: str) -> list[int]:
    """Both sides of every bend and jump, where formulas go wrong, and a random sample between them."""
    random_times = random.Random(policy_text).sample(range(LAST), 60)
    bends = [round(k * unit) for unit in (611.7, 333.3, 97.3, 1000, 5000, 35_000) for k in (0, 1, 2, 3, 7, 13)]
    near_bends = [bend + offset for bend in [*bends, 69_999] for offset in (-2, -1, 0, 1, 2)]
    return sorted({t for t in [*random_times, *near_bends] if 0 <= t < LAST})


@pytest.mark.parametrize("text", [*THIRTEEN, *OTHERS, *WAVES, *TROUGHS])
def test_rates_equal_the_formula(text: str) -> None:
    policy = parse_policy(text)
    times = sampled_times(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = policy.rates(times, LAST)
    assert rates.dtype == np.float64
    for t, rate in zip(times, rates.tolist(), strict=True):
        exact = exact_formulas.exact_rate(policy.name, t, **policy.parameters)
        error = abs(Decimal(rate) - exact)
        assert error <= TOLERANCE * abs(exact) + EXACT_ZERO, f"{text} at t = {t}: {rate} is not {exact:.20}"


@pytest.mark.parametrize("text", [*THIRTEEN, *OTHERS, *WAVES, *TROUGHS])
def test_the_expression_has_the_same_rates(text: str) -> None:
    policy = parse_policy(text)
    times = sampled_times(text)
    names: dict[str, Any] = {}
    exec("import math\n" + functions_of(policy, PlainPython(), LAST), names)
    rates = policy.rates(times, LAST)
    written = [names["learning_rate"](t) for t in times]
    of_the_highest = 1e-12 if policy.name in exact_formulas.CYCLIC else 1e-50
    np.testing.assert_allclose(written, rates, rtol=1e-12, atol=of_the_highest * rates.max())


def test_every_function_of_one_formula_is_compared() -> None:
    phased = {"SGDR", "ONECYCLE", "WSD", "WARMUP", "COMPOSE", "SCALE", "PRODUCT", "PLATEAU", "GREEDY", "SWITCH"}
    compared = {text.partition("(")[0] for text in [*THIRTEEN, *OTHERS, *WAVES]}
    assert {function.name for function in functions()} == compared | phased
    assert len(exact_formulas.CYCLIC) == 36


def test_the_table_begins_with_the_thirteen() -> None:
    names = [function.name for function in functions()]
    assert names[:13] == [
        *("FIX", "STEP", "NSTEP", "EXP", "INV", "POLY"),
        *("TRI", "TRI2", "TRIEXP", "SIN", "SIN2", "SINEXP", "COS"),
    ]
    assert len(names) == len(set(names))


def test_a_multiple_of_l_as_written_begins_a_step_and_a_cycle() -> None:
    # 333.3 in float64 lies above 333.3, so that 3333 is just short of ten of it; 3333 / 333.3 is 10 all the same.
    assert Fraction(333.3) * 10 > 3333
    assert parse_policy("STEP(k0=1024, gamma=0.5, l=333.3)").rates([3332, 3333], 4000).tolist() == [2, 1]
    assert parse_policy("HCOS(k0=1, k1=0, l=333.3)").rates(3333, 4000) == 1
    assert parse_policy("SAW2(k0=0, k1=1, l=333.3)").rates(3333, 4000) == 0


def test_a_missing_l_is_the_runs_iterations() -> None:
    t = np.arange(300)
    for name, rest in (("POLY", "p=2"), ("LINEAR", "k1=0"), ("POLYDECAY", "k1=0, p=2"), ("COSDECAY", "k1=0")):
        filled = parse_policy(f"{name}(k0=0.1, {rest})").rates(t, 300)
        assert filled.tolist() == parse_policy(f"{name}(k0=0.1, {rest}, l=300)").rates(t, 300).tolist()


def test_sgdr_restarts_after_cycles_that_grow() -> None:
    starts, lengths = [0, 100, 300, 700], [100, 200, 400, 800]
    policy = parse_policy("SGDR(k0=0.1, k1=0.001, l=100, mult=2)")
    expected = [0.001 + 0.099 * (1 + math.cos(math.pi * s / length)) / 2 for length in lengths for s in range(length)]
    assert policy.rates(np.arange(1500), 1500) == pytest.approx(expected, rel=1e-12)
    assert policy.rates(starts, 1500).tolist() == [0.1] * 4


@pytest.mark.parametrize("mult", [1, 2])
def test_the_peaks_of_sgdr_fall_where_that_is_asked_for(mult: int) -> None:
    starts = [0, 100, 200, 300] if mult == 1 else [0, 100, 300, 700]
    falling = parse_policy(f"SGDR(k0=0.1, k1=0.02, l=100, mult={mult}, fall=0.5)")
    assert falling.rates(starts, 1500) == pytest.approx([0.1, 0.06, 0.04, 0.03], rel=1e-12)
    level = parse_policy(f"SGDR(k0=0.1, k1=0.02, l=100, mult={mult}, fall=1)")
    assert level.text == f"SGDR(k0=0.1, k1=0.02, l=100, mult={mult})", "texts written before are canonical still"
    assert level.rates(starts, 1500).tolist() == [0.1] * 4


def test_a_product_multiplies_rates_over_the_whole_run() -> None:
    t = np.arange(100)
    product = parse_policy("PRODUCT(policies=[LINEAR(k0=0.1), STEP(k0=1, gamma=0.5, l=30), FIX(k0=2)])")
    linear, step = (parse_policy(text).rates(t, 100) for text in ("LINEAR(k0=0.1)", "STEP(k0=1, gamma=0.5, l=30)"))
    np.testing.assert_allclose(product.rates(t, 100), 2 * linear * step, rtol=1e-15)
    with pytest.raises(PolicyError, match=r"PRODUCT: policies\[1\]: POLY: l is 50, but the run goes on"):
        parse_policy("PRODUCT(policies=[FIX(k0=1), POLY(k0=1, p=2, l=50)])").check(100)


def test_a_product_of_policies_that_react_is_bounded_by_any_two_of_their_policies_at_once() -> None:
    text = "PRODUCT(policies=[SWITCH(policies=[FIX(k0=1), FIX(k0=3)]), SWITCH(policies=[FIX(k0=5), FIX(k0=2)])])"
    bounds = [float(bound.rates([0], 1)[0]) for bound in parse_policy(text).upper_bounds]
    assert sorted(bounds) == [2, 5, 6, 15]
    controller = parse_policy(text.replace("]), SWITCH", "], patience=1), SWITCH")).start(100)
    assert controller.rates(0, 2).tolist() == [5, 5]
    for iteration in (10, 20):
        controller.observe({"iteration": iteration, "train_loss": 1.0})
    assert controller.rates(20, 21).tolist() == [15]


def test_a_cycle_of_more_iterations_than_float64_holds_stays_where_it_starts() -> None:
    for name, rate in (("TRI", 0.1), ("TRI_HIGH", 1), ("SIN2", 0.1), ("SIN_HIGH", 1)):
        rates = parse_policy(f"{name}(k0=0.1, k1=1, l=1e308)").rates([0, 999], 1000)
        assert rates == pytest.approx([rate, rate], rel=1e-12)


def test_sgdr_with_factors_that_are_not_whole() -> None:
    # 100 and 110 iterations: the restart is at t = 210, though 100 + 100 * 1.1 is a little more in float64.
    assert parse_policy("SGDR(k0=1, l=100, mult=1.1)").rates([0, 100, 210, 331], 400).tolist() == [1, 1, 1, 1]
    assert parse_policy("SGDR(k0=1, l=50)").rates([0, 50, 4950], 5000).tolist() == [1, 1, 1]
    hcos = parse_policy("HCOS(k0=0.1, k1=0, l=50)").rates(np.arange(999), 999)
    assert parse_policy("SGDR(k0=0.1, l=50)").rates(np.arange(999), 999).tolist() == hcos.tolist()
    assert parse_policy("SGDR(k0=1, l=4000000000000, mult=1e307)").rates([0, 999], 1000) == pytest.approx([1, 1])
    almost = parse_policy("SGDR(k0=0.1, l=50, mult=1.000000001)").rates(np.arange(1, 49), 999)
    assert almost == pytest.approx(hcos[1:49], rel=1e-6)


def torch_one_cycle(t: int, total: int, initial: float, peak: float, final: float, rise: float, cosine: bool) -> float:
    """PyTorch's OneCycleLR.get_lr, its two phases and annealing functions written out."""
    phases = [(rise * total - 1, initial, peak), (total - 1, peak, final)]
    start = 0.0
    for end, low, high in phases:
        if t <= end or end == total - 1:
            share = (t - start) / (end - start)
            return high + (low - high) / 2 * (math.cos(math.pi * share) + 1) if cosine else low + (high - low) * share
        start = end
    raise AssertionError


@pytest.mark.parametrize("anneal", ["cos", "linear"])
@pytest.mark.parametrize(("total", "rise"), [(1000, 0.3), (7, 0.4), (9999, 0.25)])
def test_onecycle_is_that_of_pytorch(anneal: str, total: int, rise: float) -> None:
    peak, initial, final = 0.1, 0.1 / 25, 0.1 / 25 / 1e4
    policy = parse_policy(f"ONECYCLE(k0={initial!r}, k1={peak}, k2={final!r}, rise={rise}, anneal={anneal})")
    expected = [torch_one_cycle(t, total, initial, peak, final, rise, anneal == "cos") for t in range(total)]
    assert policy.rates(np.arange(total), total) == pytest.approx(expected, rel=1e-9)
    assert policy.rates([0, total - 1, total + 5], total).tolist() == [initial, final, final]


@pytest.mark.parametrize(("anneal", "halfway"), [("linear", 0.5), ("cos", 0.5), ("sqrt", 1 - math.sqrt(0.5))])
def test_wsd_has_three_phases(anneal: str, halfway: float) -> None:
    policy = parse_policy(f"WSD(k0=0.1, k1=0.02, warmup=100, decay=200, l=1000, anneal={anneal})")
    rates = policy.rates([0, 50, 100, 500, 800, 900, 1000, 2000], 1000)
    assert rates == pytest.approx([0, 0.05, 0.1, 0.1, 0.1, 0.02 + 0.08 * halfway, 0.02, 0.02], rel=1e-12)
    assert parse_policy("WSD(k0=0.1, warmup=0, decay=200)").rates(0, 1000) == 0.1
