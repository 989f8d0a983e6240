"""The expression of an LR function, in the form that exports write into a user's own training.

An expression is text in Python's grammar. Its names are the function's parameters, ``iterations`` (the budget), ``t``,
``low`` and ``high`` (the lower and the higher of k0 and k1), ``pi``, sin, cos, exp, expm1, log1p, sqrt, abs, min, max,
and functions that each framework has in its own form:

- ``turns(t, c)``: how many whole cycles of c iterations lie before t;
- ``troughs(t, c)``: how many cycles of c iterations have their middle at or before t;
- ``phase(t, c)``: how much of t's cycle has passed, from 0 up to, not including, 1;
- ``reached(t, b)``: how many of the boundaries b are at most t.

An expression agrees with the function's ``rates`` at every t of a run: LRBench's own in float64 to
1e-12: of the rate itself for decays and what is made of them, of the highest rate for cyclic functions. So a fall or
climb is a sum of the lower rate and what lies above it, measured from the end where that is small: neither term cancels
the other. What ``rates`` holds beyond a run's end (0, a floor), an expression holds, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.policies.stages import Stage


@dataclass(frozen=True)
class Formula:
    """A rate as expressions of t, in the grammar of ``lrbench.policies.formula``.

    Args:
        rate: the rate; with phases, that of the last one.
        phases: a condition on t, and the rate where it holds and none before it does.
        names: names for parts of the rates, with what each stands for.
        stages: names for the rates of the policies that the function takes, with the stage of each.
    """

    rate: str
    phases: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    stages: tuple[tuple[str, Stage], ...] = ()


@dataclass(frozen=True)
class Span:
    """The part of a run in which a rate goes from one end to the other, each end a parameter's name and its value."""

    first: tuple[str, float]
    last: tuple[str, float]
    passed: str
    left: str

    def rate(self, shape: str = "{x}") -> str:
        """The rate's text: the lower rate, and the share of the difference that is left or has passed.

        Args:
            shape: a share as a formula of x, that of the time; of 1 - x it is the rest to 1.
        """
        (first, start), (last, end) = self.first, self.last
        if end <= start:
            return f"{last} + ({first} - {last}) * {shape.format(x=self.left)}"
        return f"{first} + ({last} - {first}) * {shape.format(x=self.passed)}"
