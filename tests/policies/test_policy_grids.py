"""A list where one value belongs makes a grid."""

from __future__ import annotations

from typing import Any

import pytest

from lrbench.errors import PolicyError
from lrbench.policies import expand_policies, parse_policy


def texts(entry: Any) -> list[str]:
    return [policy.text for policy in expand_policies(entry)]


def test_an_entry_without_lists_is_one_policy() -> None:
    assert expand_policies("FIX(k0=0.1)") == [parse_policy("FIX(k0=0.1)")]
    assert texts({"function": "NSTEP", "k0": 0.1, "gamma": 0.5, "l": [10, 20]}) == [
        "NSTEP(k0=0.1, gamma=0.5, l=[10, 20])"
    ]


def test_a_grid_is_made_in_the_written_order() -> None:
    # The parameters as written, not as in the table: l changes slowest here.
    assert texts({"function": "TRI", "l": [2000, 500], "k1": 0.06, "k0": [0.01, 0.001]}) == [
        "TRI(k0=0.01, k1=0.06, l=2000)",
        "TRI(k0=0.001, k1=0.06, l=2000)",
        "TRI(k0=0.01, k1=0.06, l=500)",
        "TRI(k0=0.001, k1=0.06, l=500)",
    ]
    assert texts("EXP(k0=[0.1, 0.2], gamma=[0.9, 0.8])") == [
        "EXP(k0=0.1, gamma=0.9)",
        "EXP(k0=0.1, gamma=0.8)",
        "EXP(k0=0.2, gamma=0.9)",
        "EXP(k0=0.2, gamma=0.8)",
    ]


def test_a_list_of_lists_is_a_grid_where_a_list_is_one_value() -> None:
    assert texts("NSTEP(k0=0.1, gamma=0.5, l=[[10, 20], [30]])") == [
        "NSTEP(k0=0.1, gamma=0.5, l=[10, 20])",
        "NSTEP(k0=0.1, gamma=0.5, l=[30])",
    ]
    compose = "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[[5], [6]], count=[[run, stage], [stage, run]])"
    assert [text.partition("boundaries=")[2] for text in texts(compose)] == [
        "[5], count=[run, stage])",
        "[5], count=[stage, run])",
        "[6], count=[run, stage])",
        "[6], count=[stage, run])",
    ]


def test_words_and_nested_policies_make_grids() -> None:
    assert texts("WARMUP(policy=FIX(k0=[1, 2]), l=5, count=[stage, run])") == [
        "WARMUP(policy=FIX(k0=1), l=5, k0=0, count=stage)",
        "WARMUP(policy=FIX(k0=1), l=5, k0=0, count=run)",
        "WARMUP(policy=FIX(k0=2), l=5, k0=0, count=stage)",
        "WARMUP(policy=FIX(k0=2), l=5, k0=0, count=run)",
    ]
    assert texts({"function": "SCALE", "factor": 2, "policy": ["FIX(k0=1)", {"function": "FIX", "k0": [2, 3]}]}) == [
        f"SCALE(factor=2, policy=FIX(k0={k0}))" for k0 in (1, 2, 3)
    ]
    stages = {"function": "COMPOSE", "policies": ["FIX(k0=[1, 2])", "FIX(k0=[3, 4])"], "boundaries": [5]}
    assert [text[len("COMPOSE(policies=") :].partition("], b")[0] for text in texts(stages)] == [
        f"[FIX(k0={first}), FIX(k0={second})" for first in (1, 2) for second in (3, 4)
    ]
    two, three = ["FIX(k0=1)", "FIX(k0=2)"], ["FIX(k0=3)", "FIX(k0=4)", "FIX(k0=5)"]
    lists: dict[str, Any] = {**stages, "policies": [two, three]}
    with pytest.raises(PolicyError, match="there are 3 policies and 1 boundaries"):
        expand_policies(lists)
    three.pop()
    assert len(texts(lists)) == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("FIX(k0=[])", "FIX: k0 is an empty list; give at least one value"),
        ("FIX(k0=[0.1, 1e-1])", "the grid makes FIX(k0=0.1) twice; leave one of the equal values out"),
        ("FIX(k0=[0.1, -1])", "FIX: k0 is -1, but must be"),
        ("FIX(k0=[[1, 2]])", "FIX: k0 is [1, 2], but must be"),
        ("NSTEP(k0=1, gamma=0.1, l=[[5], 6])", "NSTEP: l is 6, but must be a list"),
        (
            {"function": "EXP", "k0": list(range(1, 102)), "gamma": [0.001 * n for n in range(1, 101)]},
            "EXP: the grid makes 10100 policies; at most 10000 are made",
        ),
        (
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=[1, TRI(k0=1)])], boundaries=[1])",
            "COMPOSE: policies[1]: FIX: k0 is {'function': 'TRI', 'k0': 1}, but must be",
        ),
        ("SCALE(factor=1, policy=[FIX(k0=1), FIY(k0=1)])", 'SCALE: policy: unknown LR function "FIY"'),
    ],
)
def test_grids_that_are_refused(entry: Any, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        expand_policies(entry)
    assert message in str(refused.value)
