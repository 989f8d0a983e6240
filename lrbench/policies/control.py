"""Controllers: they give the learning rates of a run up to each evaluation, and observe the evaluations.

An open-loop policy's rates are known beforehand; those of a closed-loop policy depend on the evaluations so far, and on
nothing else: a fresh controller that is shown the same evaluations gives the same rates, bit for bit. So a run that is
resumed shows it those that are on disk, and there is no state to store beside them.
"""

from __future__ import annotations

import numpy as np

from lrbench.policies.values import Controller, FloatArray, RatePolicy, Row


class OpenLoop(Controller):
    """A policy that needs no evaluations."""

    def __init__(self, policy: RatePolicy, iterations: int) -> None:
        self._policy, self._iterations = policy, iterations

    def rates(self, start: int, end: int) -> FloatArray:
        return self._policy.rates(np.arange(start, end), self._iterations)

    def observe(self, row: Row) -> None:
        """Nothing: its rates are known beforehand."""


class Placed(Controller):
    """A controller whose t = 0 is iteration ``start`` of what it is placed in."""

    def __init__(self, inner: Controller, start: int) -> None:
        self._inner, self._start = inner, start

    def rates(self, start: int, end: int) -> FloatArray:
        return self._inner.rates(start - self._start, end - self._start)

    def observe(self, row: Row) -> None:
        self._inner.observe({**row, "iteration": row["iteration"] - self._start})
