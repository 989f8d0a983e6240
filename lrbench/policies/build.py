"""From text or YAML to policies, with every value checked, and grids of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lrbench.errors import PolicyError
from lrbench.policies.function import Function
from lrbench.policies.parameters import Default, Nested, NestedList, Parameter
from lrbench.policies.policy import Policy
from lrbench.policies.syntax import FORM, read_text
from lrbench.policies.table import find_function
from lrbench.policies.values import shown

T = TypeVar("T")

MOST_LEVELS = 32
"""Mappings and lists inside each other; a composition of a composition takes two levels."""
MOST_VALUES = 100_000
"""Values in one policy, each counted as often as it is referred to."""
MOST_POLICIES = 10_000
"""Policies that one grid may make."""


def parse_policy(text: str) -> Policy:
    """The policy that a text such as ``SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)`` says.

    Raises:
        PolicyError: text that does not parse, or an impossible value.
    """
    return _policy(text)


def policy_from_mapping(mapping: Mapping[str, Any]) -> Policy:
    """The policy that a mapping such as ``{"function": "FIX", "k0": 0.01}`` says; nested ones as mappings or text.

    Raises:
        PolicyError: a mapping that is not a policy, or an impossible value.
    """
    _refuse_huge(mapping)
    return _policy(mapping)


def expand_policies(entry: str | Mapping[str, Any]) -> list[Policy]:
    """The policies of an entry, text or mapping, in which a list where one value belongs makes a grid.

    Every combination is made, in the order written, the last parameter changing fastest. A parameter that is a list
    by itself, as NSTEP's ``l``, makes a grid by a list of lists. Nested policies may have grids of their own.

    Raises:
        PolicyError: as in ``parse_policy``, for the first policy that is impossible; a grid that is empty, larger than
            10,000 policies, or makes the same policy twice.
    """
    _refuse_huge(entry)
    policies: dict[Policy, None] = {}
    for raw in _expanded(entry):
        policy = _policy(raw)
        if policy in policies:
            raise PolicyError(f"the grid makes {policy} twice", remedy="leave one of the equal values out")
        policies[policy] = None
    return list(policies)


def _policy(entry: object) -> Policy:
    if isinstance(entry, Policy):
        return entry
    raw, function = _row(entry)
    _refuse_unknown(function, raw)
    values = {name: function.read(name, _built(function, name, raw[name])) for name in raw if name != "function"}
    _refuse_missing(function, values)
    for parameter in function.parameters:
        if not isinstance(parameter.default, Default):
            values.setdefault(parameter.name, parameter.default)
    if len(values) == len(function.parameters):
        function.values(values, 1)  # its rule; with a value missing, that waits for the run's iterations
    policy = Policy(function, values)
    if policy.closed_loop and function.start is None:
        raise function.placed(PolicyError("it cannot take a policy that reacts to evaluations"))
    return policy


def _refuse_unknown(function: Function, raw: Mapping[str, Any]) -> None:
    """Refuse several unknown parameters at once; a single one is refused, with the nearest name, as it is read."""
    unknown = [shown(name) for name in raw if name != "function" and function.parameter(name) is None]
    if len(unknown) > 1:
        raise PolicyError(
            f"unknown parameters {', '.join(unknown)}",
            where=function.name,
            remedy=f"it takes {', '.join(row.name for row in function.parameters)}",
        )


def _refuse_missing(function: Function, values: Mapping[str, Any]) -> None:
    missing = [row for row in function.parameters if row.required and row.name not in values]
    if len(missing) == 1:
        raise function.placed(PolicyError(f"the parameter {missing[0].name} is missing ({missing[0].meaning})"))
    if missing:
        *first, last = (f"{row.name} ({row.meaning})" for row in missing)
        raise function.placed(PolicyError(f"the parameters {', '.join(first)} and {last} are missing"))


def _built(function: Function, name: str, raw: object) -> object:
    """A raw value, with the policies in it built where the parameter takes policies."""
    parameter = function.parameter(name)
    if isinstance(parameter, Nested) and not isinstance(raw, (list, tuple)):
        return _inside(f"{function.name}: {name}", _policy, raw)
    if isinstance(parameter, NestedList) and isinstance(raw, (list, tuple)):
        return [_inside(f"{function.name}: {name}[{index}]", _policy, item) for index, item in enumerate(raw)]
    return raw


def _inside(place: str, read: Callable[[object], T], raw: object) -> T:
    """What ``read`` makes of a nested policy; its errors get the place."""
    try:
        return read(raw)
    except PolicyError as error:
        raise error.at(place) from None


def _row(entry: object) -> tuple[Mapping[str, Any], Function]:
    """The raw mapping of an entry, which is text or a mapping, and the function that it names."""
    if isinstance(entry, str):
        entry = read_text(entry)
        _refuse_huge(entry)
    if not isinstance(entry, Mapping):
        raise PolicyError(f"{shown(entry)} is not a policy", remedy=f"{FORM}, or a mapping with the key function")
    name = entry.get("function")
    if not isinstance(name, str):
        problem = f"function is {shown(name)}" if "function" in entry else "the key function is missing"
        raise PolicyError(f"{problem} in the policy {shown(dict(entry))}", remedy="give the LR function's name")
    return entry, find_function(name)


def _expanded(entry: object) -> list[Any]:
    if isinstance(entry, Policy):
        return [entry]
    raw, function = _row(entry)
    axes = [[value] if name == "function" else _axis(function, name, value) for name, value in raw.items()]
    return [dict(zip(raw, combination, strict=True)) for combination in _product(function.name, axes)]


def _axis(function: Function, name: str, value: Any) -> list[Any]:
    """The values that a parameter takes in the grid: one, unless it is given a list of what it takes."""
    parameter = function.parameter(name)
    choices = list(value) if parameter is not None and is_grid(parameter, value) else [value]
    if not choices:
        raise function.placed(PolicyError(f"{name} is an empty list", remedy="give at least one value"))
    if isinstance(parameter, Nested):
        return [raw for choice in choices for raw in _inside(f"{function.name}: {name}", _expanded, choice)]
    if isinstance(parameter, NestedList):
        return [stages for choice in choices for stages in _stages(f"{function.name}: {name}", choice)]
    return choices


def is_grid(parameter: Parameter, value: object) -> bool:
    if not isinstance(value, (list, tuple)):
        return False
    return not parameter.listed or (len(value) > 0 and isinstance(value[0], (list, tuple)))


def _stages(place: str, choice: object) -> list[Any]:
    """Every combination of the grids of a list's policies; what is no list is left to be refused as a value."""
    if not isinstance(choice, (list, tuple)):
        return [choice]
    axes = [_inside(f"{place}[{index}]", _expanded, item) for index, item in enumerate(choice)]
    return [list(stages) for stages in _product(place, axes)]


def _product(name: str, axes: list[list[Any]]) -> list[tuple[Any, ...]]:
    count = math.prod(len(axis) for axis in axes)
    if count > MOST_POLICIES:
        raise PolicyError(f"the grid makes {count} policies", where=name, remedy=f"at most {MOST_POLICIES} are made")
    return list(itertools.product(*axes))


def _refuse_huge(entry: object) -> None:
    """Refuse what nests too deeply, holds itself, or repeats a part too often, as YAML's references can."""
    waiting, seen = [(entry, 0)], 1
    while waiting:
        value, level = waiting.pop()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        seen += len(inner)
        if level > MOST_LEVELS or seen > MOST_VALUES:
            raise PolicyError(
                "the policy nests too deeply, holds itself or is too large",
                remedy=f"at most {MOST_LEVELS} levels and {MOST_VALUES} values are read",
            )
        waiting.extend((item, level + 1) for item in inner)
