"""A policy over a run of which only the number of iterations may be known."""

from __future__ import annotations

from lrbench.errors import PolicyError
from lrbench.policies import Policy, parse_policy
from lrbench.policies.values import FloatArray

UNKNOWN_END = 10_000_000
"""Iterations that a run of unknown length is taken to have at most, where that matters: how far t is counted."""

MOST_RATES = 10_000_000
"""Rates that are held at once: 40 MB in float32."""


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
    import numpy as np

    policy = parse_policy(policy) if isinstance(policy, str) else policy
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
