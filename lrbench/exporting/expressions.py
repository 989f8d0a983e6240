"""Formulas as syntax trees: numbers put in for names, and what adds 0 or multiplies by 1 left out."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def expression(text: str) -> ast.expr:
    """The tree of an expression in Python's grammar."""
    return ast.parse(text, mode="eval").body


def number(tree: ast.expr) -> int | float | None:
    """The number that a tree is, if it is one."""
    match tree:
        case ast.Constant(value=int() | float() as value):
            return value
    return None


def simplified(tree: ast.expr, values: Mapping[str, float]) -> ast.expr:
    """The tree with the numbers in place of their names, without terms that are 0 and factors that are 1."""
    result = _Simplifier(values).visit(tree)
    assert isinstance(result, ast.expr)
    return result


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
