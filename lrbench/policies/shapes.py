"""The shapes that rates follow between two ends, computed so that both ends keep their last digits.

``1 - x`` loses digits where x is near 1. So a phase is measured from both of its ends, by ``passed`` and ``left``,
which add up to 1, and each end's rate is weighted by the one that is small where that rate fades out.
"""

from __future__ import annotations

import numpy as np

from lrbench.policies.values import FloatArray


def passed(t: FloatArray, start: float, end: float) -> FloatArray:
    """The share of a phase that has passed: 0 up to its start, 1 from its end on."""
    return np.clip((t - start) / (end - start), 0.0, 1.0)


def left(t: FloatArray, start: float, end: float) -> FloatArray:
    """The share of a phase that is left: 1 up to its start, 0 from its end on."""
    return np.clip((end - t) / (end - start), 0.0, 1.0)


def blend(first: float, last: float, remaining: FloatArray, elapsed: FloatArray) -> FloatArray:
    """``first`` where all remains, ``last`` where all has elapsed; the two weights add up to 1."""
    return np.asarray(first * remaining + last * elapsed)


def linear(x: FloatArray) -> FloatArray:
    """x."""
    return x


def sine(x: FloatArray) -> FloatArray:
    """sin(pi x / 2): 0 at x = 0, 1 at x = 1, steepest at 0."""
    return np.sin(np.pi / 2 * x)


def cosine(x: FloatArray) -> FloatArray:
    """(1 - cos(pi x)) / 2 in a form that keeps its digits near x = 0: flat at both ends; of 1 - x, the rest to 1."""
    return np.sin(np.pi / 2 * x) ** 2


def square_root(x: FloatArray) -> FloatArray:
    """1 - sqrt(1 - x) in a form that keeps its digits near x = 0."""
    return np.asarray(x / (1 + np.sqrt(1 - x)))
