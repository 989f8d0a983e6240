"""The kinds of parameters: each reads a raw value (from text or YAML), or refuses it by its rule."""

from __future__ import annotations

import enum
import itertools
import math
import numbers
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

from lrbench.errors import PolicyError
from lrbench.policies.values import RatePolicy, Value, canonical_number, shown

_YAML_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+", re.ASCII)

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


class Default(enum.Enum):
    """The default of a parameter, if it is not a value."""

    REQUIRED = "required"
    RUN = "the run's iterations"


class Dimension(enum.Enum):
    """The unit of a parameter, which decides how it changes when a policy is rescaled to a run of another length."""

    RATE = "learning rate"
    """A learning rate: stays."""
    ITERATIONS = "iterations"
    """A length or a point in time: multiplied by the ratio of the lengths."""
    PER_ITERATION = "1 / iterations"
    """A slope, such as INV's gamma: divided by the ratio."""
    FACTOR_PER_ITERATION = "factor per iteration"
    """A factor that each iteration multiplies the rate by, such as EXP's gamma: raised to the power of 1 / ratio."""
    FACTOR = "factor"
    """A factor of the rate that does not depend on the iterations, such as STEP's gamma: stays."""
    NUMBER = "number"
    """A power, a share, a count or a word: stays."""


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """A parameter of an LR function.

    Args:
        name: as written in a policy.
        meaning: what it is, with its unit.
        dimension: what it is measured in; a policy with a number whose dimension is None is not rescaled.
        default: a value, or REQUIRED, or RUN: the iterations of the run (in a stage: of the stage).
        unwritten_default: the canonical text has no place for the default: a parameter that came later, whose default
            is what texts written before it mean, so that they stay canonical.
    """

    name: str
    meaning: str
    dimension: Dimension | None = None
    default: Value | Default = Default.REQUIRED
    unwritten_default: bool = False

    @property
    def required(self) -> bool:
        """Whether the parameter must be given."""
        return self.default is Default.REQUIRED

    @property
    def default_text(self) -> str:
        """The default as text."""
        return str(self.default.value if isinstance(self.default, Default) else self.default)

    @property
    def listed(self) -> bool:
        """Whether one value may be a list, so that a grid over it is a list of lists."""
        return False

    @property
    @abstractmethod
    def rule(self) -> str:
        """The rule for values, as a phrase that follows "must be"."""

    @abstractmethod
    def read(self, value: object) -> Value:
        """The value in canonical form. Raises PolicyError where it breaks the rule."""

    def refused(self, value: object) -> PolicyError:
        return PolicyError(f"{self.name} is {shown(value)}, but must be {self.rule}")


@dataclass(frozen=True, kw_only=True)
class Number(Parameter):
    """A finite real number, optionally between bounds."""

    least: float = -math.inf
    above: float = -math.inf
    below: float = math.inf
    whole: bool = False

    @property
    def rule(self) -> str:
        bounds = [f"of at least {canonical_number(self.least)}"] if self.least > -math.inf else []
        bounds += [f"above {canonical_number(self.above)}"] if self.above > -math.inf else []
        bounds += [f"below {canonical_number(self.below)}"] if self.below < math.inf else []
        kind = "a whole number" if self.whole else "a finite number"
        return " ".join([kind, " and ".join(bounds)]).strip()

    def read(self, value: object) -> int | float:
        number = finite_number(value)
        if number is None or (self.whole and not number.is_integer()):
            raise self.refused(value)
        if number < self.least or number <= self.above or number >= self.below:
            raise self.refused(value)
        return canonical_number(number)


@dataclass(frozen=True, kw_only=True)
class Rate(Number):
    """A learning rate, of at least 0."""

    least: float = 0
    dimension: Dimension | None = Dimension.RATE


@dataclass(frozen=True, kw_only=True)
class Length(Number):
    """A number of iterations above 0."""

    above: float = 0
    dimension: Dimension | None = Dimension.ITERATIONS


@dataclass(frozen=True, kw_only=True)
class Factor(Number):
    """A factor of the rate above 0 that does not depend on the iterations."""

    above: float = 0
    dimension: Dimension | None = Dimension.FACTOR


@dataclass(frozen=True, kw_only=True)
class Scalar(Number):
    """A number without a unit: a power, a share or a count."""

    dimension: Dimension | None = Dimension.NUMBER


@dataclass(frozen=True, kw_only=True)
class RisingNumbers(Parameter):
    """A list of numbers above 0, each above the one before it."""

    whole: bool = False

    @property
    def listed(self) -> bool:
        return True

    @property
    def rule(self) -> str:
        kind = "whole numbers" if self.whole else "numbers"
        return f"a list of {kind} above 0 that rise strictly, such as [500, 1000]"

    def read(self, value: object) -> tuple[int | float, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise self.refused(value)
        read = [finite_number(item) for item in value]
        found = [number for number in read if number is not None and (number.is_integer() or not self.whole)]
        if len(found) < len(read) or any(later <= earlier for earlier, later in itertools.pairwise([0.0, *found])):
            raise self.refused(value)
        return tuple(canonical_number(number) for number in found)


@dataclass(frozen=True, kw_only=True)
class Shares(Parameter):
    """A list of at least two numbers, none below 0."""

    dimension: Dimension | None = Dimension.NUMBER

    @property
    def listed(self) -> bool:
        return True

    @property
    def rule(self) -> str:
        return "a list of at least two numbers of at least 0, such as [0.1, 1, 0]"

    def read(self, value: object) -> tuple[int | float, ...]:
        if not isinstance(value, (list, tuple)) or len(value) < 2:
            raise self.refused(value)
        found = [number for number in map(finite_number, value) if number is not None and number >= 0]
        if len(found) < len(value):
            raise self.refused(value)
        return tuple(canonical_number(number) for number in found)


@dataclass(frozen=True, kw_only=True)
class Word(Parameter):
    """One of a few words; with ``each``, also a list of them, one for each stage."""

    choices: tuple[str, ...]
    each: bool = False
    dimension: Dimension | None = Dimension.NUMBER

    @property
    def listed(self) -> bool:
        return self.each

    @property
    def rule(self) -> str:
        words = " or ".join(self.choices)
        return f"{words}, or a list with one of them for each stage" if self.each else words

    def read(self, value: object) -> str | tuple[str, ...]:
        if isinstance(value, str) and value in self.choices:
            return value
        if self.each and isinstance(value, (list, tuple)) and value and all(item in self.choices for item in value):
            return tuple(value)
        raise self.refused(value)


@dataclass(frozen=True, kw_only=True)
class MetricName(Parameter):
    """The name of a metric of an evaluation."""

    dimension: Dimension | None = Dimension.NUMBER

    @property
    def rule(self) -> str:
        return "the name of a metric, such as train_loss, test_loss or accuracy"

    def read(self, value: object) -> str:
        if isinstance(value, str) and _METRIC_NAME.fullmatch(value):
            return value
        raise self.refused(value)


@dataclass(frozen=True, kw_only=True)
class Nested(Parameter):
    """A policy inside a policy; ``read`` takes one that is built."""

    dimension: Dimension | None = Dimension.NUMBER

    @property
    def rule(self) -> str:
        return "a policy, such as FIX(k0=0.01)"

    def read(self, value: object) -> RatePolicy:
        if isinstance(value, (list, tuple)):
            raise self.refused(value)
        return cast("RatePolicy", value)


@dataclass(frozen=True, kw_only=True)
class NestedList(Parameter):
    """A list of two or more policies; ``read`` takes them built."""

    dimension: Dimension | None = Dimension.NUMBER

    @property
    def listed(self) -> bool:
        return True

    @property
    def rule(self) -> str:
        return "a list of at least two policies"

    def read(self, value: object) -> tuple[RatePolicy, ...]:
        if not isinstance(value, (list, tuple)) or len(value) < 2:
            raise self.refused(value)
        return tuple(value)


def finite_number(value: object) -> float | None:
    """The value as a float; None for truth values, text, numbers that are not finite, and anything else.

    The one text taken for a number is an exponent without a sign or point, such as 1e-3: YAML 1.1 reads it as text.
    """
    if isinstance(value, str) and _YAML_EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
