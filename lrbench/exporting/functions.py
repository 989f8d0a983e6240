"""Functions of t, in a dialect, that compute a policy's rates: one for each LR function and composition in it."""

from __future__ import annotations

import ast
import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

from lrbench.errors import PolicyError
from lrbench.exporting.dialects import Dialect, said
from lrbench.exporting.formulas import FORMULAS, Formula, Span
from lrbench.policies import Policy, find_function
from lrbench.policies.values import Values

NAME = "learning_rate"
"""The name of the function that computes the whole policy's rate."""

FACTORS = ("k0", "k1", "k2", "gamma", "factor")
"""Parameters that formulas multiply with what is counted in iterations."""

LINE_WIDTH = 100
"""Columns of a docstring's lines."""


def functions_of(policy: Policy, dialect: Dialect, iterations: int) -> str:
    """The functions as text, the last one, ``learning_rate``, for the whole policy.

    Raises:
        PolicyError: a policy that is closed-loop, holds an LR function of another package, or has lengths that the
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
        """Write the functions of a policy with that budget, where they are not there yet; its function's name."""
        known = self._names.get((policy, iterations))
        if known is not None:
            return known
        name = name or self._free(f"{policy.name.lower()}_rate")
        self._names[policy, iterations] = name
        values = find_function(policy.name).values(policy.parameters, iterations)
        lines = self._body(self._formula(policy, values), self._numbers(vars(values)))
        self.texts.append(function(f"{name}({self._dialect.t})", policy.text, lines))
        return name

    def _free(self, stem: str) -> str:
        names = (stem if number == 1 else f"{stem}_{number}" for number in itertools.count(1))
        return next(name for name in names if name not in self._names.values())

    def _formula(self, policy: Policy, v: Values) -> Formula:
        match policy.name:
            case "SCALE":
                return Formula(f"factor * {self._stage(v.policy, 0, v.iterations)}")
            case "WARMUP":
                return self._warmup(v)
            case "COMPOSE":
                return self._compose(v)
        if policy.name not in FORMULAS:
            raise PolicyError("its formula cannot be written out", where=policy.name, remedy="export its rates, to csv")
        return FORMULAS[policy.name](v)

    def _stage(self, policy: Policy, start: int, iterations: int) -> str:
        """The call for the rate of a policy that counts from ``start`` on and has that budget."""
        t = f"{self._dialect.t} - {start}" if start else self._dialect.t
        return f"{self.write(policy, iterations)}({t})"

    def _warmup(self, v: Values) -> Formula:
        start = 0 if v.count == "run" else v.l
        target = float(v.policy.rates([v.l - start], v.iterations - start)[0])
        climb = Span(("k0", v.k0), (repr(target), target), "t / l", "(l - t) / l").rate()
        return Formula(self._stage(v.policy, start, v.iterations - start), phases=(("t < l", climb),))

    def _compose(self, v: Values) -> Formula:
        counts = v.count if isinstance(v.count, tuple) else (v.count,) * len(v.policies)
        edges = itertools.pairwise((0, *v.boundaries, v.iterations))
        rates = [
            self._stage(policy, 0, v.iterations) if count == "run" else self._stage(policy, start, end - start)
            for policy, (start, end), count in zip(v.policies, edges, counts, strict=True)
        ]
        conditions = [f"t < {boundary}" for boundary in v.boundaries]
        return Formula(rates[-1], phases=tuple(zip(conditions, rates[:-1], strict=True)))

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        """The values that are numbers, and the lower and the higher of k0 and k1."""
        numbers = {
            name: self._dialect.factor(value) if name in FACTORS else value
            for name, value in values.items()
            if isinstance(value, (int, float))
        }
        ends = [numbers[name] for name in ("k0", "k1") if name in numbers]
        return {**numbers, **({"low": min(ends), "high": max(ends)} if ends else {})}

    def _body(self, formula: Formula, numbers: Mapping[str, float]) -> list[str]:
        names = [(name, said(text, numbers, self._dialect)) for name, text in formula.names]
        phases = [tuple(said(text, numbers, self._dialect) for text in phase) for phase in formula.phases]
        rate = said(formula.rate, numbers, self._dialect)
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
