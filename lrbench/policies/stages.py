"""Controllers, which give the rates of a run up to each evaluation and observe it, and the stages of compositions.

An open-loop policy's rates are known beforehand; those of a closed-loop policy depend on the evaluations so far, and on
nothing else: a fresh controller that is shown the same evaluations gives the same rates, bit for bit. So a run that is
resumed shows it those that are on disk, and there is no state to store beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.policies.shapes import blend, left, passed
from lrbench.policies.values import Controller, FloatArray, RatePolicy, Row


class OpenLoop(Controller):
    """A policy that needs no evaluations."""

    def __init__(self, policy: RatePolicy, iterations: int) -> None:
        self._policy, self._iterations = policy, iterations

    def rates(self, start: int, end: int) -> FloatArray:
        return self._policy.rates(np.arange(start, end), self._iterations)

    def observe(self, row: Row) -> None:
        """Do nothing: the rates are known beforehand."""


class Placed(Controller):
    """A controller whose t = 0 is iteration ``start`` of what it is placed in."""

    def __init__(self, inner: Controller, start: int) -> None:
        self._inner, self._start = inner, start

    def rates(self, start: int, end: int) -> FloatArray:
        return self._inner.rates(start - self._start, end - self._start)

    def observe(self, row: Row) -> None:
        self._inner.observe({**row, "iteration": row["iteration"] - self._start})


@dataclass(frozen=True)
class Stage:
    """A policy from iteration ``start`` up to ``end`` of a run of ``iterations``."""

    policy: RatePolicy
    start: int
    end: int
    iterations: int
    counts_from_run: bool

    @classmethod
    def whole(cls, policy: RatePolicy, iterations: int) -> Stage:
        """The stage of a policy that has the whole run of ``iterations``."""
        return cls(policy, 0, iterations, iterations, counts_from_run=True)

    def rates(self, t: FloatArray) -> FloatArray:
        """The policy's rates at the run's t."""
        if self.counts_from_run:
            return self.policy.rates(t, self.iterations)
        return self.policy.rates(t - self.start, self.end - self.start)

    def controller(self) -> Controller:
        """The policy's controller, by the run's iterations."""
        if self.counts_from_run:
            return self.policy.start(self.iterations)
        return Placed(self.policy.start(self.end - self.start), self.start)

    def check_length(self, run_end: int) -> None:
        """Raise PolicyError if the policy does not fit the stage, in a run that ends at ``run_end``."""
        end = min(self.end, run_end)
        if self.counts_from_run:
            self.policy.check_length(self.iterations, end)
        else:
            self.policy.check_length(self.end - self.start, end - self.start)


class Staged(Controller):
    """Stages one after another; each is shown the evaluations at which an iteration of its own was the last one."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        ends = [*(stage.end for stage in stages[:-1]), sys.maxsize]
        self._parts = [(stage.start, end, stage.controller()) for stage, end in zip(stages, ends, strict=True)]

    def rates(self, start: int, end: int) -> FloatArray:
        return np.concatenate(
            [
                controller.rates(max(start, begin), min(end, until))
                for begin, until, controller in self._parts
                if begin < end and start < until
            ]
        )

    def observe(self, row: Row) -> None:
        for begin, until, controller in self._parts:
            if begin < row["iteration"] <= until:
                controller.observe(row)


class Warmed(Controller):
    """A straight line from the rate ``k0`` to where a stage begins, then the stage, which sees its own evaluations."""

    def __init__(self, k0: float, stage: Stage) -> None:
        self._k0, self._start, self._controller = k0, stage.start, stage.controller()
        self._target = float(self._controller.rates(stage.start, stage.start + 1)[0])

    def rates(self, start: int, end: int) -> FloatArray:
        warm = climb(np.arange(start, min(end, self._start), dtype=np.float64), self._start, self._k0, self._target)
        if end <= self._start:
            return warm
        return np.concatenate([warm, self._controller.rates(max(start, self._start), end)])

    def observe(self, row: Row) -> None:
        if row["iteration"] > self._start:
            self._controller.observe(row)


class Scaled(Controller):
    """A controller with all of its rates multiplied by a factor."""

    def __init__(self, factor: float, inner: Controller) -> None:
        self._factor, self._inner = factor, inner

    def rates(self, start: int, end: int) -> FloatArray:
        return np.asarray(self._factor * self._inner.rates(start, end))

    def observe(self, row: Row) -> None:
        self._inner.observe(row)


class Multiplied(Controller):
    """Controllers whose rates are multiplied; each is shown every evaluation."""

    def __init__(self, factors: Sequence[Controller]) -> None:
        self._factors = factors

    def rates(self, start: int, end: int) -> FloatArray:
        return np.asarray(np.prod([factor.rates(start, end) for factor in self._factors], axis=0))

    def observe(self, row: Row) -> None:
        for factor in self._factors:
            factor.observe(row)


def climb(t: FloatArray, end: int, first: float, last: float) -> FloatArray:
    """The straight line from the rate ``first`` at t = 0 to ``last`` at t = ``end``."""
    return blend(first, last, left(t, 0, end), passed(t, 0, end))
