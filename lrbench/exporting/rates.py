"""A policy's rates as comma-separated values."""

from __future__ import annotations

import io

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Policy

WRITTEN_AT_ONCE = 1 << 16


def csv_text(policy: Policy, iterations: int | None) -> str:
    """``iteration,learning_rate``, a line for each iteration, each rate with all of its digits."""
    if iterations is None:
        raise PolicyError(
            "csv has a line for each iteration of the run", where=policy.name, remedy="give the iterations"
        )
    text = io.StringIO()
    text.write("iteration,learning_rate\n")
    for start in range(0, iterations, WRITTEN_AT_ONCE):
        t = np.arange(start, min(start + WRITTEN_AT_ONCE, iterations))
        rates = policy.rates(t, iterations).tolist()
        text.writelines(f"{step},{rate!r}\n" for step, rate in zip(t.tolist(), rates, strict=True))
    return text.getvalue()
