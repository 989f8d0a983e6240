"""Tests of differences between two values of a setting, such as two engines, over the policies that both have.

The same seed at two values is not the same run, so each policy's seeds are two samples. The comparisons are named
before the data are seen. ``p_of_each`` tests the policies one by one: the noise at each value is pooled over its
policies, or is a policy's own where that is larger, and Student's t has the degrees of freedom of both (Welch 1947;
Satterthwaite 1946). As in ``lrbench.statistics.all_pairs``, a policy's own variance is raised for few seeds; and where
Bartlett's test rejects equal spreads at a value, Welch's test with the two policies' own variances decides, of fewer
than five seeds both. The p-values are corrected for their number (Sidak 1967). ``p_of_all`` tests the mean difference
over the policies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lrbench.metrics.summary import Summary, binary_exponent
from lrbench.statistics.all_pairs import ENOUGH_FOR_WELCH, SPREADS_LEVEL, bartlett, own_variance_factor, testable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SeedsChangeNothing = Literal["seeds change nothing"]
Untested = Literal["one seed", "no spread"] | SeedsChangeNothing
Pair = tuple[Summary, Summary]


@dataclass(frozen=True, eq=False)
class _Value:
    """The policies at one value.

    Attributes:
        means, variances, seeds: of each policy.
        most: largest number of seeds of a policy at any value.
    """

    means: Floats
    variances: Floats
    seeds: Floats
    most: float

    @property
    def freedom(self) -> float:
        return float((self.seeds - 1).sum())

    @property
    def pooled(self) -> float:
        return float((self.seeds - 1) @ self.variances) / self.freedom

    @property
    def guarded(self) -> Floats:
        """Squared errors of the means, by the pooled variance or the policy's own, whichever is larger."""
        import numpy as np

        own = own_variance_factor(self.seeds, self.most) * self.variances
        errors: Floats = np.maximum(self.pooled, own) / self.seeds
        return errors

    @property
    def spreads_differ(self) -> bool:
        return len(self.seeds) > 1 and self.pooled > 0 and bartlett(self.variances, self.seeds) < SPREADS_LEVEL


def _values(pairs: Sequence[Pair]) -> tuple[_Value, _Value] | None:
    """Return both values; None without pairs, and where no policy has any variance."""
    import numpy as np

    every = [each for pair in pairs for each in pair]
    if not any(each.deviation for each in every):
        return None
    exponent = binary_exponent(part or 0.0 for each in every for part in (each.mean, each.deviation))
    most = float(max(each.n for each in every))
    sides = []
    for side in zip(*pairs, strict=True):
        parts = [[math.ldexp(part or 0.0, -exponent) for part in (each.mean, each.deviation)] for each in side]
        means, deviations = np.array(parts, dtype=np.float64).T
        sides.append(_Value(means, deviations**2, np.array([float(each.n) for each in side]), most))
    return sides[0], sides[1]


def p_of_each(pairs: Sequence[Pair], looks: int = 1) -> list[float] | None:
    """Return the two-sided p-value of each policy's difference, corrected for their number; None where there is no
    test.

    Args:
        pairs: each policy at both values, of which each is ``testable``.
        looks: number of planned looks at the results, where seeds are added.
    """
    import numpy as np

    values = _values(pairs)
    if values is None:
        return None
    first, second = values
    differences = np.abs(first.means - second.means)
    of_value = [np.full(len(pairs), value.pooled) / value.seeds for value in values]
    p = _two_sided(differences, first.guarded + second.guarded, of_value, [first.freedom, second.freedom])
    if first.spreads_differ or second.spreads_differ:
        own = [value.variances / value.seeds for value in values]
        welch = _two_sided(differences, own[0] + own[1], own, [first.seeds - 1, second.seeds - 1])
        enough = (np.minimum(first.seeds, second.seeds) >= ENOUGH_FOR_WELCH) & (own[0] + own[1] > 0)
        p = np.where(enough, welch, np.maximum(p, welch))
    corrected = -np.expm1(len(pairs) * np.log1p(-np.minimum(p, 1 - 1e-16)))
    return [float(value) for value in np.minimum(1, looks * corrected)]


def _two_sided(
    differences: Floats, squares: Floats, errors: Sequence[Floats], freedoms: Sequence[float | Floats]
) -> Floats:
    """Return p-values of Student's t with the degrees of freedom of Satterthwaite; 0 where there is no error."""
    import numpy as np
    from scipy.special import stdtr  # scipy.stats has tests, too, but takes 0.9 s to import

    with np.errstate(divide="ignore", invalid="ignore"):
        weights = sum(error**2 / freedom for error, freedom in zip(errors, freedoms, strict=True))
        found: Floats = 2 * stdtr((errors[0] + errors[1]) ** 2 / weights, -differences / np.sqrt(squares))
    return np.where((squares > 0) & (errors[0] + errors[1] > 0), found, 0.0)


def p_of_all(pairs: Sequence[Pair], looks: int = 1) -> float | None:
    """Return the two-sided p-value of the mean, over the policies, of the difference of each; None where there is no
    test.

    The errors of all means add up. That of a policy with fewer seeds than another counts ``(n_max / n)^(1/4)`` times:
    the degrees of freedom of Satterthwaite are too many where the largest errors are those of the fewest seeds.

    Args:
        pairs: each policy at both values, of which each is ``testable``.
        looks: number of planned looks at the results, where seeds are added.
    """
    import numpy as np
    from scipy.special import stdtr

    values = _values(pairs)
    if values is None:
        return None
    errors = [value.variances / value.seeds * (value.most / value.seeds) ** 0.25 for value in values]
    weights = sum(float((error**2 / (value.seeds - 1)).sum()) for error, value in zip(errors, values, strict=True))
    error = float(sum(each.sum() for each in errors))
    difference = abs(float((values[0].means - values[1].means).sum()))
    return float(min(1, looks * 2 * stdtr(error**2 / weights, -difference / np.sqrt(error))))


def why_untested(first: Summary, second: Summary) -> Untested:
    """Return why two means are not tested."""
    if min(first.n, second.n) > 1:
        return "no spread"
    return "seeds change nothing" if first.equal_seeds or second.equal_seeds else "one seed"


def both_testable(pair: Pair) -> bool:
    """Whether both means can be tested."""
    return testable(pair[0]) and testable(pair[1])
