"""An LR function that another installed package brings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrbench.errors import PolicyError
from lrbench.policies import Function, parse_policy

MODULE = """
import numpy as np
from lrbench.policies import Controller, Function, Number, parse_policy
from lrbench.policies.parameters import Nested

class Halving(Controller):
    def __init__(self, v):
        self.rate = v.k0
    def rates(self, start, end):
        return np.full(end - start, self.rate)
    def observe(self, row):
        self.rate /= 2

K0 = Number(name="k0", meaning="the first rate", above=0)
TEXTS = dict(formula="k0 / 2^i", summary="halves at each evaluation", source="this test")
HALVING = Function(name="HALVING", parameters=(K0,), start=Halving, example="HALVING(k0=0.1)", **TEXTS,
                   upper_bounds=lambda given: ({"function": "FIX", "k0": given["k0"]},))
OUTER = Function(name="OUTER", parameters=(Nested(name="policy", meaning="the policy"),),
                 rates=lambda t, v: v.policy.rates(t, v.iterations), example="OUTER(policy=FIX(k0=1))", **TEXTS)
HALF = Function(name="HALF", parameters=(Number(name="k0", meaning="the first rate", above=0),), formula="k0 / (1 + t)",
                summary="halves at once", source="this test", example="HALF(k0=0.1)",
                rates=lambda t, v: v.k0 / (1 + t))
WRONG = 42
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(MODULE)
    metadata = tmp_path / "halving-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1.0\n")
    names = ("HALF", "WRONG", "HALVING", "OUTER")
    points = "".join(f"{name} = halving:{name}\n" for name in names)
    (metadata / "entry_points.txt").write_text(f"[lrbench.functions]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "halving", raising=False)


def test_it_is_a_policy_like_any_other(installed):
    policy = parse_policy("HALF(k0=0.1)")
    assert policy.rates([0, 1, 3], 4).tolist() == pytest.approx([0.1, 0.05, 0.025], rel=1e-12)
    assert parse_policy(f"SCALE(factor=2, policy={policy.text})").rates([1], 4)[0] == pytest.approx(0.1)
    with pytest.raises(PolicyError, match="HALF: k0"):
        parse_policy("HALF(k0=-1)")


def test_it_may_be_closed_loop(installed):
    policy = parse_policy("SCALE(factor=2, policy=HALVING(k0=0.4))")
    policy.check(100)
    assert policy.closed_loop
    controller = policy.start(100)
    assert controller.rates(0, 2).tolist() == [0.8, 0.8]
    controller.observe({"iteration": 2})
    assert controller.rates(2, 3).tolist() == [0.4]
    with pytest.raises(PolicyError, match="SCALE: the rate at t = 0 is inf"):
        parse_policy("SCALE(factor=1e300, policy=HALVING(k0=1e300))").check(100)


def test_a_composition_that_knows_no_closed_loop_refuses_one(installed):
    assert parse_policy("OUTER(policy=FIX(k0=1))").rates([0], 1).tolist() == [1]
    with pytest.raises(PolicyError, match="OUTER: it cannot take a policy that reacts to evaluations; for"):
        parse_policy("OUTER(policy=PLATEAU(k0=1))")


def test_a_function_that_says_no_rates_is_a_mistake_of_its_author():
    with pytest.raises(TypeError, match="NOTHING needs rates, or start and upper_bounds"):
        Function(name="NOTHING", parameters=(), formula="", summary="", source="", example="")


def test_what_is_no_function_is_refused(installed):
    with pytest.raises(PolicyError, match="halving:WRONG is not an"):
        parse_policy("WRONG(k0=0.1)")


def test_without_the_package_it_is_unknown():
    with pytest.raises(PolicyError, match="unknown LR function"):
        parse_policy("HALF(k0=0.1)")
