"""The lines of a Caffe solver that make ``caffe train`` use a policy's rates."""

from __future__ import annotations

import numpy as np

from lrbench.engines.caffe.schedule import NATIVE_NAMES, native_schedule
from lrbench.errors import PolicyError
from lrbench.exporting.whole_run import MOST_RATES
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.text import write_text
from lrbench.policies import Policy, policy_from_mapping

MOST_STEPS = 1000
"""Boundaries that are written out at most; what changes more often is no staircase."""
SAME_FACTOR = 1e-7
"""By how much, relative to it, the factors of a staircase may differ: what float32, in which Caffe computes, tells."""


def caffe_text(policy: Policy, iterations: int | None) -> str:
    """The ``lr_policy`` fields as prototxt, below a comment with the policy.

    Raises:
        PolicyError: Caffe has no policy of its own with these rates.
    """
    plain = _as_poly(policy)
    end = iterations or _end_of_poly(plain) or 1
    fields = native_schedule(plain, end) or (_staircase(policy, iterations) if iterations else None)
    if fields is None:
        known = "" if iterations else "give the iterations, if its rates are a staircase; "
        raise PolicyError(
            f"Caffe has no policy with the rates of {policy}", where=policy.name,
            remedy=f"{known}Caffe has {', '.join(NATIVE_NAMES)} with whole lengths; lrbench run trains real Caffe with "
            "any policy",
        )
    if fields.lr_policy == "poly":
        fields.max_iter = end
    return f"# {policy}\n{write_text(fields)}"


def _as_poly(policy: Policy) -> Policy:
    """A decay to 0 as POLY, which has the same rates up to its end; other policies as they are."""
    given = policy.mapping
    if policy.name == "SCALE":
        return policy_from_mapping({**given, "policy": _as_poly(policy.parameters["policy"])})
    if policy.name not in {"LINEAR", "POLYDECAY"} or given["k1"] != 0:
        return policy
    del given["k1"]
    return policy_from_mapping({"p": 1, **given, "function": "POLY"})


def _end_of_poly(policy: Policy) -> int | None:
    """The l of a POLY, which Caffe calls ``max_iter``, if it is one and has a whole one."""
    while policy.name == "SCALE":
        policy = policy.parameters["policy"]
    length = policy.parameters.get("l") if policy.name == "POLY" else None
    return length if isinstance(length, int) else None


def _staircase(policy: Policy, iterations: int) -> SolverParameter | None:
    """The policy as Caffe's multistep, if its rates change seldom and always by the same factor."""
    if iterations > MOST_RATES:
        return None
    rates = policy.rates(np.arange(iterations), iterations)
    steps = 1 + np.flatnonzero(np.diff(rates))
    if not len(steps):
        return SolverParameter(lr_policy="fixed", base_lr=rates[0])
    if len(steps) > MOST_STEPS or not rates[steps - 1].all():
        return None
    factors = rates[steps] / rates[steps - 1]
    if np.ptp(factors) > SAME_FACTOR * factors[0]:
        return None
    return SolverParameter(lr_policy="multistep", base_lr=rates[0], gamma=factors[0], stepvalue=steps.tolist())
