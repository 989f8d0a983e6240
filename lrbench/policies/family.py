"""LR functions as families for a search: a base rate, and a shape that depends on neither it nor the run's length.

A function may have several families, such as WARMUP, which warms up before one decay or another. A family's base rate
is the largest rate that its policies use. Its shape is a handful of numbers, such as "cycles in the run" or "what is
left of the rate at the end", so that one search space serves a run of 300 iterations and one of 70,000, and the base
rate can be tuned by itself. Source: the split of base rate and shape of arXiv:2603.10301.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DIGITS = 4
"""Significant digits of the rates that a search tries: finer differences are below the noise of any training."""


@dataclass(frozen=True)
class Shape:
    """One number of a shape: its range, on a logarithmic scale or in whole steps where that is said."""

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """A dimension with a few values to choose among, in order."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Family:
    """A search space of an LR function.

    Args:
        parameters: from the base rate, the shape's values by name and the run's iterations to the function's
            parameters.
        shapes: the numbers and choices that a search makes beside the base rate.
        variant: distinguishes the family from the function's other ones, such as ``LINEAR`` of WARMUP, which a search
            names WARMUP-LINEAR; empty for the first family, which has the function's name.
    """

    parameters: Callable[[float, Mapping[str, Any], int], dict[str, Any]]
    shapes: tuple[Shape | Choice, ...] = ()
    variant: str = ""


FLOOR = Shape("floor", 0.01, 0.5, log=True)
"""The lowest rate, as a share of the base rate."""
LEFT = Shape("left", 0.01, 0.8, log=True)
"""The share of the rate, or of the wave, that is left at the end of the run."""
WARM = Shape("warm", 0.02, 0.3, log=True)
"""The share of the run that is a warm-up."""
POWER = Shape("p", 0.5, 4, log=True)


def rounded(rate: float) -> float:
    """A rate to a few significant digits."""
    return float(f"{rate:.{DIGITS}g}")


def decay_factor(left: float, iterations: int) -> float:
    """The gamma of gamma^t that leaves the share ``left`` after ``iterations``; its distance from 1 is rounded."""
    return float(f"{1 - rounded(1 - left ** (1 / iterations)):.12g}")


def length_of_part(iterations: int, parts: float) -> int:
    """The iterations of one of so many equal parts of a run, rounded up."""
    return max(1, -(-iterations // int(parts)))
