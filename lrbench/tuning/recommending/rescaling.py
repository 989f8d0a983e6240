"""Rescaling of policies from a run of one length to a run of another.

The rule keeps every rate at the same part of the run: eta'(t f) = eta(t), with f = new iterations / measured ones.
Lengths in iterations are multiplied by f (rounded to whole iterations), a factor for each iteration gamma becomes
gamma^(1 / f), and a slope for each iteration gamma becomes gamma / f: the dimension of each parameter says which it is.
Rates, powers, factors for each step and shares of the run stay as they are, and so does an ``l`` that stands for the
run's iterations. What reacts to evaluations is not carried over. It is a rule of thumb, and its results are not
measured.
"""

from __future__ import annotations

from typing import Any

from lrbench.errors import PolicyError
from lrbench.policies import Dimension, Policy, policy_from_mapping
from lrbench.policies.parameters import Parameter

DIGITS = 4


def rescaled(policy: Policy, measured: int, wanted: int) -> Policy | None:
    """Rescale a policy from a run of ``measured`` iterations to one of ``wanted``.

    None if it cannot be rescaled, or would be impossible in a run of that length.
    """
    if policy.closed_loop or (measured != wanted and without_dimension(policy)):
        return None
    try:
        if measured != wanted:
            policy = _stretched(policy, wanted / measured)
        policy.check(wanted)
    except PolicyError:
        return None
    return policy


def without_dimension(policy: Policy) -> list[str]:
    """List the parameters without a dimension of the LR functions in a policy, as in ``HALVING: l``."""
    own = [f"{policy.name}: {row.name}" for row in policy.function.parameters if row.dimension is None]
    return own + [name for inner in policy.nested for name in without_dimension(inner)]


def _stretched(policy: Policy, factor: float) -> Policy:
    rows = [row for row in policy.function.parameters if row.name in policy.parameters]
    values = {row.name: _value(row, policy.parameters[row.name], factor) for row in rows}
    return policy_from_mapping({"function": policy.name, **values})


def _value(parameter: Parameter, value: Any, factor: float) -> Any:
    if isinstance(value, Policy):
        return _stretched(value, factor)
    if isinstance(value, tuple):
        return [_value(parameter, item, factor) for item in value]
    match parameter.dimension:
        case Dimension.ITERATIONS:
            return max(1, round(value * factor)) if value else value
        case Dimension.PER_ITERATION:
            return float(f"{value / factor:.{DIGITS}g}")
        case Dimension.FACTOR_PER_ITERATION:
            # A few digits of the distance from 1, which is what decides the rates.
            return float(f"{1 - float(f'{1 - value ** (1 / factor):.{DIGITS}g}'):.15g}")
    return value
