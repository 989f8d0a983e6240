"""Limits and ticks of the axes of figures and of the HTML page. Does not import matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.drawing.theme import LOG_STEPS, RATES_APART, RATES_BELOW

MOST_DECADES = 8


@dataclass(frozen=True)
class RateScale:
    """Limits of an axis of learning rates, and whether it is logarithmic. Rates below ``low`` are drawn at ``low``."""

    logarithmic: bool
    low: float
    high: float


def rate_scale(policies: Iterable[NDArray[np.float64]]) -> RateScale:
    """Return a scale for the rates of several policies.

    It is linear from 0, unless the highest rates of two policies differ by a factor of RATES_APART or more: the higher
    would flatten the other. Then it is logarithmic, down to the lowest positive rate or, if that is lower, to the least
    of the highest rates divided by RATES_BELOW.
    """
    positive = [found for rates in policies if len(found := rates[np.isfinite(rates) & (rates > 0)])]
    if not positive:
        return RateScale(False, 0.0, 1.0)
    tops = [float(found.max()) for found in positive]
    if max(tops) < RATES_APART * min(tops) * (1 - 1e-9):
        return RateScale(False, 0.0, 1.06 * max(tops))
    low = max(min(float(found.min()) for found in positive), min(tops) / RATES_BELOW)
    return RateScale(True, low, 1.25 * max(tops))


def log_ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis between two positive numbers; see LOG_STEPS."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found: list[float] = []
    for steps in LOG_STEPS:
        found = [tick for power in powers for step in steps if low <= (tick := step * 10.0**power) <= high]
        if len(found) >= 3:
            break
    return found[:: max(1, -(-len(found) // MOST_DECADES))]
