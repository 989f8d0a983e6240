"""Significance tests of differences between means over seeds.

Welch's t-test asks whether two policies' means differ, without taking their spreads to be equal:
``t = (a - b) / sqrt(e_a + e_b)`` with ``e = s^2 / n`` of each, against Student's t with
``(e_a + e_b)^2 / (e_a^2/(n_a - 1) + e_b^2/(n_b - 1))`` degrees of freedom, two-sided (Welch 1947).
Each policy of a table is compared with the best of it, so the p-values are corrected for their number by Holm's
method (Holm 1979). The best was picked by the same numbers, so the test says "worse" slightly too often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lrbench.metrics.summary import Summary, binary_exponent

LEVEL = 0.05

SeedsChangeNothing = Literal["seeds change nothing"]
Untested = Literal["one seed", "no spread"] | SeedsChangeNothing
Verdict = Literal["best", "worse", "not told apart", "diverged", "missed"] | Untested


@dataclass(frozen=True)
class Comparison:
    """A policy against the best of its table.

    Attributes:
        verdict: ``worse`` where the corrected p is below 5%. ``one seed``: one of the two has a single value, and
            ``no spread``: neither has any variance, so that there is nothing to measure the difference with.
            ``seeds change nothing``: all evaluations of one of the two are equal over its seeds, likewise.
            ``diverged``: some of its runs did, so that a test of the others would say nothing of the policy.
            ``missed``: likewise, where some runs missed the target whose time is compared.
        p: two-sided p-value of Welch's test, None where there was none.
        p_holm: p-value corrected for the number of comparisons in the table.
    """

    verdict: Verdict
    p: float | None = None
    p_holm: float | None = None


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


def compare_with_best(best: Summary, others: Sequence[Summary]) -> list[Comparison]:
    """Compare each of the others, which all rank below the best, with it."""
    p_values = [welch(best, other) for other in others]
    corrected = iter(holm([p for p in p_values if p is not None]))
    found = []
    for other, p in zip(others, p_values, strict=True):
        if p is None:
            found.append(Comparison(why_untested(best, other)))
        else:
            p_holm = next(corrected)
            found.append(Comparison("worse" if p_holm < LEVEL else "not told apart", p, p_holm))
    return found
