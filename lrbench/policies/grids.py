"""Grids of policies: entries in which a list stands where one value belongs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from lrbench.errors import PolicyError, placed
from lrbench.policies.build import read_row, refuse_huge
from lrbench.policies.function import Function
from lrbench.policies.parameters import Nested, NestedList, Parameter
from lrbench.policies.policy import Policy

MOST_POLICIES = 10_000
"""Policies that one grid may make."""


def expand_policies(entry: str | Mapping[str, Any]) -> list[Policy]:
    """The policies of an entry, text or mapping, in which a list where one value belongs makes a grid.

    Every combination is made, in the order written, the last parameter changing fastest. A parameter that is a list
    by itself, as NSTEP's ``l``, makes a grid by a list of lists. Nested policies may have grids of their own.

    Raises:
        PolicyError: as in ``parse_policy``, for the first policy that is impossible; a grid that is empty, larger than
            10,000 policies, or makes the same policy twice.
    """
    refuse_huge(entry)
    policies: dict[Policy, None] = {}
    for raw in _expanded(entry):
        policy = Policy.of(raw)
        if policy in policies:
            raise PolicyError(f"the grid makes {policy} twice", remedy="leave one of the equal values out")
        policies[policy] = None
    return list(policies)


def _expanded(entry: object, place: str | None = None) -> list[Any]:
    if isinstance(entry, Policy):
        return [entry]
    with nullcontext() if place is None else placed(place):
        raw, function = read_row(entry)
        axes = [[value] if name == "function" else _axis(function, name, value) for name, value in raw.items()]
        return [dict(zip(raw, combination, strict=True)) for combination in _product(function.name, axes)]


def _axis(function: Function, name: str, value: Any) -> list[Any]:
    """The values that a parameter takes in the grid: one, unless it is given a list of what it takes."""
    parameter = function.parameter(name)
    choices = list(value) if parameter is not None and is_grid(parameter, value) else [value]
    if not choices:
        raise function.placed(PolicyError(f"{name} is an empty list", remedy="give at least one value"))
    if isinstance(parameter, Nested):
        return [raw for choice in choices for raw in _expanded(choice, f"{function.name}: {name}")]
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
    axes = [_expanded(item, f"{place}[{index}]") for index, item in enumerate(choice)]
    return [list(stages) for stages in _product(place, axes)]


def _product(name: str, axes: list[list[Any]]) -> list[tuple[Any, ...]]:
    count = math.prod(len(axis) for axis in axes)
    if count > MOST_POLICIES:
        raise PolicyError(f"the grid makes {count} policies", where=name, remedy=f"at most {MOST_POLICIES} are made")
    return list(itertools.product(*axes))
