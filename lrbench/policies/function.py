"""A row of the table of LR functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrbench.errors import PolicyError, did_you_mean
from lrbench.policies.control import Controller
from lrbench.policies.parameters import Default, Parameter
from lrbench.policies.values import FloatArray, Value, Values, shown

if TYPE_CHECKING:
    from lrbench.policies.policy import Policy

WU_2019 = 'Wu et al., "Demystifying Learning Rate Policies", IEEE BigData 2019, arXiv:1908.06477'
SGDR_2017 = 'Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983'


def _anything(values: Values) -> None:
    """The rule of a function whose parameters are each checked alone."""


def _none(given: Mapping[str, Value]) -> tuple[Policy, ...]:
    """The courses of an open-loop function."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Function:
    """An LR function eta(t), t = 0, 1, 2, ...

    An open-loop function has ``rates``. A closed-loop one, which reacts to evaluations, has ``start`` and ``courses``
    instead. One that takes policies as parameters, and can take closed-loop ones, has ``rates`` and ``start``.

    Args:
        name: as written in a policy, such as ``TRI``.
        parameters: in the order of the canonical text.
        formula: eta(t), or g(t) in eta(t) = |k0 - k1| g(t) + min(k0, k1).
        summary: what it does, in one line.
        source: the paper or program that it is from.
        example: a policy in canonical text.
        rates: eta for an array of t and the parameters' values, all in float64; elementwise.
        start: a controller at t = 0, of the parameters' values.
        courses: policies which, for all t, have every rate that may come about or higher ones: what can be checked
            beforehand. Of the parameters that the policy holds.
        rule: raises PolicyError where values do not go together.
        fit: raises PolicyError where values do not fit a run with t below ``v.end``.
        counted: the names of the parameters from which the lengths of cycles or steps follow.
    """

    name: str
    parameters: tuple[Parameter, ...]
    formula: str
    summary: str
    source: str
    example: str
    rates: Callable[[FloatArray, Values], FloatArray] | None = None
    start: Callable[[Values], Controller] | None = None
    courses: Callable[[Mapping[str, Value]], tuple[Policy, ...]] = _none
    rule: Callable[[Values], None] = _anything
    fit: Callable[[Values], None] = _anything
    counted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rates is None and (self.start is None or self.courses is _none):
            raise TypeError(f"{self.name} needs rates, or start and courses")

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
        """Run ``rule`` or ``fit``; what it raises gets the function's name and an example."""
        try:
            check(values)
        except PolicyError as error:
            raise self.placed(error) from None

    def placed(self, error: PolicyError) -> PolicyError:
        """The error with this function's name as its place and, for want of a better remedy, an example."""
        where = f"{self.name}: {error.where}" if error.where else self.name
        return PolicyError(error.message, where=where, remedy=error.remedy or f"for example {self.example}")
