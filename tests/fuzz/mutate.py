"""Seeded mutations of valid inputs: a few small changes of a text, or of a value that a text or a file holds."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "7",
    "10",
    "50",
    "100",
    "0.5",
    "0.1",
    "0.01",
    "1e-6",
    "-1",
    "1.5",
    "1000",
    "20000",
    "nan",
    "inf",
    "-0.0",
    "2147483647",
    "2147483648",
    "99999999999999999999",
    "1e308",
    "1e400",
    "5e-324",
    "007",
    "",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    3,
    10,
    0.5,
    1e-3,
    10**6,
    2**31,
    2**63,
    10**30,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x",
    "SGD",
    "\x1b[31m",
    "a\nb",
    "é" * 300,
    [],
    [1],
    [1, 2],
    {},
    {"a": 1},
    [[1]],
    {"function": "FIX", "k0": 0.1},
)
PIECES = (
    "",
    " ",
    "\n",
    "\t",
    "\x00",
    "\x1b[2J",
    "\ufeff",
    "\u2028",
    "é",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{" * 50,
    "[" * 400,
    ",",
    "=",
    ":",
    "#",
    '"',
    "'",
    "-",
    "e",
    ".",
    "\\",
    "null",
    "9" * 400,
    "&a ",
    "*a",
    "!!python/name:os.system ",
)


def text(rng: random.Random, given: str) -> str:
    """The text with one to three changes: a number, a word taken twice or left out, lines moved, a piece put in."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choices((_number, _line, _word, _piece, _character), weights=(8, 2, 1, 1, 1))[0]
        given = change(rng, given)
    return given


def _number(rng: random.Random, given: str) -> str:
    found = list(_NUMBER.finditer(given))
    if not found:
        return given
    match = rng.choice(found)
    old = float(match[0])
    near = rng.choice((repr(old * 2), repr(old / 3), str(int(min(old, 1e9)) + 1), str(rng.randrange(10_000))))
    return given[: match.start()] + rng.choice((near, near, near, rng.choice(NUMBERS))) + given[match.end() :]


def _line(rng: random.Random, given: str) -> str:
    lines = given.split("\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[first]
        case 1:
            lines.insert(second, lines[first])
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case _:
            lines[first:] = lines[first : first + rng.randrange(1, 60)]  # cut off
    return "\n".join(lines)


def _word(rng: random.Random, given: str) -> str:
    words = [match.span() for match in re.finditer(r"\w+", given)]
    if not words:
        return given
    (start, end), (first, last) = rng.choice(words), rng.choice(words)
    return given[:start] + rng.choice(("", given[first:last])) + given[end:]


def _piece(rng: random.Random, given: str) -> str:
    at = rng.randrange(len(given) + 1)
    return given[:at] + rng.choice(PIECES) + given[at + rng.randrange(4) :]


def _character(rng: random.Random, given: str) -> str:
    at = rng.randrange(len(given) + 1)
    return given[:at] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x250)))) + given[at + 1 :]


def value(rng: random.Random, given: Any, values: Sequence[Any] = VALUES) -> Any:
    """A copy of a value of mappings and lists, with one or two of those inside it replaced, scaled or left out.

    Args:
        values: what one is replaced by.
    """
    changed = copy.deepcopy(given)
    for _ in range(rng.choice((1, 1, 2))):
        holders = list(_holders(changed))
        if not holders:
            return changed
        holder, key = rng.choice(holders)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(rng.choice(values))
            case 2:
                other, there = rng.choice(holders)
                if there in other if isinstance(other, dict) else there < len(other):
                    holder[key] = copy.deepcopy(other[there])
            case _:
                holder[key] = _scaled(rng, holder[key])
    return changed


def _scaled(rng: random.Random, given: Any) -> Any:
    if isinstance(given, bool):
        return not given
    if isinstance(given, int):
        return rng.choice((given + 1, 2 * given, given // 2, -given, rng.randrange(1000)))
    if isinstance(given, float):
        return given * rng.choice((0.5, 2.0, 1.0001, -1.0, 1e6))
    if isinstance(given, str):
        return text(rng, given)
    return given


def _holders(given: Any) -> Iterator[tuple[Any, Any]]:
    """Each mapping or list inside a value with each of its keys or places."""
    items = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for key, inner in list(items):
        yield given, key
        yield from _holders(inner)
