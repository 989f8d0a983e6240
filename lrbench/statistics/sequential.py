"""Seeds that are added until a table tells its policies apart, and the correction for looking at it several times.

The numbers of seeds at which the results are looked at are planned. Each look tests at the same nominal level, the
level of the whole divided by the number of planned looks: constant nominal levels are Pocock's (Biometrika 64, 1977),
their size is Bonferroni's, so that the probability of a false alarm at any look is at most the level of the whole,
whatever decides when to stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrbench.statistics.all_pairs import AllPairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIRST_LOOK = 3
GROWTH = 1.6
"""Ratio of the numbers of seeds at two looks in a row, about."""


def planned_looks(most: int) -> tuple[int, ...]:
    """Return the numbers of seeds at which results are looked at, the last one ``most``: 3, 5, 8, 12, 20 for 20.

    Args:
        most: largest number of seeds of a policy, at least 3.
    """
    steps = max(round(math.log(most / FIRST_LOOK) / math.log(GROWTH)), int(most > FIRST_LOOK))
    return tuple(round(FIRST_LOOK * (most / FIRST_LOOK) ** (step / max(1, steps))) for step in range(steps + 1))


@dataclass(frozen=True)
class SeedPlan:
    """Half width at which a difference is known well enough, and the numbers of seeds at each look."""

    half_width: float
    looks: tuple[int, ...]


def unsettled(tests: AllPairs, half_width: float) -> NDArray[np.bool_]:
    """Return the pairs that neither differ significantly nor are known to within ``half_width``, symmetric.

    Args:
        half_width: largest half width of the interval of a difference, in the unit of the metric.
    """
    import numpy as np

    found: NDArray[np.bool_] = ~tests.different() & (tests.half_widths() > half_width)
    np.fill_diagonal(found, False)
    return found
