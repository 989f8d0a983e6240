"""Policies carried over from a run of one length to a run of another.

The rule keeps every rate at the same part of the run: eta'(t f) = eta(t), with f = new iterations / measured ones.
Lengths in iterations are multiplied by f (rounded to whole iterations), a factor for each iteration gamma becomes
gamma^(1 / f), and a slope for each iteration gamma becomes gamma / f. Rates, powers, factors for each step and shares
of the run stay as they are, and so does an ``l`` that stands for the run's iterations. What reacts to evaluations, or
comes from another package, is not carried over. It is a rule of thumb, and its results are not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrbench.errors import PolicyError
from lrbench.policies import Policy, functions, policy_from_mapping

LENGTHS = frozenset({"l", "warmup", "decay", "boundaries"})
SLOPES = frozenset({"INV", "SIG"})
A_STEP = frozenset({"STEP", "NSTEP"})
DIGITS = 4


def rescaled(policy: Policy, measured: int, wanted: int) -> Policy | None:
    """The policy for a run of ``wanted`` iterations that was measured in one of ``measured``.

    None where it cannot be carried over, or would be impossible in a run of that length.
    """
    known = {function.name for function in functions()}
    if policy.closed_loop or not _names(policy.mapping) <= known:
        return None
    if measured != wanted:
        try:
            policy = policy_from_mapping(_mapping(policy.mapping, wanted / measured))
        except PolicyError:
            return None
    try:
        policy.check(wanted)
    except PolicyError:
        return None
    return policy


def _names(value: Any) -> set[str]:
    """The LR functions in a policy's YAML form."""
    if isinstance(value, list):
        return {name for item in value for name in _names(item)}
    if not isinstance(value, Mapping):
        return set()
    return {str(value["function"])}.union(*map(_names, value.values()))


def _mapping(policy: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {name: _value(str(policy["function"]), name, value, factor) for name, value in policy.items()}


def _value(function: str, name: str, value: Any, factor: float) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value, factor)
    if isinstance(value, list):
        return [_value(function, name, item, factor) for item in value]
    if name in LENGTHS:
        return max(1, round(value * factor)) if value else value
    if name == "gamma" and function not in A_STEP:
        return float(f"{value / factor:.{DIGITS}g}") if function in SLOPES else _power(value, 1 / factor)
    return value


def _power(gamma: float, power: float) -> float:
    """gamma^power, with a few digits of its distance from 1, which is what decides the rates."""
    return float(f"{1 - float(f'{1 - gamma**power:.{DIGITS}g}'):.15g}")
