"""Tests of all pairs of several policies' means, with one error probability for the whole table.

Tukey's HSD, the default, divides each difference by its standard error from the variance that is pooled over all
policies, and refers it to the studentized range (Tukey 1953; for unequal counts Kramer 1956): the probability of one
false alarm or more is at most the level, also for the pair of the best and the worst, which the data themselves pick.
It assumes that all policies vary alike over the seeds. One whose standard deviation is three times that of the others'
would raise the false alarms to 12 to 20 %, and the few seeds of a table cannot rule that out. So a policy counts with
its own variance where that is larger than the pooled one, raised for what few seeds leave unknown of it
(``own_variance_factor``). The p-value is never below Tukey's own.

Where Bartlett's test rejects equal spreads at 5 %, each pair is compared by Welch's t-test instead, corrected for the
number of pairs (Sidak 1967); a pair with fewer than five seeds must pass Tukey's test as well. The measured error
probabilities and power of all of this are in docs/how-to/read-the-statistics.md, by ``scripts/measure_statistics``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from lrbench.metrics.summary import Summary, binary_exponent
from lrbench.statistics.studentized_range import critical_value, tail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

LEVEL = 0.05
"""Probability of one false alarm or more in a table."""
SPREADS_LEVEL = 0.05
"""Level of the test of equal spreads."""
SMALLEST_SHARE = 0.02
"""Share of the pooled variance below which a policy's own counts as that, in the test of equal spreads: the logarithm
of the variance of values that are equal by rounding is not finite."""
ENOUGH_FOR_WELCH = 5
"""Seeds of both policies from which Welch's test alone decides where spreads differ."""

Method = Literal["Tukey", "Welch"]


def own_variance_factor(seeds: Floats, most: float) -> Floats:
    """Return what each policy's own variance is multiplied by, before the larger of it and the pooled one counts.

    ``(1 + 1 / (n - 1)^2) * (n_max / n)^1.5``: a variance of few values may be small by chance, and a policy with fewer
    seeds than others would otherwise be compared as if its spread were known as well as theirs.

    Args:
        most: the largest number of seeds.
    """
    factors: Floats = (1 + 1 / (seeds - 1) ** 2) * (most / seeds) ** 1.5
    return factors


def bartlett(variances: Floats, seeds: Floats) -> float:
    """Return the p-value of Bartlett's test of equal variances (Bartlett 1937), of two policies or more."""
    import numpy as np
    from scipy.special import chdtrc

    own, freedom = seeds - 1, float((seeds - 1).sum())
    raised = np.maximum(variances, SMALLEST_SHARE * (own @ variances / freedom))
    ratio = freedom * np.log(own @ raised / freedom) - own @ np.log(raised)
    correction = 1 + ((1 / own).sum() - 1 / freedom) / (3 * (len(own) - 1))
    return float(chdtrc(len(own) - 1, ratio / correction))


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Means of two policies or more, each of at least two seeds, compared in pairs.

    Attributes:
        means, variances, seeds: of each policy; the unit of the first two is ``2^exponent``.
        exponent: keeps the squares of large values finite.
        looks: number of planned looks at the table while seeds are added, for which levels and p-values are corrected;
            see ``lrbench.statistics.sequential``.
    """

    means: Floats
    variances: Floats
    seeds: Floats
    exponent: int = 0
    looks: int = 1

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the pooled variance."""
        return float((self.seeds - 1).sum())

    @cached_property
    def _pooled(self) -> float:
        return float((self.seeds - 1) @ self.variances) / self.freedom

    @property
    def deviation(self) -> float:
        """Pooled standard deviation, in the unit of the metric."""
        return math.ldexp(math.sqrt(self._pooled), self.exponent)

    @property
    def deviations(self) -> tuple[float, float]:
        """Smallest and largest standard deviation of a policy, in the unit of the metric."""
        low, high = (math.sqrt(float(value)) for value in (self.variances.min(), self.variances.max()))
        return math.ldexp(low, self.exponent), math.ldexp(high, self.exponent)

    @property
    def usual_seeds(self) -> int:
        """Median number of seeds of a policy."""
        return int(sorted(self.seeds)[len(self.seeds) // 2])

    def gap(self, first: int, second: int) -> float:
        """Return the absolute difference of two means, in the unit of the metric."""
        return math.ldexp(abs(float(self.means[first] - self.means[second])), self.exponent)

    @cached_property
    def spreads_p(self) -> float:
        """p-value of Bartlett's test of equal spreads."""
        return bartlett(self.variances, self.seeds)

    @property
    def method(self) -> Method:
        """The test: Tukey's, or Welch's where the spreads clearly differ."""
        return "Welch" if self.spreads_p < SPREADS_LEVEL else "Tukey"

    @cached_property
    def _errors(self) -> Floats:
        """Standard error of a mean in Tukey's test of each pair."""
        import numpy as np

        variances = np.maximum(self._pooled, own_variance_factor(self.seeds, self.seeds.max()) * self.variances)
        errors = variances / self.seeds
        both: Floats = np.sqrt(np.add.outer(errors, errors) / 2)
        return both

    @cached_property
    def _statistics(self) -> Floats:
        """Tukey's statistic of each pair: difference over standard error of a mean."""
        import numpy as np

        found: Floats = np.abs(np.subtract.outer(self.means, self.means))
        return found / self._errors

    @cached_property
    def _welch_errors(self) -> tuple[Floats, Floats]:
        """Variance of each pair's difference by its own variances, and Welch's degrees of freedom; NaN without any."""
        import numpy as np

        errors = self.variances / self.seeds
        both, weights = np.add.outer(errors, errors), errors**2 / (self.seeds - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return both, both**2 / np.add.outer(weights, weights)

    @cached_property
    def welch(self) -> Floats:
        """p-value of Welch's test of each pair, corrected for their number; 0 where neither policy has a variance."""
        import numpy as np
        from scipy.special import stdtr

        both, freedom = self._welch_errors
        with np.errstate(divide="ignore", invalid="ignore"):
            single = 2 * stdtr(freedom, -np.abs(np.subtract.outer(self.means, self.means)) / np.sqrt(both))
            corrected = -np.expm1(pairs_of(len(self.means)) * np.log1p(-np.minimum(single, 1)))
        return np.where(both > 0, corrected, 0.0)

    @cached_property
    def _needs_tukey(self) -> Booleans:
        """Whether each pair must pass Tukey's test: all of them, unless Welch's is possible and decides."""
        import numpy as np

        if self.method == "Tukey":
            return np.ones((len(self.seeds),) * 2, dtype=bool)
        few = np.minimum.outer(self.seeds, self.seeds) < ENOUGH_FOR_WELCH
        without_any: Booleans = np.maximum.outer(self.variances, self.variances) == 0
        return few | without_any

    def p_values(self, policy: int) -> Floats:
        """Return the p-value of each policy against one of them, corrected for all pairs of the table and all looks."""
        import numpy as np

        found = np.zeros(len(self.means)) if self.method == "Tukey" else self.welch[policy]
        tukey = tail(self._statistics[policy], len(self.means), self.freedom)
        of_one_look = np.where(self._needs_tukey[policy], np.maximum(found, tukey), found)
        p_values: Floats = np.minimum(1, self.looks * of_one_look)
        return p_values

    def different(self, level: float = LEVEL) -> Booleans:
        """Return whether the means of each pair differ significantly, of the shape (policies, policies)."""
        import numpy as np

        nominal = level / self.looks
        beyond = self._statistics > critical_value(len(self.means), self.freedom, nominal)
        found: Booleans = np.where(self._needs_tukey, beyond, True)
        return found if self.method == "Tukey" else found & (self.welch < nominal)

    def half_widths(self, level: float = LEVEL) -> Floats:
        """Return the half widths of simultaneous intervals of all differences, in the unit of the metric.

        A pair differs significantly if its difference exceeds it.
        """
        import numpy as np
        from scipy.special import stdtrit

        nominal = level / self.looks
        tukey = critical_value(len(self.means), self.freedom, nominal) * self._errors
        found = np.where(self._needs_tukey, tukey, 0.0)
        if self.method == "Welch":
            both, freedom = self._welch_errors
            single = -math.expm1(math.log1p(-nominal) / pairs_of(len(self.means)))
            found = np.maximum(found, np.nan_to_num(-stdtrit(freedom, single / 2) * np.sqrt(both)))
        scaled: Floats = np.ldexp(found, self.exponent)
        return scaled


def testable(summary: Summary) -> bool:
    """Whether a mean can be tested: it is of several seeds, and their deviation is finite."""
    return summary.deviation is not None and math.isfinite(summary.deviation)


def pairs_of(policies: int) -> int:
    """Return the number of pairs."""
    return math.comb(policies, 2)


def all_pairs(summaries: Sequence[Summary], looks: int = 1) -> AllPairs | None:
    """Return the tests of the means that are ``testable``; None with fewer than two, or where none has any variance.

    Args:
        looks: number of planned looks, where seeds are added.
    """
    import numpy as np

    known = [each for each in summaries if testable(each)]
    if len(known) < 2:
        return None
    exponent = binary_exponent(part or 0.0 for each in known for part in (each.mean, each.deviation))
    parts = [[math.ldexp(part or 0.0, -exponent) for part in (each.mean, each.deviation)] for each in known]
    means, deviations = np.array(parts, dtype=np.float64).T
    if not deviations.any():
        return None
    return AllPairs(means, deviations**2, np.array([each.n for each in known], dtype=np.float64), exponent, looks)
