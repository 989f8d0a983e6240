"""A policy: an LR function with values for its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from lrbench.errors import PolicyError
from lrbench.limits import MOST_ITERATIONS
from lrbench.policies.build import build_policy, refuse_huge
from lrbench.policies.stages import OpenLoop
from lrbench.policies.table import find_function
from lrbench.policies.values import Controller, FloatArray, Value
from lrbench.policies.written import WrittenPolicy, policies_in

if TYPE_CHECKING:
    from lrbench.drawing.save import Picture

CHECKED_AT_ONCE = 1 << 18
"""Iterations whose rates ``check`` holds in memory at a time."""


class Policy(WrittenPolicy):
    """A learning-rate policy: immutable, hashable, equal to another one with the same canonical text.

    Made by ``Policy.parse``, ``policy_from_mapping`` or ``expand_policies``, which check its values::

        >>> policy = Policy.parse("TRI(k0=0.01, k1=0.06, l=2000)")
        >>> policy(0)
        0.01
        >>> policy.rates([0, 500, 1000], iterations=10000)
        array([0.01  , 0.0225, 0.035 ])
    """

    __slots__ = ()

    @property
    def nested(self) -> tuple[Policy, ...]:
        """The policies that the policy takes as parameters, alone or in lists."""
        return tuple(policy for policy in policies_in(self._values) if isinstance(policy, Policy))

    @property
    def monitored(self) -> frozenset[str]:
        """The metrics that the policy, or one in it, reacts to.

        >>> sorted(Policy.parse("WARMUP(policy=PLATEAU(k0=0.1, factor=0.5, monitor=accuracy), l=10)").monitored)
        ['accuracy']
        """
        own = {str(self._values["monitor"])} if self._closed_loop and "monitor" in self._values else set()
        return frozenset(own).union(*(policy.monitored for policy in self.nested))

    @property
    def counts_fractions(self) -> bool:
        """Whether the policy, or one in it, counts cycles or steps whose length is no whole number of iterations.

        >>> Policy.parse("STEP(k0=1, gamma=0.1, l=10.8)").counts_fractions
        True
        """
        own = [float(self.parameters[name]) for name in self._function.counted]
        return not all(map(float.is_integer, own)) or any(policy.counts_fractions for policy in self.nested)

    @property
    def upper_bounds(self) -> tuple[Policy, ...]:
        """Open-loop policies that bound every possible rate from above; an open-loop policy is its own only bound."""
        if not self._closed_loop:
            return (self,)
        if self._function.upper_bounds is not None:
            entries = self._function.upper_bounds(self._values)
            return tuple(dict.fromkeys(bound for entry in entries for bound in Policy.of(entry).upper_bounds))
        inner = {policy: policy.upper_bounds for policy in self.nested}
        most = max(map(len, inner.values()))
        return tuple(
            Policy(self._function, {name: _bounded(value, inner, number) for name, value in self._values.items()})
            for number in range(most)
        )

    def start(self, iterations: int) -> Controller:
        """A controller at the beginning of a run of ``iterations``, which says the rates and is shown the evaluations.

        Raises:
            PolicyError: values that do not go together in a run of that length.
        """
        if not self._closed_loop or self._function.start is None:
            return OpenLoop(self, iterations)
        return self._function.start(self._function.values(self._values, iterations))

    @classmethod
    def parse(cls, text: str) -> Policy:
        """The policy of a text such as ``STEP(k0=0.1, gamma=0.5, l=1000)``; parameters with defaults may be left out.

            >>> Policy.parse("WARMUP(policy=POLY(k0=0.1, p=1), l=100)").text
            'WARMUP(policy=POLY(k0=0.1, p=1), l=100, k0=0, count=stage)'

        Raises:
            PolicyError: what is wrong, and where.
        """
        return cls.of(text)

    @classmethod
    def of(cls, entry: object) -> Policy:
        """The policy of a text or a mapping, or of a policy, which is returned as it is.

        Raises:
            PolicyError: an entry that is no policy, or an impossible value.
        """
        policy = build_policy(entry, Policy)
        assert isinstance(policy, Policy)  # nothing else implements RatePolicy
        return policy

    @overload
    def __call__(self, t: float, iterations: int | None = None) -> float: ...
    @overload
    def __call__(self, t: Sequence[float] | Sequence[Sequence[float]], iterations: int | None = None) -> FloatArray: ...
    @overload
    def __call__(self, t: npt.ArrayLike, iterations: int | None = None) -> float | FloatArray: ...
    def __call__(self, t: npt.ArrayLike, iterations: int | None = None) -> float | FloatArray:
        """The learning rate at iteration t, counted from 0; for an array, an array of rates.

            >>> Policy.parse("EXP(k0=0.1, gamma=0.5)")([0, 1, 2])
            array([0.1  , 0.05 , 0.025])
            >>> Policy.parse("POLY(k0=0.1, p=1)")(50, iterations=100)
            0.05

        Args:
            t: a number or numbers.
            iterations: the run's, which a policy that goes by the run's length, such as POLY without ``l``, needs.

        Raises:
            PolicyError: as ``rates``; also where a rate is negative or not finite, or the run's length is needed.
        """
        times = np.asarray(t)
        rates = self.rates(times, 0 if iterations is None else iterations)
        self.check_rates(times.ravel(), rates.ravel())
        return rates if rates.ndim else float(rates)

    def schedule(self, iterations: int) -> FloatArray:
        """The rates of a whole run: float64, one for each iteration.

            >>> Policy.parse("STEP(k0=0.1, gamma=0.5, l=2)").schedule(5)
            array([0.1  , 0.1  , 0.05 , 0.05 , 0.025])

        Raises:
            PolicyError: a run of so many iterations is impossible.
        """
        self.check(iterations)
        return self.rates(np.arange(iterations), iterations)

    def plot(self, iterations: int, *others: Policy) -> Picture:
        """A picture of the rates over a run, beside those of other policies.

            >>> Policy.parse("COS(k0=0.1, k1=0.01, l=50)").plot(200).save("rates.png")

        Raises:
            PolicyError: a run of so many iterations is impossible.
        """
        from lrbench.policies.plot import draw_rates

        return draw_rates([self, *others], iterations)

    def rates(self, t: npt.ArrayLike, iterations: int) -> FloatArray:
        """The learning rates at iterations t.

        Args:
            t: iteration numbers, counted from 0, of any shape.
            iterations: the run's iterations, which fill in a missing ``l``.

        Returns:
            float64, of the shape of t. A rate may be negative or not finite: ``check`` finds that.

        Raises:
            PolicyError: t below 0, values that do not go together in a run of that length, or a closed-loop policy.
        """
        rates_of = self._function.rates
        if rates_of is None or self._closed_loop:
            raise PolicyError(
                f"the rates of {self._text} depend on the evaluations of a run",
                where=self.name,
                remedy="train with it: each evaluation has the learning_rate that was used",
            )
        times = np.asarray(t, dtype=np.float64)
        if not (times >= 0).all():
            raise PolicyError(f"t counts iterations from 0, but is {times.min():g}", where=self.name)
        values = self._function.values(self._values, iterations)
        with np.errstate(all="ignore"):
            return rates_of(times.ravel(), values).reshape(times.shape)

    def check(self, iterations: int) -> None:
        """Raise PolicyError where a run of so many iterations is impossible.

        It is if a rate at t = 0 ... iterations - 1 is negative or not finite (the message has the first such t and its
        rate), if the policy does not fit, as a stage that would begin after the run's end, or if there are more than
        100 million iterations. A closed-loop policy is checked by its ``upper_bounds``.
        """
        if self._closed_loop:
            for bound in self.upper_bounds:
                try:
                    bound.check(iterations)
                except PolicyError as error:
                    raise (error.at(self.name) if self._function.rates is None else error) from None
            return
        if iterations < 1:
            raise PolicyError(f"a run has at least one iteration, but iterations is {iterations}")
        if iterations > MOST_ITERATIONS:
            raise PolicyError(
                f"a run has at most {MOST_ITERATIONS:,} iterations, but iterations is {iterations}",
                remedy="give fewer iterations",
            )
        for start in range(0, iterations, CHECKED_AT_ONCE):
            t = np.arange(start, min(start + CHECKED_AT_ONCE, iterations))
            self.check_rates(t, self.rates(t, iterations))
        self.check_length(iterations)

    def check_rates(self, t: npt.NDArray[np.int64], rates: FloatArray) -> None:
        """Raise PolicyError for the first of these rates that is negative or not finite; t of the same shape."""
        impossible = ~(np.isfinite(rates) & (rates >= 0))
        if impossible.any():
            first = int(np.argmax(impossible))
            raise PolicyError(
                f"the rate at t = {int(t[first])} is {float(rates[first])!r}, but must be finite and not negative",
                where=self.name,
                remedy="change the parameters, or shorten the run",
            )

    def check_length(self, iterations: int, end: int | None = None) -> None:
        """Raise PolicyError if the policy does not fit a budget of ``iterations``, used up to ``end`` if given."""
        if self._closed_loop:
            for bound in self.upper_bounds:
                bound.check_length(iterations, end)
            return
        self._function.refuse(self._function.check_length, self._function.values(self._values, iterations, end))

    def refuse_to_count_from_run(self, parameter: str) -> None:
        """Raise PolicyError if the policy is closed-loop: the evaluations before it came from other rates than its own.

        Args:
            parameter: the name of the parameter that is ``run``.
        """
        if self._closed_loop:
            raise PolicyError(
                f"{parameter} is run, but {self.name} reacts to evaluations and can only count from its start",
                remedy=f"set {parameter} to stage",
            )

    def scaled(self, factor: float) -> Policy:
        """The policy with all of its rates times ``factor``, as SCALE; itself for a factor of 1.

        Raises:
            PolicyError: a factor that is not a finite number above 0.
        """
        if factor == 1:
            return self
        scale = find_function("SCALE")
        return Policy(scale, {"factor": scale.read("factor", factor), "policy": self})

    def unscaled(self, factor: float) -> Policy:
        """The policy that ``scaled(factor)`` made this one of; itself if it is no such policy."""
        inner = self._values.get("policy")
        is_scaled = self.name == "SCALE" and self._values["factor"] == factor
        return inner if is_scaled and isinstance(inner, Policy) else self

    def split(self) -> tuple[float, Policy]:
        """The product of the factors of all SCALEs around the policy, and the policy inside of them."""
        factor: float = 1
        policy = self
        while policy.name == "SCALE":
            factor, policy = factor * policy.parameters["factor"], policy.parameters["policy"]
        return factor, policy

    def __reduce__(self) -> tuple[Any, ...]:
        return Policy.of, (self.mapping,)


def parse_policy(text: str) -> Policy:
    """The policy that a text such as ``SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)`` says.

    Raises:
        PolicyError: text that does not parse, or an impossible value.
    """
    return Policy.of(text)


def policy_from_mapping(mapping: Mapping[str, Any]) -> Policy:
    """The policy that a mapping such as ``{"function": "FIX", "k0": 0.01}`` says; nested ones as mappings or text.

    Raises:
        PolicyError: a mapping that is not a policy, or an impossible value.
    """
    refuse_huge(mapping)
    return Policy.of(mapping)


def _bounded(value: Value, inner: Mapping[Policy, tuple[Policy, ...]], number: int) -> Value:
    """A value with each policy in it replaced by its upper bound of that number, the last one if it has fewer."""
    if isinstance(value, tuple):
        return tuple(_bounded(item, inner, number) for item in value)
    return inner[value][min(number, len(inner[value]) - 1)] if isinstance(value, Policy) else value
