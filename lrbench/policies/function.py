"""A row of the table of LR functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, TypeAlias

from lrbench.errors import PolicyError, did_you_mean
from lrbench.policies.family import Family
from lrbench.policies.formula import Formula
from lrbench.policies.parameters import Default, Parameter
from lrbench.policies.values import Controller, FloatArray, RatePolicy, Value, Values, shown

WU_2019 = 'Wu et al., "Demystifying Learning Rate Policies", IEEE BigData 2019, arXiv:1908.06477'
SGDR_2017 = 'Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983'


def _anything(values: Values) -> None:
    """The rule of a function whose parameters are each checked alone."""


Bounds: TypeAlias = Callable[[Mapping[str, Value]], Sequence[RatePolicy | Mapping[str, Any] | str]]


@dataclass(frozen=True)
class CaffeForm:
    """The solver settings with which Caffe computes a function's rates by itself.

    Args:
        lr_policy: Caffe's name of the policy, such as ``step``.
        fields: the solver's field of each parameter that has one; ``max_iter`` for a length that must be the run's.
        constants: fields that have one value.
        only: parameters that must have one value.
    """

    lr_policy: str
    fields: Mapping[str, str]
    constants: Mapping[str, float] = field(default_factory=dict)
    only: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "base_lr" not in self.fields.values():
            raise TypeError(f"the form of Caffe's {self.lr_policy} names no parameter for base_lr")

    @property
    def invertible(self) -> bool:
        """Whether every policy of that name in Caffe is one of the function."""
        return not self.constants and not self.only


@dataclass(frozen=True, kw_only=True)
class Function:
    """An LR function eta(t), t = 0, 1, 2, ...

    An open-loop function has ``rates``. A closed-loop one, which reacts to evaluations, has ``start`` and
    ``upper_bounds`` instead. One that takes policies as parameters, and can take closed-loop ones, has ``rates`` and
    ``start``. Without ``expression``, ``caffe`` or ``family`` a function cannot be exported to a framework, given to
    Caffe's own solver, or named in a search's ``functions``.

    Args:
        name: as written in a policy, such as ``TRI``.
        parameters: in the order of the canonical text.
        formula: eta(t), or g(t) in eta(t) = |k0 - k1| g(t) + min(k0, k1).
        summary: what it does, in one line.
        source: the paper or program that it is from.
        example: a policy in canonical text.
        rates: eta for an array of t and the parameters' values, all in float64; elementwise.
        start: a controller at t = 0, of the parameters' values.
        upper_bounds: open-loop policies (or texts or mappings of them) that bound every possible rate from above, made
            from the parameters that the policy holds; they are what can be checked before a run.
        rule: raises PolicyError if values do not go together.
        check_length: raises PolicyError if values do not fit a run with t below ``v.end``.
        counted: the names of the parameters from which the lengths of cycles or steps follow.
        expression: what exports write: a rate as text, or a function from the parameters' values to a ``Formula``.
        caffe: Caffe's own policy with these rates.
        family: the search space of the function, or several, each but the first with a ``variant``.
        courses: deprecated name of ``upper_bounds``.
        fit: deprecated name of ``check_length``.
    """

    name: str
    parameters: tuple[Parameter, ...]
    formula: str
    summary: str
    source: str
    example: str
    rates: Callable[[FloatArray, Values], FloatArray] | None = None
    start: Callable[[Values], Controller] | None = None
    upper_bounds: Bounds | None = None
    rule: Callable[[Values], None] = _anything
    check_length: Callable[[Values], None] = _anything
    counted: tuple[str, ...] = ()
    expression: str | Callable[[Values], Formula] | None = None
    caffe: CaffeForm | None = None
    family: Family | tuple[Family, ...] | None = None
    courses: InitVar[Bounds | None] = None
    fit: InitVar[Callable[[Values], None] | None] = None

    def __post_init__(self, courses: Bounds | None, fit: Callable[[Values], None] | None) -> None:
        for old, new, value in (("courses", "upper_bounds", courses), ("fit", "check_length", fit)):
            if value is not None:
                warnings.warn(f"{self.name}: {old} is now called {new}", DeprecationWarning, stacklevel=3)
                object.__setattr__(self, new, value)
        if self.rates is None and (self.start is None or self.upper_bounds is None):
            raise TypeError(f"{self.name} needs rates, or start and upper_bounds")
        unknown = self.caffe.fields.keys() - {parameter.name for parameter in self.parameters} if self.caffe else set()
        if unknown:
            raise TypeError(f"{self.name}: caffe names {', '.join(sorted(unknown))}, which is no parameter")

    @property
    def families(self) -> dict[str, Family]:
        """The function's families by the names that a search has for them: its own, and ``NAME-VARIANT``."""
        families = self.family if isinstance(self.family, tuple) else (self.family,)
        return {
            f"{self.name}-{family.variant}" if family.variant else self.name: family
            for family in families
            if family is not None
        }

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def values(self, given: Mapping[str, Value], iterations: int, end: int | None = None) -> Values:
        """The values given, with what the run's iterations stand for filled in, checked together.

        Args:
            given: the parameters that the policy holds.
            iterations: the budget of the run or stage.
            end: the first t that does not occur; the budget unless given.

        Raises:
            PolicyError: values that do not go together, or an ``iterations`` below 1 that is to stand for one.
        """
        missing = {parameter.name: iterations for parameter in self.parameters if parameter.name not in given}
        if missing and iterations < 1:
            raise PolicyError(
                f"{' and '.join(missing)} is {Default.RUN.value}, of which {iterations} are left here",
                where=self.name,
                remedy=f"give {' and '.join(missing)}, or more iterations",
            )
        values = Values(iterations=iterations, end=iterations if end is None else end, **given, **missing)
        self.refuse(self.rule, values)
        return values

    def read(self, name: str, value: object) -> Value:
        """A parameter's value in canonical form; a nested policy is built already. Raises PolicyError."""
        parameter = self.parameter(name)
        if parameter is None:
            known = [row.name for row in self.parameters]
            remedy = f"{did_you_mean(name, known)} it takes {', '.join(known)}".strip()
            raise PolicyError(f'unknown parameter "{shown(name)}"', where=self.name, remedy=remedy)
        try:
            return parameter.read(value)
        except PolicyError as error:
            raise self.placed(error) from None

    def refuse(self, check: Callable[[Values], None], values: Values) -> None:
        """Run ``rule`` or ``check_length``; what it raises gets the function's name and an example."""
        try:
            check(values)
        except PolicyError as error:
            raise self.placed(error) from None

    def placed(self, error: PolicyError) -> PolicyError:
        """The error with this function's name as its place and, for want of a better remedy, an example."""
        where = f"{self.name}: {error.where}" if error.where else self.name
        return PolicyError(error.message, where=where, remedy=error.remedy or f"for example {self.example}")
