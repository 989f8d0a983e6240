"""An LR function that another installed package brings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.fake_entries import ASKED, WORKLOAD, entry

from lrbench.errors import PolicyError, SpecError
from lrbench.exporting import export_policy
from lrbench.policies import Function, Policy, installed_functions, parse_policy
from lrbench.tuning.recommending.recommend import recommend
from lrbench.tuning.recommending.rescaling import rescaled
from lrbench.tuning.space import find_family

MODULE = """
import numpy as np
from lrbench.policies import Controller, Formula, Function, Number, Stage
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
HARMONIC = Function(name="HARMONIC", parameters=(K0, Number(name="l", meaning="iterations", above=0)), formula="",
                    summary="", source="this test", example="HARMONIC(k0=0.1, l=5)", rates=lambda t, v: v.k0 / (v.l + t))
WRAPPED = Function(name="WRAPPED", parameters=(Nested(name="policy", meaning="the policy"),), formula="", summary="",
                   source="this test", example="WRAPPED(policy=FIX(k0=1))",
                   rates=lambda t, v: 3 * v.policy.rates(t, v.iterations),
                   expression=lambda v: Formula("3 * policy", stages=(("policy", Stage.whole(v.policy, v.iterations)),)))
WRONG = 42
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(MODULE)
    metadata = tmp_path / "halving-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1.0\n")
    names = ("HALF", "WRONG", "HALVING", "OUTER", "HARMONIC", "WRAPPED")
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
    with pytest.raises(PolicyError, match="halving:WRONG is not an"):
        installed_functions()


def test_a_function_without_an_expression_is_not_exported(installed):
    with pytest.raises(PolicyError) as caught:
        export_policy(parse_policy("SCALE(factor=2, policy=HARMONIC(k0=0.1, l=5))"), "torch", 10)
    assert str(caught.value) == "HARMONIC: its formula cannot be written out; export its rates, to csv"


def test_a_composition_of_another_package_is_exported_with_the_policies_in_it(installed):
    text = export_policy(parse_policy("WRAPPED(policy=EXP(k0=0.1, gamma=0.5))"), "torch")
    names: dict[str, Any] = {}
    exec(text[text.index("def exp_rate") : text.index("class ")], names)
    assert names["learning_rate"](2) == pytest.approx(0.075, rel=1e-12)


def test_a_function_without_a_form_in_caffe_is_refused_there(installed):
    with pytest.raises(PolicyError, match=r"HARMONIC: Caffe has no policy with the rates of HARMONIC\(k0=0.1, l=5\); "):
        export_policy(parse_policy("HARMONIC(k0=0.1, l=5)"), "caffe", 10)


def test_a_function_without_a_family_is_not_searched_by_name(installed):
    with pytest.raises(SpecError, match=r"no shapes are known .* 'HARMONIC'; .*search.space takes any function"):
        find_family("HARMONIC")


def test_a_function_without_dimensions_is_rescaled_to_no_other_length(installed):
    policy = parse_policy("WARMUP(policy=HARMONIC(k0=0.1, l=5), l=2)")
    assert rescaled(policy, 10, 10) == policy
    assert rescaled(policy, 10, 20) is None
    there = replace(WORKLOAD, net_sha256="c" * 64, iterations=1000)
    found = recommend(ASKED, [replace(entry(policy.text), workload=there)])
    assert found.like == ()
    assert found.notes == (
        "policies of like workloads are left out where they cannot be rescaled to 2000 iterations: these parameters "
        "have no dimension: HARMONIC: k0, HARMONIC: l",
    )


def test_the_names_of_fields_up_to_0_1_are_still_taken():
    def start(v):
        raise NotImplementedError

    def refuse(v):
        raise PolicyError("too long")

    texts: dict[str, Any] = {"formula": "", "summary": "", "source": "", "example": ""}
    with pytest.warns(DeprecationWarning, match="OLD: ") as warned:
        function = Function(
            name="OLD", parameters=(), start=start, courses=lambda given: ("FIX(k0=1)",), fit=refuse, **texts
        )
    assert [str(warning.message) for warning in warned] == [
        "OLD: courses is now called upper_bounds",
        "OLD: fit is now called check_length",
    ]
    assert [bound.text for bound in Policy(function, {}).upper_bounds] == ["FIX(k0=1)"]
    assert function.check_length is refuse


def test_without_the_package_it_is_unknown():
    with pytest.raises(PolicyError, match="unknown LR function"):
        parse_policy("HALF(k0=0.1)")
