"""Impossible and hostile policies are refused in one line: what was received, the rule, the remedy."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import PolicyError
from lrbench.policies import expand_policies, parse_policy, policy_from_mapping

TRI = "for example TRI(k0=0.01, k1=0.06, l=2000)"
FORM = "write NAME(key=value, ...), such as TRI(k0=0.01, k1=0.06, l=2000)"
NSTEP = "a list of numbers above 0 that rise strictly, such as [500, 1000]; for example NSTEP("

REFUSED = [
    ("TRI(k0=1, k1=2)", f"TRI: the parameter l is missing (half a cycle, in iterations); {TRI}"),
    (
        "TRI(k1=2)",
        "TRI: the parameters k0 (one end of the range of rates) and l (half a cycle, in iterations) are "
        f"missing; {TRI}",
    ),
    ("TRI(k0=1, foo=3, bar=2)", "TRI: unknown parameters foo, bar; it takes k0, k1, l"),
    (
        "cosine(k0=1)",
        'unknown LR function "cosine"; did you mean COSDECAY or COS or SGDR? `lrbench policies list` shows all of them',
    ),
    (
        "cosine",
        'policy "cosine": unknown LR function "cosine"; did you mean COSDECAY or COS or SGDR? '
        "`lrbench policies list` shows all of them",
    ),
    ("cosine annealing", "did you mean COSDECAY or COS or SGDR?"),
    ("cos", "did you mean COS"),
    ("step", "did you mean STEP"),
    ("linear", "did you mean LINEAR?"),
    (
        "WARMUP(policy=cosine, l=2)",
        'WARMUP: policy: policy "cosine": unknown LR function "cosine"; did you mean COSDEC',
    ),
    (
        "MultiStepLR(k0=1)",
        'unknown LR function "MultiStepLR"; did you mean NSTEP? `lrbench policies list` shows all of them',
    ),
    ("TRI(k0=1, k1=2, l=3, m=4)", 'TRI: unknown parameter "m"; it takes k0, k1, l'),
    ("TRIEXP(gama=1)", 'TRIEXP: unknown parameter "gama"; did you mean gamma? it takes k0, k1, gamma, l'),
    ("TRI(k0=1, k0=2, k1=1, l=3)", 'TRI has the parameter "k0" twice; give it once'),
    ("FIX(function=1, k0=2)", 'FIX has the parameter "function" twice; give it once'),
    ("tri(k0=1)", 'unknown LR function "tri"; did you mean TRI? `lrbench policies list` shows all of them'),
    ("TRY(k0=1)", 'unknown LR function "TRY"; did you mean TRI'),
    ("TRI(0.1, k1=2, l=3)", f"TRI has the argument 0.1 without a name; {FORM}"),
    ("TRI(k0=1, k1=2, l=0)", f"TRI: l is 0, but must be a finite number above 0; {TRI}"),
    ("TRI(k0=1, k1=2, l=-5)", f"TRI: l is -5, but must be a finite number above 0; {TRI}"),
    ("TRI(k0=True, k1=2, l=5)", f"TRI: k0 is True, but must be a finite number of at least 0; {TRI}"),
    ("TRI(k0=nan, k1=2, l=5)", f"TRI: k0 is nan, but must be a finite number of at least 0; {TRI}"),
    ("TRI(k0=1e999, k1=2, l=5)", f"TRI: k0 is inf, but must be a finite number of at least 0; {TRI}"),
    ("TRI(k0=[1, 2], k1=2, l=5)", f"TRI: k0 is [1, 2], but must be a finite number of at least 0; {TRI}"),
    ("FIX(k0=-0.1)", "FIX: k0 is -0.1, but must be a finite number of at least 0; for example FIX(k0=0.01)"),
    ("FIX(k0=FIX(k0=1))", "FIX: k0 is {'function': 'FIX', 'k0': 1}, but must be a finite number of at least 0"),
    ("FIX(k0=None)", "None is not a value"),
    ("EXP(k0=1, gamma=0)", "EXP: gamma is 0, but must be a finite number above 0"),
    ("SINEXP(k0=1, k1=2, gamma=-0.9, l=5)", "SINEXP: gamma is -0.9, but must be a finite number above 0"),
    ("INV(k0=1, gamma=-1e-4, p=1)", "INV: gamma is -0.0001, but must be a finite number of at least 0"),
    ("SGDR(k0=1, l=10, mult=0.5)", "SGDR: mult is 0.5, but must be a finite number of at least 1"),
    ("ONECYCLE(k0=1, k1=2, k2=0, rise=1)", "ONECYCLE: rise is 1, but must be a finite number above 0 and below 1"),
    ("ONECYCLE(k0=1, k1=2, k2=0, anneal=sine)", "ONECYCLE: anneal is sine, but must be cos or linear"),
    ("ONECYCLE(k0=1, k1=2, k2=0, l=3)", "ONECYCLE: rise * l is 0.9, but must be above 1"),
    ("WSD(k0=1, warmup=50, decay=51, l=100)", "WSD: warmup + decay is 101, but must be at most l, which is 100"),
    ("NSTEP(k0=1, gamma=0.1, l=[5, 5])", f"NSTEP: l is [5, 5], but must be {NSTEP}"),
    ("NSTEP(k0=1, gamma=0.1, l=[7, 5])", f"NSTEP: l is [7, 5], but must be {NSTEP}"),
    ("NSTEP(k0=1, gamma=0.1, l=[0, 5])", f"NSTEP: l is [0, 5], but must be {NSTEP}"),
    ("NSTEP(k0=1, gamma=0.1, l=[5, x])", f"NSTEP: l is [5, 'x'], but must be {NSTEP}"),
    ("NSTEP(k0=1, gamma=0.1, l=[])", f"NSTEP: l is [], but must be {NSTEP}"),
    ("NSTEP(k0=1, gamma=0.1, l=5)", f"NSTEP: l is 5, but must be {NSTEP}"),
    ("COMPOSE(policies=[FIX(k0=1)], boundaries=[1])", "but must be a list of at least two policies"),
    (
        "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[1, 2])",
        "COMPOSE: there are 2 policies and 2 boundaries, but there must be one boundary fewer than policies",
    ),
    ("COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[1.5])", "must be a list of whole numbers above 0"),
    ("COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[1], count=[run])", "count has 1 words for 2 policies"),
    ("COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[1], count=all)", "count is all, but must be stage or run"),
    (
        "COMPOSE(policies=[FIX(k0=1), SCALE(factor=2, policy=TRI(k0=1, k1=2, l=0))], boundaries=[1])",
        "COMPOSE: policies[1]: SCALE: policy: TRI: l is 0, but must be a finite number above 0; " + TRI,
    ),
    ("WARMUP(policy=FIX(k0=1), l=2.5)", "WARMUP: l is 2.5, but must be a whole number of at least 1"),
    ("WARMUP(policy=3, l=2)", "WARMUP: policy: 3 is not a policy"),
    ("WARMUP(policy=FIX, l=2)", "FIX is not of the form NAME(key=value, ...)"),
    ("SCALE(factor=0, policy=FIX(k0=1))", "SCALE: factor is 0, but must be a finite number above 0"),
    ("", "the text of the policy is empty"),
    ("FIX", f'policy "FIX": FIX is not of the form NAME(key=value, ...); {FORM}'),
    ("FIX(k0=1", "the text cannot be read"),
    ("FIX(k0=1) FIX(k0=2)", "the text cannot be read"),
    ("FIX(k0=1+1)", "1 + 1 is not a value"),
    ("FIX(k0=-True)", "-True is not a value"),
    ("FIX(k0=--1)", "--1 is not a value"),
    ("FIX(k0=1j)", "1j is not a value"),
    ("FIX(k0=(1, 2))", "(1, 2) is not a value"),
    ("FIX(k0=[x for x in y])", "[x for x in y] is not a value"),
    ("a.FIX(k0=1)", "a.FIX(k0=1) is not of the form"),
    ("FIX(k0=1)(k0=2)", "is not of the form"),
]

HOSTILE = [
    "__import__('os').system('true')",
    "__import__(name=os)",
    "(lambda: 1)()",
    "FIX(k0=(lambda: 1)())",
    "FIX(k0=open('/etc/passwd'))",
    "FIX(**{'k0': 1})",
    "FIX(*[1])",
    "FIX(k0:=1)",
    "FIX(k0=1);import os",
    'FIX(k0=f"{1}")',
    "FIX(k0=1)\0",
    "FIX(k0=1) # and a comment",
    "FIX(k0=1\\\n)",
    "ＦＩＸ(k0=1)",
    "FIX(k0=1\u2028)",
    "FIX(k0=" + "9" * 5000 + ")",
    "FIX(k0=0x" + "f" * 5000 + ")",
    "FIX(k0=1e" + "9" * 5000 + ")",
    "FIX(k0=" + "9" * 10**6 + ")",
    "-" * 19_999 + "1",
    "FIX(k0=" + "-" * 15_000 + "1)",
    "FIX(k0=1" + "+1" * 9_000 + ")",
    "FIX" + "()" * 9_000,
    "FIX" + ".a" * 9_000,
    "FIX(k0=" + "[" * 190 + "]" * 190 + ")",
    "[" * 10_000 + "]" * 10_000,
    "FIX(k0=" + "(" * 9_000,
    "SCALE(factor=1, policy=" * 60 + "FIX(k0=1)" + ")" * 60,
    "SCALE(factor=1, policy=" * 800 + "FIX(k0=1)" + ")" * 800,
    "COMPOSE(policies=[" * 90 + "]" * 90,
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_impossible_text(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    assert message in str(refused.value)
    assert ";" in str(refused.value), "a remedy is missing"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text(text: str, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@given(st.text() | st.text("TRIFIX(k0=1,[].-+e)l\n "))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    try:
        policy = parse_policy(text)
    except PolicyError:
        return
    assert parse_policy(policy.text) == policy


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "the key function is missing in the policy {}; give the LR function's name"),
        ({"k0": 1}, "the key function is missing in the policy {'k0': 1}"),
        ({"function": None}, "function is None in the policy"),
        ({"function": ["FIX"], "k0": 1}, "function is ['FIX'] in the policy"),
        ({"function": "FIX", 5: 1}, 'FIX: unknown parameter "5"; it takes k0'),
        ({"function": "FIX", None: 1, "k0": 1}, 'FIX: unknown parameter "None"'),
        ({"function": "FIX", "k0": None}, "FIX: k0 is None, but must be a finite number of at least 0"),
        ({"function": "FIX", "k0": False}, "FIX: k0 is False, but must be"),
        ({"function": "FIX", "k0": "0.1"}, "FIX: k0 is 0.1, but must be"),
        ({"function": "FIX", "k0": 10**400}, "but must be a finite number"),
        ({"function": "FIX", "k0": float("nan")}, "FIX: k0 is nan, but must be a finite number"),
        ({"function": "WARMUP", "l": 5, "policy": None}, "WARMUP: policy: None is not a policy"),
        ({"function": "COMPOSE", "policies": "FIX(k0=1)", "boundaries": [1]}, "a list of at least two policies"),
        ([], "[] is not a policy"),
        (None, "None is not a policy"),
        (0.1, "0.1 is not a policy"),
    ],
)
def test_impossible_mapping(entry: Any, message: str) -> None:
    for read in (policy_from_mapping, expand_policies):
        with pytest.raises(PolicyError) as refused:
            read(entry)
        assert message in str(refused.value)


def test_yaml_that_holds_itself_or_grows_without_bound() -> None:
    cycle = yaml.safe_load("&a {function: SCALE, factor: 2, policy: *a}")
    bomb = ["FIX(k0=1)"]
    for _ in range(10):
        bomb = [bomb] * 10  # type: ignore[list-item]
    for entry in (cycle, {"function": "FIX", "k0": bomb}, {"function": "COMPOSE", "policies": [cycle, cycle]}):
        for read in (policy_from_mapping, expand_policies):
            with pytest.raises(PolicyError, match="nests too deeply, holds itself or is too large"):
                read(entry)
