"""The types that LR functions share: values of parameters, policies inside policies, and controllers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = "int | float | str | tuple[Any, ...] | RatePolicy"
Row: TypeAlias = Mapping[str, float]
"""An evaluation: numbers by name."""

SHOWN_CHARACTERS = 80
"""The length up to which a message quotes a refused value."""

WHOLE_BELOW = 1e16
"""Below it every whole float64 is written with all of its digits; from there on ``repr`` uses an exponent."""


class Controller(ABC):
    """A policy in one run, from its first iteration on."""

    @abstractmethod
    def rates(self, start: int, end: int) -> FloatArray:
        """The rates of iterations ``start`` ... ``end - 1``, of which none lies before the last evaluation shown."""

    @abstractmethod
    def observe(self, row: Row) -> None:
        """Take note of an evaluation; they come in order.

        Args:
            row: numbers by name; ``iteration`` is how many iterations were done by then, and what could not be measured
                is NaN or absent.
        """


class RatePolicy(ABC):
    """The interface of a policy that an LR function takes as a parameter; ``Policy`` implements it."""

    __slots__ = ()

    @property
    @abstractmethod
    def mapping(self) -> dict[str, Any]:
        """The YAML form."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The canonical text."""

    @property
    @abstractmethod
    def closed_loop(self) -> bool:
        """Whether the rates depend on a run's evaluations."""

    @abstractmethod
    def rates(self, t: npt.ArrayLike, iterations: int) -> FloatArray:
        """The learning rates at iterations t of a run of ``iterations``."""

    @abstractmethod
    def start(self, iterations: int) -> Controller:
        """A controller at the beginning of a run of ``iterations``."""

    @abstractmethod
    def check(self, iterations: int) -> None:
        """Raise PolicyError if a run of ``iterations`` is impossible."""

    @abstractmethod
    def check_length(self, iterations: int, end: int | None = None) -> None:
        """Raise PolicyError if the policy does not fit a budget of ``iterations``, used up to ``end`` if given."""

    @abstractmethod
    def refuse_to_count_from_run(self, parameter: str) -> None:
        """Raise PolicyError if the policy is closed-loop, because ``parameter`` is ``run``."""


class Values(SimpleNamespace):
    """A function's parameters by name (``v.k0``), and what it runs in.

    ``v.iterations`` is the budget: the run's iterations, or those of the stage that the function counts in. ``v.end``
    is the first t that does not occur, below the budget where a stage that counts from the run's start ends early.
    """


def canonical_number(number: float) -> int | float:
    """The number in its canonical form: whole ones as int, so that 2000.0 is 2000 and -0.0 is 0."""
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
