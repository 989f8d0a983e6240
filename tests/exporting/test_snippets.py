"""Snippets run by themselves, in the framework they are for, give the policy's rates at every step."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exporting.policy_cases import CASES, ITERATIONS, OPEN_LOOP
from hypothesis import assume, given
from hypothesis import strategies as st
from policies.policy_strategies import mapping_of, mappings, reacts

from lrbench.errors import PolicyError
from lrbench.exporting import export_policy
from lrbench.exporting.dialects import PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.exporting.whole_run import check_float32
from lrbench.policies import Policy, functions, parse_policy, policy_from_mapping


@pytest.fixture(scope="module")
def with_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The rates of every case by a target's snippets, Keras on PyTorch."""
    return _run(tmp_path_factory.mktemp("snippets"), ["torch", "keras"], "torch")


@pytest.fixture(scope="module")
def with_jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The rates of every case by a target's snippets, Keras on JAX."""
    return _run(tmp_path_factory.mktemp("snippets"), ["optax", "keras"], "jax")


def _run(folder: Path, kinds: list[str], backend: str) -> dict[str, np.ndarray]:
    for kind in kinds:
        (folder / kind).mkdir()
        for number, policy in enumerate(CASES):
            (folder / kind / f"{number}.py").write_text(export_policy(policy, kind, ITERATIONS))
    environment = {**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": str(folder), "PYTHONPATH": ""}
    script = Path(__file__).with_name("run_snippets.py")
    subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(folder), str(ITERATIONS), *kinds], env=environment, check=True
    )
    return {kind: np.load(folder / f"{kind}.npy") for kind in kinds}


def expected(policy: Policy) -> np.ndarray:
    return policy.rates(np.arange(ITERATIONS), ITERATIONS)


def check(got: np.ndarray, rtol: float, atol: float) -> None:
    """Compare the rates of every case with its policy's; ``atol`` is relative to a policy's highest rate."""
    assert len(got) == len(CASES)
    for policy, rates in zip(CASES, got, strict=True):
        want = expected(policy)
        np.testing.assert_allclose(rates, want, rtol=rtol, atol=atol * want.max(), err_msg=policy.text)


def test_the_cases_have_every_open_loop_function() -> None:
    assert {policy.name for policy in OPEN_LOOP} == {row.name for row in functions() if row.rates is not None}


@pytest.mark.xdist_group("snippets on PyTorch")
def test_torch_snippets_have_the_rates_in_float64(with_torch: dict[str, np.ndarray]) -> None:
    check(with_torch["torch"], 1e-12, 1e-15)


@pytest.mark.xdist_group("snippets on JAX")
@pytest.mark.parametrize("target", ["optax", "keras"])
def test_snippets_for_jax_have_them_in_float32(target: str, with_jax: dict[str, np.ndarray]) -> None:
    check(with_jax[target], 1e-6, 4e-7)


@pytest.mark.xdist_group("snippets on PyTorch")
def test_keras_snippets_have_them_in_float32_on_pytorch(with_torch: dict[str, np.ndarray]) -> None:
    check(with_torch["keras"], 1e-6, 4e-7)


def test_a_snippet_names_the_policy_and_no_lrbench_module() -> None:
    for policy in CASES:
        for target in ("torch", "keras", "optax"):
            text = export_policy(policy, target, ITERATIONS)
            assert policy.text in " ".join(text.split()).replace("[ ", "[")
            assert "import lrbench" not in text
            assert "from lrbench" not in text
            compile(text, target, "exec")


def test_a_snippet_is_the_formula() -> None:
    text = export_policy(parse_policy("SINEXP(k0=0.01, k1=0.06, gamma=0.9994, l=2000)"), "torch")
    assert (
        '''def learning_rate(t):
    """SINEXP(k0=0.01, k1=0.06, gamma=0.9994, l=2000)"""
    x = t % 4000 / 4000
    return (0.06 - 0.01) * math.sin(math.pi * x) * 0.9994 ** t + 0.01
'''
        in text
    )


def test_stages_are_functions_that_count_their_own_t() -> None:
    text = export_policy(parse_policy("WARMUP(policy=COSDECAY(k0=0.1), l=500)"), "optax", 10000)
    assert "return 0.1 * jnp.sin(math.pi / 2 * jnp.maximum(9500 - t, 0) / 9500) ** 2" in text
    assert "return jnp.where(t < 500, 0.1 * t / 500, cosdecay_rate(t - 500))" in text


DECAYS = [
    row
    for row in functions()
    if row.name in {"EXP", "INV", "POLY", "SIG", "LINEAR", "POLYDECAY", "COSDECAY", "REX", "INVSQRT", "ONECYCLE", "WSD"}
]
decays = st.sampled_from(DECAYS).flatmap(lambda row: mapping_of(row, st.nothing()))
SAMPLED = [0, 1, 2, 10, 99, 100, 101, 498, 499, 500, 501, 998, 999]


def rates_of_snippet(policy: Policy) -> list[float]:
    """The rates of plain Python; what cannot be exported is no example."""
    try:
        policy.check(ITERATIONS)
        check_float32(policy, ITERATIONS)
        text = functions_of(policy, PlainPython(), ITERATIONS)
    except PolicyError:
        assume(False)
    names: dict[str, Any] = {}
    exec(compile("import math\n" + text, "snippet", "exec"), names)
    return [names["learning_rate"](step) for step in SAMPLED]


def rounding(policy: Policy) -> float:
    """How far apart rates may be, relative to themselves: a power p multiplies the rounding of its base."""
    powers = re.findall(r"\bp=([\d.e+-]+)", policy.text)
    return 1e-12 + 1e-15 * max(map(float, powers), default=0)


@given(
    raw=decays
    | st.builds(
        lambda policy, length: {"function": "WARMUP", "policy": policy, "l": length, "k0": 0.1},
        decays,
        st.integers(1, 999),
    )
)
def test_a_decay_has_its_rates_in_plain_python_to_their_own_last_digits(raw: dict[str, object]) -> None:
    policy = policy_from_mapping(raw)
    got = rates_of_snippet(policy)
    np.testing.assert_allclose(got, policy.rates(SAMPLED, ITERATIONS), rtol=rounding(policy), atol=1e-250)


@given(raw=mappings)
def test_any_policy_has_its_rates_in_plain_python(raw: dict[str, object]) -> None:
    assume(not reacts(raw) and "e-" not in str(raw))  # a cycle of 1e-30 iterations has more turns than float64 counts
    policy = policy_from_mapping(raw)
    got = rates_of_snippet(policy)
    # Near 0 what counts is how exactly a thousand turns leave the phase: 1000 pi times float64's rounding.
    np.testing.assert_allclose(
        got, policy.rates(SAMPLED, ITERATIONS), rtol=rounding(policy), atol=1e-12 * highest(policy)
    )


def highest(policy: Policy) -> float:
    """What no rate lies above, at whatever t: what a sum of rates is rounded to a share of."""
    ends, factors = (re.findall(rf"\b{name}=([\d.e+]+)", policy.text) for name in ("k[012]", "factor"))
    return float(max(map(float, ends)) * math.prod(max(float(factor), 1) for factor in factors))


def test_past_its_end_a_decay_stays_where_it_ended() -> None:
    for text, last in (("POLY(k0=0.1, p=1.2)", 0), ("REX(k0=0.1)", 0), ("LINEAR(k0=0.1, k1=0.01)", 0.01)):
        names: dict[str, object] = {}
        exec("import math\n" + functions_of(parse_policy(text), PlainPython(), 100), names)
        assert names["learning_rate"](150) == last  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "target", "iterations", "message"),
    [
        (
            "POLY(k0=0.1, p=1)",
            "torch",
            None,
            "POLY: its rates depend on how many iterations the run has; give the iterations, too",
        ),
        ("WARMUP(policy=COSDECAY(k0=1), l=5)", "optax", None, "WARMUP: its rates depend on how many"),
        ("FIX(k0=0.1)", "csv", None, "FIX: csv has a line for each iteration of the run; give the iterations"),
        ("COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[50])", "torch", 40, "COMPOSE: boundary 50 lies beyond"),
        ("STEP(k0=0.1, gamma=0.5, l=1.00000001)", "keras", 100, "a cycle of 1.00000001 iterations cannot be counted"),
        ("SGDR(k0=0.1, l=1, mult=1.0001)", "torch", 9000, "it has more than 1000 restarts"),
        ("TRI(k0=0, k1=1, l=5)", "caffe", 100, "TRI: Caffe has no policy with the rates of TRI(k0=0, k1=1, l=5); "),
        (
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[5])",
            "caffe",
            None,
            "; give the iterations, if its rates",
        ),
        (
            "TRI(k0=1e-5, k1=1e-5, l=1e308)",
            "torch",
            None,
            "TRI: l is 1e+308, but frameworks compute in float32 and an "
            "export takes 0 and numbers from 1e-30 to 1e+30; change the parameters, or export the rates, to csv",
        ),
        ("SGDR(k0=1, l=1, mult=1e308)", "keras", None, "SGDR: mult is 1e+308, but frameworks compute in float32"),
        ("STEP(k0=1, gamma=0.5, l=5e-324)", "torch", 9, "STEP: l is 5e-324, but frameworks compute in float32"),
        ("FIX(k0=1e300)", "caffe", None, "FIX: k0 is 1e+300, but frameworks compute in float32"),
        (
            "SCALE(factor=1e30, policy=PLATEAU(k0=10))",
            "keras",
            None,
            "SCALE: the rate at t = 0 is 1e+31, but frameworks",
        ),
        (
            "EXP(k0=1, gamma=2)",
            "optax",
            101,
            "EXP: the rate at t = 100 is 1.26765e+30, but frameworks compute in float32 "
            "and an export takes rates up to 1e+30",
        ),
        ("SWITCH(policies=[FIX(k0=1), FIX(k0=2)])", "torch", 9, "SWITCH: it reacts to evaluations, and only PLATEAU"),
        ("WARMUP(policy=PLATEAU(k0=1), l=2)", "keras", 9, "WARMUP: it reacts to evaluations, and only PLATEAU"),
        (
            "PLATEAU(k0=0.1)",
            "caffe",
            9,
            "PLATEAU: it reacts to evaluations, and nothing in caffe agrees with it; export it to torch or keras",
        ),
        ("PLATEAU(k0=0.1)", "keras", 9, "PLATEAU: Keras knows a threshold as a difference only"),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, target: str, iterations: int | None, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        export_policy(parse_policy(text), target, iterations)
    assert message in str(caught.value)


def test_csv_has_every_digit_of_every_rate() -> None:
    policy = parse_policy("SINEXP(k0=0.01, k1=0.06, gamma=0.9994, l=20)")
    header, *lines = export_policy(policy, "csv", 200).splitlines()
    assert header == "iteration,learning_rate"
    assert [float(line.split(",")[1]) for line in lines] == policy.rates(np.arange(200), 200).tolist()
    assert [int(line.split(",")[0]) for line in lines] == list(range(200))
