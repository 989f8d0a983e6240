"""Welch's t-test of differences that were named before the data were seen, and Holm's correction for several of them.

Welch's t-test asks whether two policies' means differ, without taking their spreads to be equal:
``t = (a - b) / sqrt(e_a + e_b)`` with ``e = s^2 / n`` of each, against Student's t with
``(e_a + e_b)^2 / (e_a^2/(n_a - 1) + e_b^2/(n_b - 1))`` degrees of freedom, two-sided (Welch 1947).
It serves to compare one policy at two values of a setting; of several policies the p-values are corrected for their
number by Holm's method (Holm 1979). Policies of one table are compared in all pairs: ``lrbench.statistics.all_pairs``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from lrbench.metrics.summary import Summary, binary_exponent

SeedsChangeNothing = Literal["seeds change nothing"]
Untested = Literal["one seed", "no spread"] | SeedsChangeNothing


def welch(first: Summary, second: Summary) -> float | None:
    """Two-sided p-value of Welch's t-test; None where one has fewer than two values or neither has any variance."""
    return welch_over_pairs([(first, second)])


def welch_over_pairs(pairs: Sequence[tuple[Summary, Summary]]) -> float | None:
    """Welch's test of the mean, over several pairs, of the difference within each: two-sided p-value.

    The errors of all means add up, and with them the degrees of freedom (Satterthwaite 1946); for one pair it is
    Welch's test itself. None where one has fewer than two values, where none has any variance, and without pairs.
    """
    known = [each for pair in pairs for each in pair]
    deviations = [each.deviation for each in known if each.deviation is not None]
    if len(deviations) < len(known) or not any(deviations) or not all(map(math.isfinite, deviations)):
        return None
    exponent = binary_exponent(deviations)  # squares of large deviations would overflow
    error, weight, differences = 0.0, 0.0, []
    for pair in pairs:
        for each in pair:
            own = math.ldexp(each.deviation or 0.0, -exponent) ** 2 / each.n
            error += own
            weight += own**2 / (each.n - 1)
        differences.append((pair[1].mean or 0.0) - (pair[0].mean or 0.0))  # each with a deviation has a mean
    from scipy.special import stdtr  # scipy.stats has the whole test, but takes 0.9 s to import

    return float(2 * stdtr(error**2 / weight, -abs(math.fsum(differences)) / math.ldexp(math.sqrt(error), exponent)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values by Holm's method, which controls the probability of any false positive; keeps their order."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def why_untested(first: Summary, second: Summary) -> Untested:
    """Return why Welch's test says nothing of two means."""
    if min(first.n, second.n) > 1:
        return "no spread"
    return "seeds change nothing" if first.equal_seeds or second.equal_seeds else "one seed"
