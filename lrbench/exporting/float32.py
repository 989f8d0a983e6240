"""Limits of float32, in which Keras and JAX compute rates and every framework the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Policy
from lrbench.policies.policy import CHECKED_AT_ONCE

LEAST, MOST = 1e-30, 1e30
"""Bounds of a policy's numbers and rates that leave float32, which ends at 1e-38 and 3e38, room for their products."""


def check_float32(policy: Policy, iterations: int | None) -> None:
    """Refuse a policy whose formula would overflow in float32, or in float64 by numbers beyond those bounds.

    Args:
        policy: the policy, which needs no iterations where they are None.
        iterations: the run's iterations; without them, of the rates only that at t = 0 is checked.

    Raises:
        PolicyError: a number of the policy is neither 0 nor within the bounds, or a rate is above them.
    """
    for name, number in _numbers(policy):
        if number and not LEAST <= abs(number) <= MOST:
            raise _refusal(policy, f"{name} is {number!r}", f"0 and numbers from {LEAST:g} to {MOST:g}")
    for bound in policy.upper_bounds:
        for start in range(0, iterations or 1, CHECKED_AT_ONCE):
            rates = bound.rates(np.arange(start, min(start + CHECKED_AT_ONCE, iterations or 1)), iterations or 0)
            if rates.max() > MOST:
                t = start + int(np.argmax(rates > MOST))
                raise _refusal(policy, f"the rate at t = {t} is {rates[t - start]:g}", f"rates up to {MOST:g}")


def _refusal(policy: Policy, problem: str, taken: str) -> PolicyError:
    return PolicyError(
        f"{problem}, but frameworks compute in float32 and an export takes {taken}",
        where=policy.name,
        remedy="change the parameters, or export the rates, to csv",
    )


def _numbers(policy: Policy) -> Iterator[tuple[str, float]]:
    """The numbers of a policy and of the policies in it, each with its parameter's name."""
    for name, value in policy.parameters.items():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Policy):
                yield from _numbers(item)
            elif isinstance(item, (int, float)):
                yield name, item
