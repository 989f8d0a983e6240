"""Functions of t, in a dialect, that compute a policy's rates: one for each LR function and composition in it."""

from __future__ import annotations

import ast
import itertools
import textwrap
from collections.abc import Mapping
from functools import partial
from typing import Any

from lrbench.errors import PolicyError
from lrbench.exporting.dialects import Dialect, translated
from lrbench.policies import Dimension, Formula, Function, Policy

NAME = "learning_rate"
"""The name of the function that computes the whole policy's rate."""

NO_FACTORS = (Dimension.ITERATIONS, Dimension.NUMBER)
"""The dimensions of parameters that formulas do not multiply with what is counted in iterations."""

LINE_WIDTH = 100
"""Columns of a docstring's lines."""


def functions_of(policy: Policy, dialect: Dialect, iterations: int) -> str:
    """The functions as text, the last one, ``learning_rate``, for the whole policy.

    Raises:
        PolicyError: a policy that is closed-loop, holds an LR function without an expression, or has lengths that the
            dialect cannot count.
    """
    writer = _Writer(dialect)
    writer.write(policy, iterations, NAME)
    return "\n\n".join(writer.texts).replace("'float32'", '"float32"')  # Python's own unparser quotes so


class _Writer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._names: dict[tuple[Policy, int], str] = {}
        self.texts: list[str] = []

    def write(self, policy: Policy, iterations: int, name: str | None = None) -> str:
        """Write the functions of a policy with that budget, unless they are written; returns its function's name."""
        known = self._names.get((policy, iterations))
        if known is not None:
            return known
        if name is None:
            stem = f"{policy.name.lower()}_rate"
            names = (stem if number == 1 else f"{stem}_{number}" for number in itertools.count(1))
            name = next(free for free in names if free not in self._names.values())
        self._names[policy, iterations] = name
        values = policy.function.values(policy.parameters, iterations)
        expression = policy.function.expression
        if expression is None:
            raise PolicyError("its formula cannot be written out", where=policy.name, remedy="export its rates, to csv")
        formula = Formula(expression) if isinstance(expression, str) else expression(values)
        lines = self._body(formula, self._numbers(policy.function, vars(values)))
        self.texts.append(function(f"{name}({self._dialect.t})", policy.text, lines))
        return name

    def _calls(self, formula: Formula) -> dict[str, str]:
        """The calls for the rates of the policies that a policy takes, by the names that its formula has for them."""
        calls = {}
        for name, stage in formula.stages:
            start, budget = (0, stage.iterations) if stage.counts_from_run else (stage.start, stage.end - stage.start)
            t = f"{self._dialect.t} - {start}" if start else self._dialect.t
            calls[name] = f"{self.write(Policy.of(stage.policy), budget)}({t})"
        return calls

    def _numbers(self, function: Function, values: Mapping[str, Any]) -> dict[str, float]:
        """The values that are numbers, and the lower and the higher of k0 and k1."""
        factors = {row.name for row in function.parameters if row.dimension not in NO_FACTORS}
        numbers = {
            name: self._dialect.factor(value) if name in factors else value
            for name, value in values.items()
            if isinstance(value, (int, float))
        }
        ends = [numbers[name] for name in ("k0", "k1") if name in numbers]
        return {**numbers, **({"low": min(ends), "high": max(ends)} if ends else {})}

    def _body(self, formula: Formula, numbers: Mapping[str, float]) -> list[str]:
        translate = partial(translated, numbers=numbers, calls=self._calls(formula), dialect=self._dialect)
        names = [(name, translate(text)) for name, text in formula.names]
        phases = [tuple(translate(text) for text in phase) for phase in formula.phases]
        rate = translate(formula.rate)
        everything = [rate, *(tree for _, tree in names), *itertools.chain(*phases)]
        texts = [(ast.unparse(condition), ast.unparse(part)) for condition, part in phases]
        return [
            *self._dialect.opening(everything),
            *(f"{name} = {ast.unparse(tree)}" for name, tree in names),
            *self._dialect.choice(texts, ast.unparse(rate)),
        ]


def function(head: str, docstring: str, lines: list[str]) -> str:
    """A function's text."""
    described = textwrap.wrap(f'"""{docstring}"""', LINE_WIDTH - 4, break_long_words=False)
    return "\n".join([f"def {head}:", *(f"    {line}" for line in [*described, *lines]), ""])
