"""Importances of rate, LR function and length in a search, and the page that draws policies by them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from lrbench.policies import parse_policy
from lrbench.report.page.search import charts
from lrbench.report.render import render
from lrbench.report.views.tune import tune_document
from lrbench.tuning.importance import importances, traits
from lrbench.tuning.result import Tried, TuneResult

pytest.importorskip("sklearn")

ITERATIONS = 100


def tried(policy, value, number, status="finished"):
    function = policy.partition("(")[0]
    return Tried(parse_policy(policy).text, function, status, value, 100, None, ITERATIONS, 1.0, f"run{number}")


def search(decides, count=30):
    """A search in which the rate alone, or the LR function alone, decides."""
    generator, policies = np.random.default_rng(0), []
    for number in range(count):
        rate = float(f"{10 ** generator.uniform(-4, 0):.4g}")
        function = ("FIX", "COSDECAY", "LINEAR")[number % 3]
        apart = abs(np.log10(rate) + 2) if decides == "rate" else number % 3
        policies.append(tried(f"{function}(k0={rate})", 0.9 - 0.1 * apart + 0.002 * generator.normal(), number))
    return TuneResult("demo", "value", None, "validation", "digits", "torch", ITERATIONS, tuple(policies))


def test_traits_are_the_largest_rate_and_the_share_of_the_run_at_half_of_it():
    policies = [
        tried("FIX(k0=0.1)", 0.9, 0),
        tried("STEP(k0=0.2, gamma=0.1, l=25)", 0.8, 1),
        tried("PLATEAU(k0=0.1, factor=0.5, patience=2)", 0.7, 2),
        tried("FIX(k0=0.3)", None, 3, "diverged"),
        tried("FIX(k0=0)", 0.1, 4),
    ]
    result = TuneResult("demo", "value", None, "validation", "digits", "torch", ITERATIONS, tuple(policies))
    assert [(one.function, one.rate, one.length, one.value) for one in traits(result)] == [
        ("FIX", 0.1, 1.0, 0.9), ("STEP", 0.2, 0.25, 0.8)
    ]  # fmt: skip


@pytest.mark.parametrize("decides", ["rate", "function"])
def test_what_decides_has_the_largest_share(decides):
    result = search(decides)
    shares = importances(traits(result))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[decides] > 0.7
    text = " ".join(render(tune_document(result)).decode().split())
    assert re.search(f"what decides: {'rate' if decides == 'rate' else 'LR function'} [0-9]+%, ", text)
    assert json.loads(render(tune_document(result), "json"))["importances"] == pytest.approx(shares)


def test_few_policies_or_equal_ones_say_nothing():
    assert importances(traits(search("rate", 9))) == {}
    assert "what decides" not in render(tune_document(search("rate", 9))).decode()
    alike = TuneResult(
        "demo", "value", None, "validation", "digits", "torch", ITERATIONS,
        tuple(tried(f"FIX(k0={0.001 * (number + 1):g})", 0.9, number) for number in range(12)),
    )  # fmt: skip
    assert importances(traits(alike)) == {}


def test_without_scikit_learn_the_search_says_what_to_install(monkeypatch):
    def missing(_tried):
        raise ImportError("Tried to import 'sklearn'")

    monkeypatch.setattr("lrbench.report.views.tune.importances", missing)
    text = " ".join(render(tune_document(search("rate"))).decode().split())
    assert "what decides: not known without scikit-learn; pip install 'lrbench[importance]'" in text


def test_the_page_has_the_tables_and_each_policy_by_its_traits():
    result = search("rate", 12)
    page = render(tune_document(result), "html").decode()
    assert "search for policies: demo, with torch" in page
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    shown = json.loads(data)
    assert shown == json.loads(json.dumps(charts(traits(result), result.objective)))
    assert [axis["key"] for axis in shown["axes"]] == ["rate", "function", "length"]
    assert shown["policies"][0]["value"] == pytest.approx(100 * result.tried[0].best_accuracy)
    assert "default-src 'none'" in page
