"""Means over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of the ``n`` values that are known; None where too few are."""

    mean: float | None
    deviation: float | None
    n: int


def summarise(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation and count."""
    n = len(values)
    if n == 0:
        return Summary(None, None, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(mean, None, 1)
    if min(values) == max(values):  # three times 0.1 is not 0.3: a rounding error is no spread
        return Summary(values[0], 0.0, n)
    return Summary(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)), n)
