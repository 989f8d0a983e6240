"""Formulas translated for each framework: plain Python for PyTorch, traced array operations for JAX and Keras.

Lengths are counted in whole numbers, by the fractions that ``lrbench.policies.cycles`` gives them: l = 333.3 is ten t
in 3333. In float32, which JAX and Keras compute in, a gamma near 1 loses its last digits, and gamma^t the first ones:
there gamma^t is exp(t log(gamma)), with the logarithm taken in float64. Before, numbers are put in for names, and terms
that are 0 and factors that are 1 are left out.
"""

from __future__ import annotations

import ast
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lrbench.errors import PolicyError
from lrbench.policies.cycles import cycle_fraction

LARGEST_INT32 = 2**31 - 1
_FUNCTIONS = ("sin", "cos", "exp", "expm1", "log1p", "sqrt")


class Dialect(ABC):
    """The translation of expressions for one framework; ``t`` names the argument of the functions written."""

    t = "t"
    names: Mapping[str, str]

    def cast(self, whole: str) -> str:
        """Code for a whole number that is used beside floats."""
        return whole

    def counted(self, length: float) -> tuple[str, int] | None:
        """The ``_ratio`` of a length; None if it is longer than any run."""
        return _ratio(length)

    def turns(self, length: float) -> str:
        """Code for the number of whole cycles of ``length`` before t."""
        return self.cast(self._turns(length))

    def troughs(self, length: float) -> str:
        """Code for the number of cycles of ``length`` whose middle is at or before t."""
        return self.cast(f"({self._turns(length / 2)} + 1) // 2")

    def _turns(self, length: float) -> str:
        counted = self.counted(length)
        return f"{counted[0]}{self.t} // {counted[1]}" if counted else f"0 * {self.t}"

    def phase(self, length: float) -> str:
        """Code for the share of t's cycle that has passed."""
        counted = self.counted(length)
        if counted is None:
            return f"t / {float(length)!r}"
        return f"{self.cast(f'{counted[0]}{self.t} % {counted[1]}')} / {counted[1]}"

    def reached(self, boundaries: Sequence[float]) -> str:
        """Code for the number of boundaries that are at most t."""
        return f"sum([{self.cast(f'{self.t} >= b')} for b in {tuple(boundaries)!r}])"

    @abstractmethod
    def power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        """A power."""

    def opening(self, expressions: Sequence[ast.expr]) -> list[str]:
        """The first statements of a function that computes these expressions."""
        return []

    def constant(self, value: float) -> float:
        """A number as the framework takes it."""
        return value

    def factor(self, value: float) -> float:
        """A number that may be multiplied with t."""
        return value

    @abstractmethod
    def choice(self, phases: Sequence[tuple[str, str]], rate: str) -> list[str]:
        """The statements that return the rate of the first phase whose condition holds, else ``rate``."""


class PlainPython(Dialect):
    """Numbers, with Python's math module."""

    names = MappingProxyType({name: f"math.{name}" for name in ("pi", *_FUNCTIONS)})

    def power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        value = number(base)
        return _raised(base if value is None else ast.Constant(float(value)), exponent)  # 2 ** 10000 is no float

    def choice(self, phases: Sequence[tuple[str, str]], rate: str) -> list[str]:
        lines = [line for condition, text in phases for line in (f"if {condition}:", f"    return {text}")]
        return [*lines, f"return {rate}"]


class Traced(Dialect):
    """Arrays of a module, traced, in float32; ``end`` is the first t that does not occur."""

    module: str

    def __init__(self, end: int) -> None:
        functions = {"min": "minimum", "max": "maximum", **{name: name for name in _FUNCTIONS}}
        self.names = {"pi": "math.pi", **{name: f"{self.module}.{function}" for name, function in functions.items()}}
        self._end = end

    def counted(self, length: float) -> tuple[str, int] | None:
        """The ``_ratio`` of a length; None if the run is shorter than a cycle that 32-bit integers cannot count."""
        times = cycle_fraction(length).denominator
        if times * self._end > LARGEST_INT32:
            raise PolicyError(
                f"a cycle of {length} iterations cannot be counted in 32-bit integers",
                remedy="round l, or give the run's iterations where they are few",
            )
        return _ratio(length) if length * times <= LARGEST_INT32 else None

    def constant(self, value: float) -> float:
        return value if abs(value) <= LARGEST_INT32 else float(value)  # JAX raises OverflowError for a larger integer

    def factor(self, value: float) -> float:
        return float(value)  # a product of integers would wrap around at 2^31

    def reached(self, boundaries: Sequence[float]) -> str:
        return super().reached([boundary for boundary in boundaries if boundary <= LARGEST_INT32])

    def power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        value = number(base)
        if value is None or number(exponent) is not None:
            return _raised(base, exponent)
        if math.frexp(value)[0] == 0.5:  # a power of two, which float32 holds exactly
            return _raised(ast.Constant(float(value)), exponent)
        return expression(f"{self.module}.exp(({ast.unparse(exponent)}) * math.log({value!r}))")

    def choice(self, phases: Sequence[tuple[str, str]], rate: str) -> list[str]:
        where = f"{self.module}.where"
        if len(phases) < 2:
            return [f"return {where}({condition}, {text}, {rate})" for condition, text in phases] or [f"return {rate}"]
        lines = [f"rate = {where}({condition}, {text}, rate)" for condition, text in reversed(phases)]
        return [f"rate = {rate}", *lines, "return rate"]


class Jax(Traced):
    """jax.numpy, whose integers become float32 beside a float."""

    module = "jnp"


class Keras(Traced):
    """keras.ops on any backend; some mix no integers with floats, so that each integer is cast before it is used."""

    t = "step"
    module = "ops"

    def cast(self, whole: str) -> str:
        return f"ops.cast({whole}, 'float32')"

    def opening(self, expressions: Sequence[ast.expr]) -> list[str]:
        named = {node.id for tree in expressions for node in ast.walk(tree) if isinstance(node, ast.Name)}
        return [f"t = {self.cast('step')}"] if "t" in named else []


def translated(text: str, numbers: Mapping[str, float], calls: Mapping[str, str], dialect: Dialect) -> ast.expr:
    """The tree of an expression in a dialect, with numbers and calls in place of their names.

    Terms that are 0 and factors that are 1 are left out.
    """
    tree = _Translator(dialect, calls).visit(_Simplifier(numbers).visit(expression(text)))
    assert isinstance(tree, ast.expr)
    return tree


class _Translator(ast.NodeTransformer):
    def __init__(self, dialect: Dialect, calls: Mapping[str, str]) -> None:
        self._dialect, self._names = dialect, {**dialect.names, **calls}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return expression(self._names.get(node.id, node.id))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        value = number(node)
        return node if value is None else ast.Constant(self._dialect.constant(value))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        return self._dialect.power(left, right) if isinstance(node.op, ast.Pow) else ast.BinOp(left, node.op, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node.func:
            case ast.Name(id="turns" | "troughs" | "phase" | "reached" as name):
                return expression(getattr(self._dialect, name)(ast.literal_eval(node.args[1])))
        return ast.Call(self.visit(node.func), [self.visit(argument) for argument in node.args], [])


def _raised(base: ast.expr, exponent: ast.expr) -> ast.expr:
    return ast.BinOp(base, ast.Pow(), exponent)


def _ratio(length: float) -> tuple[str, int]:
    """The factor of t and the number that count a cycle exactly: ``""`` and 2000, or ``"10 * "`` and 3333 of 333.3."""
    exact = cycle_fraction(length)
    return "" if exact.denominator == 1 else f"{exact.denominator} * ", exact.numerator


def expression(text: str) -> ast.expr:
    """The tree of an expression in Python's grammar."""
    return ast.parse(text, mode="eval").body


def number(tree: ast.expr) -> int | float | None:
    """The number that a tree is, if it is one."""
    match tree:
        case ast.Constant(value=int() | float() as value):
            return value
    return None


class _Simplifier(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self._values[node.id]) if node.id in self._values else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        return _shorter(left, node.op, right) or ast.BinOp(left, node.op, right)


def _shorter(left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr | None:
    """The shorter form of an operation that is none, or of a product or difference of whole numbers; else None."""
    first, second = number(left), number(right)
    match operator:
        case ast.Add() if first == 0:
            return right
        case ast.Add() | ast.Sub() if second == 0:
            return left
        case ast.Sub() if isinstance(first, int) and isinstance(second, int):
            return ast.Constant(first - second)
        case ast.Sub() if first is not None and first == second:
            return ast.Constant(0)
        case ast.Mult() if first is not None and second is not None:
            return ast.Constant(first * second)
        case ast.Mult() | ast.Div() if first == 0:
            return left
        case ast.Mult() if second == 0 or first == 1:
            return right
        case ast.Mult() | ast.Div() | ast.Pow() if second == 1:
            return left
    return None
