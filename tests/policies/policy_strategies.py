"""Hypothesis strategies for policies: any function of the table, with any values that its parameters allow."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from lrbench.policies import Function, functions
from lrbench.policies.parameters import MetricName, Nested, NestedList, Number, Parameter, RisingNumbers, Shares, Word
from lrbench.policies.plateau_detection import MODES

LARGEST = 1e17
COMPOSITES = ("WARMUP", "COMPOSE", "SCALE", "PRODUCT", "SWITCH")
CLOSED_LOOP = ("PLATEAU", "GREEDY", "SWITCH")


def numbers(parameter: Number) -> st.SearchStrategy[float]:
    low, open_low = max((parameter.least, False), (parameter.above, True))
    least = -LARGEST if low == -math.inf else low
    if parameter.whole:
        return st.integers(int(least), 10**6)
    most = min(parameter.below, LARGEST)
    inside = st.floats(least, most, exclude_min=open_low and low > -math.inf, exclude_max=most == parameter.below)
    largest = math.ceil(most) - 1 if most == parameter.below else math.floor(most)
    return inside | st.integers(math.floor(least) + 1, largest) if most > least + 2 else inside


def rising(parameter: RisingNumbers, size: int | None = None) -> st.SearchStrategy[list[float]]:
    items = st.integers(1, 10**6) if parameter.whole else st.floats(0, LARGEST, exclude_min=True)
    return st.lists(items, min_size=size or 1, max_size=size or 5, unique=True).map(sorted)


def raw_value(parameter: Parameter, inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    if isinstance(parameter, Number):
        return numbers(parameter)
    if isinstance(parameter, RisingNumbers):
        return rising(parameter)
    if isinstance(parameter, Shares):
        return st.lists(st.floats(0, 10) | st.integers(0, 10), min_size=2, max_size=5)
    if isinstance(parameter, Word):
        return st.sampled_from(parameter.choices)
    if isinstance(parameter, MetricName):
        return st.sampled_from([*MODES, "perplexity"])
    if isinstance(parameter, NestedList):
        return st.lists(inner, min_size=2, max_size=3)
    assert isinstance(parameter, Nested)
    return inner


def reacts(raw: dict[str, Any]) -> bool:
    """Whether a raw mapping, or one in it, is of a closed-loop policy."""
    inner = [raw["policy"]] if "policy" in raw else raw.get("policies", [])
    return raw["function"] in CLOSED_LOOP or any(map(reacts, inner))


@st.composite
def composed(draw: st.DrawFn, function: Function, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    policies, boundaries, count = function.parameters
    assert isinstance(policies, NestedList)
    assert isinstance(boundaries, RisingNumbers)
    assert isinstance(count, Word)
    stages = draw(st.lists(inner, min_size=2, max_size=3))
    words = st.sampled_from(("stage",) if any(map(reacts, stages)) else count.choices)
    return {
        "function": function.name,
        "policies": stages,
        "boundaries": draw(rising(boundaries, len(stages) - 1)),
        "count": draw(words | st.lists(words, min_size=len(stages), max_size=len(stages))),
    }


@st.composite
def mapping_of(draw: st.DrawFn, function: Function, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A raw mapping of that function; optional parameters come and go."""
    if function.name == "COMPOSE":
        return draw(composed(function, inner))
    raw: dict[str, Any] = {"function": function.name}
    for parameter in function.parameters:
        if parameter.required or draw(st.booleans()):
            raw[parameter.name] = draw(raw_value(parameter, inner))
    if function.name == "WSD" and "l" in raw:
        raw["l"] = max(raw["l"], _at_least_the_sum(raw["warmup"], raw["decay"]))
    if function.name == "ONECYCLE" and "l" in raw:
        raw["l"], raw["rise"] = raw["l"] + 10, 0.25
    if "threshold" in raw:
        raw["threshold"] %= 1
    if function.name in CLOSED_LOOP:
        raw["mode"] = MODES.get(raw.get("monitor", "train_loss"), draw(st.sampled_from(["min", "max"])))
    if function.name == "PLATEAU" and "min_rate" in raw:
        raw["min_rate"] = min(raw["min_rate"], raw["k0"])
    if function.name == "GREEDY":
        raw["min_rate"], raw["k0"], raw["max_rate"] = sorted([raw.get("min_rate", 0), raw["k0"], raw["max_rate"]])
    if "begin" in raw:
        raw["begin"] %= len(raw["policies"])
    if function.name in ("WARMUP", "SWITCH") and any(map(reacts, raw.get("policies") or [raw.get("policy")])):
        raw["count"] = "stage"
    return raw


def _any_of(rows: tuple[Function, ...], inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(rows).flatmap(lambda function: mapping_of(function, inner))


SIMPLE = tuple(function for function in functions() if function.name not in COMPOSITES)
leaves = _any_of(SIMPLE, st.nothing())
mappings = st.recursive(leaves, lambda inner: _any_of(functions(), inner), max_leaves=4)


def _at_least_the_sum(one: float, other: float) -> float:
    """The least float that is not below the exact sum."""
    total = one + other
    return total if Fraction(total) >= Fraction(one) + Fraction(other) else math.nextafter(total, math.inf)
