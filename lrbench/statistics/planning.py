"""Differences that a number of seeds can show, and numbers of seeds that a difference takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from lrbench.statistics.all_pairs import ENOUGH_FOR_WELCH, LEVEL, AllPairs, own_variance_factor, pairs_of
from lrbench.statistics.studentized_range import critical_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POWER = 0.8
"""Probability with which a difference is found that the seeds are said to show."""
MOST_SEEDS = 1000
EXACT_UP_TO = 20
"""Seeds up to which the difference is computed; beyond, it falls with the square root of their number."""
NODES = 16


@lru_cache(maxsize=512)
def smallest_difference(policies: int, seeds: int, looks: int = 1) -> float:
    """Return the difference of two means that is significant with probability ``POWER``, in standard deviations.

    The test is that of ``AllPairs`` without unequal spreads. The probability is over the variances that the seeds of
    the two policies and of all others happen to have, each by 16 quantiles of its distribution.

    Args:
        policies: number of policies in the table.
        seeds: of each policy, at least 2.
        looks: number of planned looks at the table, where seeds are added.
    """
    error = math.sqrt(2 / seeds)
    thresholds = _thresholds(policies, seeds, LEVEL / looks)
    return _solved(lambda difference: _found(difference, thresholds, error) - POWER, 0, 100)


def _thresholds(policies: int, seeds: int, level: float) -> Floats:
    """Differences above which a pair is significant, over the variances that seeds may have."""
    import numpy as np

    first, second = np.meshgrid(*[_variances(seeds - 1)] * 2)
    own = (seeds - 1) * (first + second)
    freedom = policies * (seeds - 1)
    others = _variances(freedom - 2 * (seeds - 1)) if policies > 2 else np.zeros(1)
    pooled = (own + (freedom - 2 * (seeds - 1)) * others[:, None, None]) / freedom
    factor = float(own_variance_factor(np.array([float(seeds)]), seeds)[0])
    variances = (np.maximum(pooled, factor * first) + np.maximum(pooled, factor * second)) / 2
    limits: Floats = critical_value(policies, freedom, level) * np.sqrt(variances / seeds)
    return limits


def _variances(freedom: float) -> Floats:
    """Quantiles of the sample variance of a standard normal distribution."""
    import numpy as np
    from scipy.special import gammaincinv

    quantiles: Floats = gammaincinv(freedom / 2, (np.arange(NODES) + 0.5) / NODES) / (freedom / 2)
    return quantiles


def _found(difference: float, thresholds: Floats, error: float) -> float:
    from scipy.special import ndtr

    beyond = ndtr((difference - thresholds) / error) + ndtr((-difference - thresholds) / error)
    return float(beyond.mean())


def _solved(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is 0, to four digits."""
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return high


def seeds_for(difference: float, policies: int, looks: int = 1) -> int | None:
    """Return the seeds of each policy that show a difference; None where they are more than ``MOST_SEEDS``.

    Args:
        difference: of two means, in standard deviations over the seeds.
        policies: number of policies in the table.
        looks: number of planned looks at the table, where seeds are added.
    """
    at_most = smallest_difference(policies, EXACT_UP_TO, looks)
    if difference < at_most:
        seeds = EXACT_UP_TO * (at_most / difference) ** 2 if difference > 0 else math.inf
        return math.ceil(seeds) if seeds <= MOST_SEEDS else None
    low, high = 1, EXACT_UP_TO
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if smallest_difference(policies, middle, looks) <= difference else (middle, high)
    return high


def smallest_shown(tests: AllPairs) -> float | None:
    """Return the difference that the seeds of a table find in 4 of 5 cases, in the unit of the metric.

    Where the spreads differ, that between the first two policies; None where neither of these has any.
    """
    by_tukey = smallest_difference(len(tests.means), tests.usual_seeds, tests.looks) * tests.deviation
    if tests.method == "Tukey":
        return by_tukey
    if not tests.variances[:2].any():
        return None
    by_welch = _welch_difference(tests, 0, 1)
    return by_welch if tests.seeds[:2].min() >= ENOUGH_FOR_WELCH else max(by_welch, by_tukey)


def _welch_difference(tests: AllPairs, first: int, second: int) -> float:
    """Return the difference that Welch's test, corrected for all pairs, finds between two policies of a table.

    In the unit of the metric, with probability ``POWER``, where their deviations are those of their seeds.
    """
    from scipy.special import stdtrit

    errors = [float(tests.variances[index] / tests.seeds[index]) for index in (first, second)]
    shares = [error / sum(errors) for error in errors]  # whose squares stay above 0 where those of errors do not
    weights = [share**2 / (float(tests.seeds[index]) - 1) for share, index in zip(shares, (first, second), strict=True)]
    level = -math.expm1(math.log1p(-LEVEL / tests.looks) / pairs_of(len(tests.means)))
    freedom = 1 / sum(weights)
    critical = -float(stdtrit(freedom, level / 2)) - float(stdtrit(freedom, 1 - POWER))
    return math.ldexp(critical * math.sqrt(sum(errors)), tests.exponent)
