"""The text form, the YAML form, and that each leads back to the same policy."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from policies.policy_strategies import leaves, mapping_of, mappings
from property_settings import examples

from lrbench.errors import PolicyError
from lrbench.policies import Function, Policy, functions, parse_policy, policy_from_mapping


def assert_leads_back(policy: Policy) -> None:
    again = parse_policy(policy.text)
    assert again == policy
    assert again.text == policy.text
    assert again.parameters == policy.parameters
    from_yaml = policy_from_mapping(yaml.safe_load(yaml.safe_dump(policy.mapping)))
    assert from_yaml == policy
    assert from_yaml.mapping == policy.mapping


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
@examples(5)
@given(st.data())
def test_every_function_leads_back_from_both_forms(function: Function, data: st.DataObject) -> None:
    assert_leads_back(policy_from_mapping(data.draw(mapping_of(function, leaves))))


@given(mappings)
def test_nested_policies_lead_back_from_both_forms(raw: dict[str, Any]) -> None:
    assert_leads_back(policy_from_mapping(raw))


@given(mappings)
def test_copies_and_pickles_are_the_same_policy(raw: dict[str, Any]) -> None:
    policy = policy_from_mapping(raw)
    for same in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
        assert same == policy
        assert hash(same) == hash(policy)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" SINEXP( l=2e3,gamma=.99994, k1=0.060 ,k0=+1e-2 ) ", "SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)"),
        ("FIX(k0=1.0)", "FIX(k0=1)"),
        ("FIX(k0=-0.0)", "FIX(k0=0)"),
        ("FIX(k0=0.000001)", "FIX(k0=1e-06)"),
        ("FIX(k0=10000000000000000)", "FIX(k0=1e+16)"),
        ("FIX(k0=9007199254740993)", "FIX(k0=9007199254740992)"),
        ("FIX(\n  k0=1,\n)", "FIX(k0=1)"),
        ("NSTEP(k0=0.1, gamma=0.5, l=[10, 20.0, 30.5])", "NSTEP(k0=0.1, gamma=0.5, l=[10, 20, 30.5])"),
        ("POLY(k0=0.1, p=1)", "POLY(k0=0.1, p=1)"),
        ("LINEAR(k0=0.1)", "LINEAR(k0=0.1, k1=0)"),
        ("WARMUP(l=5, policy=FIX(k0=1))", "WARMUP(policy=FIX(k0=1), l=5, k0=0, count=stage)"),
        (
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[3], count=[run, stage])",
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[3], count=[run, stage])",
        ),
    ],
)
def test_one_canonical_text(written: str, canonical: str) -> None:
    assert parse_policy(written).text == canonical


def test_the_yaml_form_holds_nested_mappings_and_plain_values() -> None:
    policy = parse_policy("COMPOSE(policies=[TRI(k0=0.01, k1=0.06, l=2000), FIX(k0=1)], boundaries=[3])")
    assert policy.mapping == {
        "function": "COMPOSE",
        "policies": [
            {"function": "TRI", "k0": 0.01, "k1": 0.06, "l": 2000},
            {"function": "FIX", "k0": 1},
        ],
        "boundaries": [3],
        "count": "stage",
    }
    assert policy_from_mapping({**policy.mapping, "policies": ["TRI(k0=0.01,k1=0.06,l=2000)", "FIX(k0=1)"]}) == policy
    tri, fix = policy.parameters["policies"]
    assert policy_from_mapping({**policy.mapping, "policies": [tri, fix]}) == policy


def test_an_exponent_that_yaml_reads_as_text_is_a_number() -> None:
    loaded = yaml.safe_load("{function: FIX, k0: 1e-3}")
    assert loaded["k0"] == "1e-3"
    assert policy_from_mapping(loaded).text == "FIX(k0=0.001)"
    for text in ("0.001", "1e999", "nan", "１e-3"):
        with pytest.raises(PolicyError, match="must be a finite number"):
            policy_from_mapping({"function": "FIX", "k0": text})


def test_a_policy_does_not_change_and_hashes_by_its_text() -> None:
    policy = parse_policy("TRI(k0=0.01, k1=0.06, l=2000)")
    with pytest.raises(TypeError):
        policy.parameters["l"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        policy.text = "FIX(k0=1)"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del policy._text
    assert {policy, parse_policy("TRI(l=2000, k1=0.06, k0=0.010)")} == {policy}
    assert policy != policy.text
    assert policy.name == "TRI"
    assert dict(policy.parameters) == {"k0": 0.01, "k1": 0.06, "l": 2000}
    assert repr(policy) == "<Policy TRI(k0=0.01, k1=0.06, l=2000)>"
