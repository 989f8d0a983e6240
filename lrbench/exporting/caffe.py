"""The lines of a Caffe solver that make ``caffe train`` use a policy's rates."""

from __future__ import annotations

import numpy as np

from lrbench.engines.caffe.schedule import NATIVE_NAMES, RUN_LENGTH, native_schedule
from lrbench.errors import PolicyError
from lrbench.exporting.whole_run import MOST_RATES
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.text import write_text
from lrbench.policies import Policy

MOST_STEPS = 1000
"""Boundaries that are written out at most; what changes more often is no staircase."""
SAME_FACTOR = 1e-7
"""The relative difference up to which the factors of a staircase are equal: about the resolution of float32."""
SMALL_DRIFT = 1e-5
"""The relative difference between Caffe's rate and the policy's from which on a note says so."""
USUAL_RUN = 10_000
"""Iterations for which that difference is given where those of the run are not known."""


def caffe_text(policy: Policy, iterations: int | None) -> str:
    """The ``lr_policy`` fields as prototxt, below comments with the policy and what there is to note.

    Raises:
        PolicyError: Caffe has no policy of its own with these rates.
    """
    comments = "".join(f"# {line}\n" for line in (policy.text, *caffe_notes(policy, iterations)))
    return comments + write_text(_fields(policy, iterations))


def caffe_notes(policy: Policy, iterations: int | None) -> tuple[str, ...]:
    """Note how far Caffe's rates drift from the policy's, if that is more than ``SMALL_DRIFT``.

    Caffe holds gamma in float32, and a power of it multiplies the rounding by the number of factors.

    Raises:
        PolicyError: Caffe has no policy of its own with these rates.
    """
    fields = _fields(policy, iterations)
    last = (iterations or USUAL_RUN) - 1
    steps = {
        "exp": last,
        "step": last // max(fields.stepsize, 1),
        "multistep": sum(boundary <= last for boundary in fields.stepvalue),
    }.get(fields.lr_policy, 0)
    rate = float(policy.rates(last, last + 1))
    drift = fields.base_lr * fields.gamma**steps / rate - 1 if steps and rate else 0
    if abs(drift) < SMALL_DRIFT:
        return ()
    end = "" if iterations else ", and more in a longer run"
    side = "above" if drift > 0 else "below"
    percent = f"{100 * abs(drift):.2g} %"
    return (f"Caffe holds gamma in float32: at t = {last} its rate lies {percent} {side} the policy's{end}",)


def _fields(policy: Policy, iterations: int | None) -> SolverParameter:
    end = iterations or _own_end(policy) or 1
    fields = native_schedule(policy, end) or (_staircase(policy, iterations) if iterations else None)
    if fields is None:
        hint = "" if iterations else "give the iterations, if its rates are a staircase; "
        raise PolicyError(
            f"Caffe has no policy with the rates of {policy}",
            where=policy.name,
            remedy=f"{hint}Caffe has {', '.join(NATIVE_NAMES)} with whole lengths; lrbench run trains real Caffe with "
            "any policy",
        )
    if fields.lr_policy == "poly":
        fields.max_iter = end
    return fields


def _own_end(policy: Policy) -> int | None:
    """The length of a policy that Caffe calls ``max_iter``, if it gives a whole one."""
    plain = policy.split()[1]
    form = plain.function.caffe
    lengths = [plain.parameters.get(name) for name, field in form.fields.items() if field == RUN_LENGTH] if form else []
    return next((length for length in lengths if isinstance(length, int)), None)


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
