"""The text form, ``NAME(key=value, ...)``, read with Python's own grammar and never evaluated."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from lrbench.errors import PolicyError
from lrbench.policies.values import shown

LONGEST_TEXT = 20_000
"""Characters; a text of more is refused before it is read."""

FORM = "write NAME(key=value, ...), such as TRI(k0=0.01, k1=0.06, l=2000)"

# Whatever a policy needs, and none of what Python's grammar has beyond it: quotes, operators, lambdas, comments.
_FOREIGN = re.compile(r"[^A-Za-z0-9_\s.,=+\-()\[\]]", re.ASCII)


def read_text(text: str) -> dict[str, Any]:
    """The raw mapping form of a text: ``{"function": NAME, key: number | word | list | mapping, ...}``.

    Raises:
        PolicyError: text that is too long or not of the form; a doubled or positional argument.
    """
    if len(text) > LONGEST_TEXT:
        raise PolicyError(
            f"a policy text of {len(text)} characters is too long",
            remedy=f"at most {LONGEST_TEXT} are read; write it as a mapping",
        )
    text = text.strip()
    if not text:
        raise PolicyError("the text of the policy is empty", remedy=FORM)
    foreign = _FOREIGN.search(text)
    if foreign:
        problem = f"{foreign.group()!a} at character {foreign.start() + 1} does not belong in a policy"
        raise PolicyError(problem, where=_place(text), remedy=f"{FORM}, words without quotes")
    try:
        return _call(_parsed(text))
    except PolicyError as error:
        raise error.at(_place(text)) from None


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = f"from character {error.offset} on" if error.offset else "as a whole"
        raise PolicyError(f"the text cannot be read {place}", remedy=FORM) from None
    except (RecursionError, MemoryError, ValueError):
        raise PolicyError("the text nests too deeply to be read", remedy=FORM) from None


def _call(node: ast.expr) -> dict[str, Any]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise PolicyError(f"{_source(node)} is not of the form NAME(key=value, ...)", remedy=FORM)
    name = node.func.id
    if node.args:
        raise PolicyError(f"{name} has the argument {_source(node.args[0])} without a name", remedy=FORM)
    mapping: dict[str, Any] = {"function": name}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in mapping:
            raise PolicyError(f'{name} has the parameter "{keyword.arg}" twice', remedy="give it once")
        mapping[keyword.arg] = _value(keyword.value)
    return mapping


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)):
            if not isinstance(number, bool):
                return -number if isinstance(sign, ast.USub) else number
        case ast.Name(id=word):
            return word
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Call():
            return _call(node)
    remedy = "a value is a number, a word, a [list] or a policy NAME(key=value, ...)"
    raise PolicyError(f"{_source(node)} is not a value", remedy=remedy)


def _source(node: ast.expr) -> str:
    """A part of the text for a message; what nests too deeply to be written out is named by its kind."""
    try:
        return shown(ast.unparse(node))
    except (RecursionError, ValueError):
        return type(node).__name__.lower()


def _place(text: str) -> str:
    return f'policy "{shown(text)}"'
