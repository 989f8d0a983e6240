"""A policy over a whole run, of which the iterations may be unknown: its checks, and its rates."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Policy
from lrbench.policies.policy import CHECKED_AT_ONCE
from lrbench.policies.values import FloatArray

UNKNOWN_END = 10_000_000
"""Iterations that a run of unknown length is taken to have at most, where that matters: how far t is counted."""

MOST_RATES = 10_000_000
"""Rates that are held at once: 40 MB in float32."""

LEAST, MOST = 1e-30, 1e30
"""Bounds of a policy's numbers and rates that leave float32, which ends at 1e-38 and 3e38, room for their products."""


def check(policy: Policy, iterations: int | None) -> None:
    """Raise PolicyError where a run of so many iterations is impossible, or they are needed and None."""
    if iterations is not None:
        policy.check(iterations)
    elif depends_on_run(policy):
        raise PolicyError(
            "its rates depend on how many iterations the run has", where=policy.name, remedy="give the iterations, too"
        )


def depends_on_run(policy: Policy) -> bool:
    """Whether the policy, or one in it, has a parameter that the iterations of the run or stage stand for."""
    missing = len(policy.parameters) < len(policy.function.parameters)
    return missing or any(depends_on_run(inner) for inner in policy.nested)


def every_rate(policy: Policy | str, iterations: int) -> FloatArray:
    """The rates of all iterations of a run, in float64.

    Raises:
        PolicyError: an impossible policy, a closed-loop one, or a run of more than 10 million iterations.
    """
    policy = Policy.of(policy)
    if policy.closed_loop:
        raise PolicyError(
            "it reacts to evaluations, which a function of the step alone cannot",
            where=policy.name,
            remedy="take an open-loop policy, or lrbench.torch.PolicyLR",
        )
    if iterations > MOST_RATES:
        raise PolicyError(
            f"a run of {iterations} iterations has more rates than are held at once, {MOST_RATES}",
            where=policy.name,
            remedy="lrbench export writes the formula instead",
        )
    policy.check(iterations)
    return policy.rates(np.arange(iterations), iterations)


def csv_text(policy: Policy, iterations: int | None) -> str:
    """``iteration,learning_rate``, a line for each iteration, each rate with all of its digits."""
    if iterations is None:
        raise PolicyError(
            "csv has a line for each iteration of the run", where=policy.name, remedy="give the iterations"
        )
    text = io.StringIO()
    text.write("iteration,learning_rate\n")
    for start in range(0, iterations, CHECKED_AT_ONCE):
        t = np.arange(start, min(start + CHECKED_AT_ONCE, iterations))
        rates = policy.rates(t, iterations).tolist()
        text.writelines(f"{step},{rate!r}\n" for step, rate in zip(t.tolist(), rates, strict=True))
    return text.getvalue()


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
