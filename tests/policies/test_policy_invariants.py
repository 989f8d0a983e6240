"""What the formulas promise whatever their parameters: bounds, periods, monotony, ends."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.exact_formulas import CYCLIC
from property_settings import examples

from lrbench.policies import Policy, functions, parse_policy, policy_from_mapping

T = np.arange(3000)
rate = st.floats(1e-6, 10)
length = st.integers(1, 5000) | st.floats(1, 5000)
PLAIN = [name for name in CYCLIC if "2" not in name and "EXP" not in name]
HALF_CYCLES = ("TRI", "SIN")


def wave(name: str, k0: float, k1: float, span: float) -> Policy:
    gamma = {"gamma": 0.9995} if "EXP" in name else {}
    return policy_from_mapping({"function": name, "k0": k0, "k1": k1, "l": span, **gamma})


@pytest.mark.parametrize("name", CYCLIC)
@examples(8)
@given(rate, rate, length)
def test_waves_stay_between_k0_and_k1_whichever_is_higher(name: str, k0: float, k1: float, span: float) -> None:
    rates = wave(name, k0, k1, span).rates(T, 3000)
    slack = 1e-12 * max(k0, k1)
    assert min(k0, k1) - slack <= rates.min()
    assert rates.max() <= max(k0, k1) + slack
    assert rates.tolist() == wave(name, k1, k0, span).rates(T, 3000).tolist()


@pytest.mark.parametrize("name", CYCLIC)
def test_waves_start_where_their_phase_says(name: str) -> None:
    plain = name.partition("_")[0]
    starts_high = name.endswith("_HIGH") or (plain == name and name.startswith(("COS", "HSIN", "HCOS")))
    assert wave(name, 0.01, 0.06, 100).rates(0, 1000) == pytest.approx(0.06 if starts_high else 0.01, rel=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_waves_repeat(name: str) -> None:
    cycle = 200 if name.startswith(HALF_CYCLES) else 100
    rates = wave(name, 0, 0.06, 100).rates(T, 3000)
    assert rates[cycle:].tolist() == rates[:-cycle].tolist()
    assert rates[: cycle // 2].tolist() != rates[cycle // 2 : cycle].tolist()


@pytest.mark.parametrize("name", PLAIN)
def test_the_envelopes_halve_and_decay(name: str) -> None:
    base, _, phase = name.partition("_")
    suffix = f"_{phase}" if phase else ""
    plain = wave(name, 0, 1, 100).rates(T, 3000)
    cycle = 200 if name.startswith(HALF_CYCLES) else 100
    halved = wave(f"{base}2{suffix}", 0, 1, 100).rates(T, 3000)
    assert halved == pytest.approx(plain / 2.0 ** (T // cycle), rel=1e-12)
    decaying = wave(f"{base}EXP{suffix}", 0, 1, 100).rates(T, 3000)
    assert decaying == pytest.approx(plain * 0.9995 ** T.astype(float), rel=1e-12)


HALVED_HIGH = ("TRI2_HIGH", "SIN2_HIGH", "COS2")


@pytest.mark.parametrize("name", HALVED_HIGH)
def test_a_wave_halved_in_the_trough_is_continuous_and_has_the_same_crests(name: str) -> None:
    cycle = 2000 if name.startswith(HALF_CYCLES) else 1000
    crest, trough = (parse_policy(f"{name}(k0=0.01, k1=1, l=1000, halve={word})") for word in ("crest", "trough"))
    t = np.arange(4 * cycle)
    halves, jumps = trough.rates(t, len(t)), crest.rates(t, len(t))
    assert halves[::cycle].tolist() == jumps[::cycle].tolist() == pytest.approx([1, 0.505, 0.2575, 0.13375], rel=1e-12)
    assert abs(np.diff(halves)).max() < 2 * np.pi / cycle
    assert abs(np.diff(jumps)).max() == pytest.approx(0.495, abs=0.01)
    first, last = np.arange(cycle // 2), np.arange(cycle // 2, cycle)
    assert halves[first].tolist() == jumps[first].tolist()
    assert halves[last] - 0.01 == pytest.approx((jumps[last] - 0.01) / 2, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", HALVED_HIGH)
def test_a_text_without_halve_keeps_its_curve_and_its_form(name: str) -> None:
    text = f"{name}(k0=0.01, k1=1, l=1000)"
    policy = parse_policy(text)
    assert policy.text == parse_policy(f"{name}(k0=0.01, k1=1, l=1000, halve=crest)").text == text
    assert policy.mapping == {"function": name, "k0": 0.01, "k1": 1, "l": 1000}
    cycle = 2000 if name.startswith(HALF_CYCLES) else 1000
    assert policy.rates([cycle - 1, cycle], 9999) == pytest.approx([1, 0.505], rel=1e-2)
    trough = f"{name}(k0=0.01, k1=1, l=1000, halve=trough)"
    assert parse_policy(trough).text == trough
    assert parse_policy(trough).mapping["halve"] == "trough"


def test_only_waves_that_come_down_from_their_crest_and_climb_back_choose_where_they_are_halved() -> None:
    chooses = [function.name for function in functions() if function.parameter("halve")]
    assert sorted(chooses) == sorted(HALVED_HIGH)


@pytest.mark.parametrize(("low", "high"), [("TRI", "TRI_HIGH"), ("SIN", "SIN_HIGH"), ("COS_LOW", "COS")])
def test_symmetric_waves_start_high_half_a_cycle_later(low: str, high: str) -> None:
    half = 100 if low.startswith(HALF_CYCLES) else 50
    later = wave(low, 0, 1, 100).rates(T + half, 3100)
    assert wave(high, 0, 1, 100).rates(T, 3000) == pytest.approx(later, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("rising", "falling"), [("SAW", "SAW_HIGH"), ("HSIN_LOW", "HSIN"), ("HCOS_LOW", "HCOS")])
def test_restarting_waves_run_backwards_in_the_other_phase(rising: str, falling: str) -> None:
    up, down = wave(rising, 0, 1, 100).rates(T, 3000), wave(falling, 0, 1, 100).rates(T, 3000)
    assert down[1:100] == pytest.approx(up[99:0:-1], rel=1e-12)
    assert (np.diff(up[:100]) > 0).all()
    assert (np.diff(down[:100]) < 0).all()
    assert (up[::100].tolist(), down[::100].tolist()) == ([0.0] * 30, [1.0] * 30)


def test_caffe_style_triangle_peaks_at_l() -> None:
    rates = parse_policy("TRI(k0=0.01, k1=0.06, l=50)").rates([0, 25, 50, 75, 100, 150], 200)
    assert rates == pytest.approx([0.01, 0.035, 0.06, 0.035, 0.01, 0.06], rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "FIX(k0=0.1)",
        "STEP(k0=0.1, gamma=0.5, l=70.5)",
        "NSTEP(k0=0.1, gamma=0.5, l=[1, 2, 2000])",
        "EXP(k0=0.1, gamma=0.999)",
        "INV(k0=0.1, gamma=0.01, p=0.75)",
        "POLY(k0=0.1, p=1.5)",
        "SIG(k0=0.1, gamma=-0.1, l=1500)",
        "LINEAR(k0=0.1, k1=0.01, l=1000)",
        "POLYDECAY(k0=0.1, k1=0.01, p=3, l=1000)",
        "COSDECAY(k0=0.1, k1=0.01, l=1000)",
        "REX(k0=0.1)",
        "INVSQRT(k0=0.1, l=100)",
        "WSD(k0=0.1, k1=0.01, warmup=0, decay=1000, l=2000)",
    ],
)
def test_decays_never_rise(text: str) -> None:
    policy = parse_policy(text)
    policy.check(3000)
    rates = policy.rates(T, 3000)
    assert (np.diff(rates) <= 0).all()
    assert rates[0] == pytest.approx(0.1, rel=1e-12)


def test_steps_fall_at_their_boundaries() -> None:
    assert parse_policy("STEP(k0=1, gamma=0.5, l=10)").rates([9, 10, 19, 20], 30).tolist() == [1, 0.5, 0.5, 0.25]
    assert parse_policy("NSTEP(k0=1, gamma=0.5, l=[3, 5])").rates(range(7), 30).tolist() == [
        *(1, 1, 1),
        *(0.5, 0.5),
        *(0.25, 0.25),
    ]


@pytest.mark.parametrize("name", ["LINEAR", "POLYDECAY", "COSDECAY"])
@pytest.mark.parametrize(("k0", "k1"), [(0.1, 0.003), (1e-7, 1.0)])
def test_decays_reach_their_floor_exactly_and_stay(name: str, k0: float, k1: float) -> None:
    power = {"p": 1.7} if name == "POLYDECAY" else {}
    policy = policy_from_mapping({"function": name, "k0": k0, "k1": k1, "l": 777, **power})
    assert policy.rates([0, 777, 778, 5000], 5000).tolist() == [k0, k1, k1, k1]


def test_sigmoid_of_any_steepness_has_no_overflow() -> None:
    for gamma in (1e6, -1e6):
        ends = parse_policy(f"SIG(k0=0.1, gamma={gamma}, l=100)").rates([0, 100, 200], 1000).tolist()
        assert ends == ([0, 0.05, 0.1] if gamma > 0 else [0.1, 0.05, 0])


def test_inverse_square_root_halves_when_t_is_four_times_l() -> None:
    assert parse_policy("INVSQRT(k0=0.1, l=50)").rates([0, 50, 200], 1000).tolist() == [0.1, 0.1, 0.05]


@given(st.integers(2, 50), st.integers(1, 4))
def test_sgdr_rises_only_where_a_cycle_starts(first: int, mult: int) -> None:
    rates = policy_from_mapping({"function": "SGDR", "k0": 1, "l": first, "mult": mult}).rates(range(1000), 1000)
    starts = list(itertools.accumulate(first * mult**cycle for cycle in range(500)))
    assert [t for t in range(1, 1000) if rates[t] > rates[t - 1]] == [t for t in starts if t < 1000]


@given(st.floats(1, 50), st.floats(1, 4))
def test_sgdr_stays_in_its_range_for_lengths_that_are_not_whole(first: float, mult: float) -> None:
    rates = policy_from_mapping({"function": "SGDR", "k0": 0.5, "k1": 1, "l": first, "mult": mult}).rates(T, 3000)
    assert ((rates >= 0.5) & (rates <= 1)).all()
    assert rates[0] == 1


def test_importing_policies_loads_numpy_alone() -> None:
    heavy = ("matplotlib", "scipy", "pydantic", "requests", "rich", "tabulate", "yaml", "click", "torch", "sklearn")
    code = f"import sys, lrbench.policies; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_row_is_complete() -> None:
    for function in functions():
        assert function.formula, function.name
        assert function.summary
        assert "\n" not in function.summary
        assert function.source
        assert all(parameter.meaning and parameter.rule for parameter in function.parameters)
