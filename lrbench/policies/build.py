"""From text or a mapping to a policy, with every value checked.

The text form, ``NAME(key=value, ...)``, is read with Python's own grammar and never evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lrbench.errors import PolicyError, placed
from lrbench.policies.function import Function
from lrbench.policies.parameters import Default, Nested, NestedList
from lrbench.policies.table import find_function
from lrbench.policies.values import RatePolicy, Value, shown

LONGEST_TEXT = 20_000
"""Characters; a text of more is refused before it is read."""

FORM = "write NAME(key=value, ...), such as TRI(k0=0.01, k1=0.06, l=2000)"

# Whatever a policy needs, and none of what Python's grammar has beyond it: quotes, operators, lambdas, comments.
_FOREIGN = re.compile(r"[^A-Za-z0-9_\s.,=+\-()\[\]]", re.ASCII)

P = TypeVar("P", bound=RatePolicy)

_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,40}")
"""A name that stands for an LR function without its parameters, such as ``cosine annealing``."""
MOST_LEVELS = 32
"""Mappings and lists inside each other; a composition of a composition takes two levels."""
MOST_VALUES = 100_000
"""Values in one policy, each counted as often as it is referred to."""


def build_policy(entry: object, make: Callable[[Function, Mapping[str, Value]], P]) -> P | RatePolicy:
    """The policy of an entry: a text, a mapping, or a policy, which is returned as it is.

    Args:
        make: makes a policy of a function and values that go together.

    Raises:
        PolicyError: an entry that is no policy, or an impossible value.
    """
    if isinstance(entry, RatePolicy):
        return entry
    raw, function = read_row(entry)
    _refuse_unknown(function, raw)
    values = {name: function.read(name, _built(function, name, raw[name], make)) for name in raw if name != "function"}
    _refuse_missing(function, values)
    for parameter in function.parameters:
        if not isinstance(parameter.default, Default):
            values.setdefault(parameter.name, parameter.default)
    if len(values) == len(function.parameters):
        function.values(values, 1)  # its rule; with a value missing, that waits for the run's iterations
    policy = make(function, values)
    if policy.closed_loop and function.start is None:
        raise function.placed(PolicyError("it cannot take a policy that reacts to evaluations"))
    return policy


def _refuse_unknown(function: Function, raw: Mapping[str, Any]) -> None:
    """Refuse several unknown parameters at once; a single one is refused, with the nearest name, as it is read."""
    unknown = [shown(name) for name in raw if name != "function" and function.parameter(name) is None]
    if len(unknown) > 1:
        raise PolicyError(
            f"unknown parameters {', '.join(unknown)}",
            where=function.name,
            remedy=f"it takes {', '.join(row.name for row in function.parameters)}",
        )


def _refuse_missing(function: Function, values: Mapping[str, Any]) -> None:
    missing = [row for row in function.parameters if row.required and row.name not in values]
    if len(missing) == 1:
        raise function.placed(PolicyError(f"the parameter {missing[0].name} is missing ({missing[0].meaning})"))
    if missing:
        *first, last = (f"{row.name} ({row.meaning})" for row in missing)
        raise function.placed(PolicyError(f"the parameters {', '.join(first)} and {last} are missing"))


def _built(function: Function, name: str, raw: object, make: Callable[[Function, Mapping[str, Value]], P]) -> object:
    """A raw value, with the policies in it built where the parameter takes policies."""
    parameter = function.parameter(name)
    if isinstance(parameter, Nested) and not isinstance(raw, (list, tuple)):
        with placed(f"{function.name}: {name}"):
            return build_policy(raw, make)
    if not isinstance(parameter, NestedList) or not isinstance(raw, (list, tuple)):
        return raw
    policies = []
    for index, item in enumerate(raw):
        with placed(f"{function.name}: {name}[{index}]"):
            policies.append(build_policy(item, make))
    return policies


def read_row(entry: object) -> tuple[Mapping[str, Any], Function]:
    """The raw mapping of an entry, which is text or a mapping, and the function that it names."""
    if isinstance(entry, str):
        if _WORDS.fullmatch(entry):
            with placed(_place(entry.strip())):
                find_function(entry.strip())  # a function's name alone lacks the form
        entry = read_text(entry)
        refuse_huge(entry)
    if not isinstance(entry, Mapping):
        raise PolicyError(f"{shown(entry)} is not a policy", remedy=f"{FORM}, or a mapping with the key function")
    name = entry.get("function")
    if not isinstance(name, str):
        problem = f"function is {shown(name)}" if "function" in entry else "the key function is missing"
        raise PolicyError(f"{problem} in the policy {shown(dict(entry))}", remedy="give the LR function's name")
    return entry, find_function(name)


def refuse_huge(entry: object) -> None:
    """Refuse what nests too deeply, holds itself, or repeats a part too often, as YAML's references can."""
    waiting, seen = [(entry, 0)], 1
    while waiting:
        value, level = waiting.pop()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        seen += len(inner)
        if level > MOST_LEVELS or seen > MOST_VALUES:
            raise PolicyError(
                "the policy nests too deeply, holds itself or is too large",
                remedy=f"at most {MOST_LEVELS} levels and {MOST_VALUES} values are read",
            )
        waiting.extend((item, level + 1) for item in inner)


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
    with placed(_place(text)):
        return _call(_parsed(text))


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
