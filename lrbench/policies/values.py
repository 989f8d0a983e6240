"""What the parameters of a policy may hold, and how each value is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lrbench.policies.policy import Policy

FloatArray: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = "int | float | str | tuple[Any, ...] | Policy"

SHOWN_CHARACTERS = 80
"""How much of a value that was refused its message repeats."""

WHOLE_BELOW = 1e16
"""Below it every whole float64 is written with all of its digits; from there on ``repr`` uses an exponent."""


class Values(SimpleNamespace):
    """A function's parameters by name (``v.k0``), and what it runs in.

    ``v.iterations`` is the budget: the run's iterations, or those of the stage that the function counts in. ``v.end``
    is the first t that does not occur, below the budget where a stage that counts from the run's start ends early.
    """


def canonical_number(number: float) -> int | float:
    """The same number in the one form it is written in: whole ones as int, so that 2000.0 is 2000 and -0.0 is 0."""
    number = float(number)  # an int has no is_integer before Python 3.12
    return int(number) if number.is_integer() and abs(number) < WHOLE_BELOW else number


def value_text(value: Value) -> str:
    """A value as it stands in a policy's canonical text."""
    if isinstance(value, tuple):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    return str(value)


def value_mapping(value: Value) -> Any:
    """A value as it stands in a policy's YAML form: numbers, words, lists and mappings alone."""
    if isinstance(value, tuple):
        return [value_mapping(item) for item in value]
    if isinstance(value, (int, float, str)):
        return value
    return value.mapping


def shown(value: object) -> str:
    """A value that was refused, short enough for a message of one line."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes out no integer of more than 4300 digits
        return "an integer of thousands of digits"
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
