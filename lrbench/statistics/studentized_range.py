"""Distribution of the studentized range, by quadrature.

The studentized range is the largest difference between the means of ``groups`` normal samples, divided by the standard
error of one mean that is estimated with ``freedom`` degrees of freedom (Tukey 1953):

    P(Q > q) = integral over s of f(s) (1 - R(q s)),   R(w) = groups integral of phi(z) (Phi(z) - Phi(z - w))^(groups -
    1)

with f the density of ``sqrt(chi2 / freedom)``. ``scipy.stats.studentized_range`` has the same numbers in 10 ms each,
after an import of a second; a table of 36 policies has 630 pairs.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NODES = 80
REACH = 8.5
"""Standard deviations from the mean beyond which a normal density is taken as 0."""
LEAST = 1e-18
"""Probability below which one counts as this one; far smaller ones take NumPy ten times as long."""
HIGHEST = 1e4
"""Largest value of which the tail probability is computed; beyond, it is that of this one."""


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Points of the largest mean, and their weights: the normal density times the step."""
    import numpy as np

    points, step = np.linspace(-REACH, REACH, 2 * NODES, retstep=True)
    return points, np.exp(-(points**2) / 2) * step / math.sqrt(2 * math.pi)


@lru_cache(maxsize=256)
def _scales(freedom: float) -> tuple[Floats, Floats]:
    """Points of ``sqrt(chi2 / freedom)``, and the probability that each stands for."""
    import numpy as np

    half = REACH / math.sqrt(2 * freedom)
    low, high = max(0.0, 1 - half), 1 + half
    abscissas, weights = np.polynomial.legendre.leggauss(NODES)
    points = low + (abscissas + 1) * (high - low) / 2
    logarithms = (freedom - 1) * np.log(points) - freedom * (points**2 - 1) / 2
    densities = np.exp(logarithms) * weights
    return points, densities / densities.sum()


def tail(values: Floats, groups: int, freedom: float) -> Floats:
    """Return the probability that the studentized range of at least two groups is above each of the values."""
    import numpy as np
    from scipy.special import ndtr

    points, weights = _nodes()
    scales, probabilities = _scales(freedom)
    below = ndtr(points)
    least = LEAST ** (1 / (groups - 1))
    tails = np.empty(len(values))
    for index, value in enumerate(np.minimum(values, HIGHEST)):
        within = np.maximum(below - ndtr(points - value * scales[:, None]), least)
        tails[index] = probabilities @ (1 - groups * (within ** (groups - 1) @ weights))
    return np.clip(tails, 0, 1)


@lru_cache(maxsize=1024)
def critical_value(groups: int, freedom: float, level: float) -> float:
    """Return the value that the studentized range exceeds with probability ``level``."""
    import numpy as np

    def above(value: float) -> bool:
        return bool(tail(np.array([value]), groups, freedom)[0] > level)

    low, high = 0.0, 4.0
    while high < HIGHEST and above(high):
        low, high = high, 2 * high
    while high - low > 1e-7 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) else (low, middle)
    return high
