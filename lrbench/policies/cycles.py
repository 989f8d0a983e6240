"""The count of cycles and steps, and the place within a cycle.

A length of l iterations stands for the simplest fraction within a few ulp (units in the last place of float64) of l:
10.8 is 54/5, and 33.333333333333336 is 100/3. Whole cycles, and the place within a cycle, are counted exactly with that
fraction, so that a quotient t / l within a few ulp of a whole number is whole: at t = 162, l = 10.8 has been passed 15
times, and at t = 100, l = 100/3 has been passed 3 times. Policies, their exports, imported policies and the stages of
compositions share this count. A length that is a whole number is counted as it is.
"""

from __future__ import annotations

import functools
import math
import sys
from fractions import Fraction

import numpy as np

from lrbench.policies.values import FloatArray

SLACK = Fraction(1, 2**50)
"""The largest relative difference between a length and its fraction: 4 to 8 ulp."""
EXACT = 2**53
"""Up to here float64 holds every whole number."""


@functools.lru_cache(maxsize=1024)
def cycle_fraction(length: float) -> Fraction:
    """The fraction with the smallest denominator within a few ulp of a length; of a whole number that number.

    >>> cycle_fraction(10.8)
    Fraction(54, 5)
    """
    exact = Fraction(length)
    return exact if exact.denominator == 1 else _simplest(exact * (1 - SLACK), exact * (1 + SLACK))


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator in [low, high], by its continued fraction; low is above 0."""
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    below = whole - 1
    return below + 1 / _simplest(1 / (high - below), 1 / (low - below))


def count_cycles(t: FloatArray, length: float) -> tuple[FloatArray, FloatArray, float]:
    """The whole cycles of ``length`` iterations before each t, and the place of t in its cycle.

    Returns:
        The count; how much of t's cycle has passed, and the length of a cycle, both in units in which they are whole
        numbers for a whole t (1/5 of an iteration for a length of 10.8).
    """
    length = min(length, sys.float_info.max)  # twice the largest l is infinite
    fraction = cycle_fraction(length)
    if fraction.denominator > EXACT:  # below 1e-16 iterations: every quotient is a whole number in float64
        return np.floor(t / length), np.zeros_like(t), length
    span = float(fraction.numerator)
    count, since = np.divmod(t * float(fraction.denominator), span)
    return count, since, span


def count_troughs(t: FloatArray, length: float) -> FloatArray:
    """The number of cycles of ``length`` iterations whose middle is at or before each t."""
    return np.floor((count_cycles(t, length / 2)[0] + 1) / 2)


def restarts(length: float, mult: float, last: float) -> FloatArray:
    """The start of each cycle, up to the end of the cycle of ``last``; cycle i is length mult^i iterations long.

    A start within a few ulp of a whole number, for each cycle before it, is whole: 100 + 100 * 1.1 is 210.
    """
    grown = min(last * (mult - 1) / length, sys.float_info.max)
    count = math.ceil(math.log1p(grown) / math.log(mult)) + 1
    lengths = length * float(mult) ** np.arange(count)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    whole = np.rint(starts)
    near = abs(starts - whole) <= 4 * np.arange(1, count + 2) * np.spacing(starts)
    return np.where(near, whole, starts)
