"""Letters of policies that cannot be told apart, and the ranks that each may have, from tests of all pairs."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Booleans = NDArray[np.bool_]


def letters(different: Booleans) -> list[str]:
    """Return the letters of each policy: two share a letter if and only if they do not differ (Piepho 2004).

    Args:
        different: whether each pair differs, symmetric; policies in the order of their ranks.
    """
    import numpy as np

    alike = ~different
    np.fill_diagonal(alike, True)
    uncovered = alike.copy()
    found: list[list[int]] = [[] for _ in alike]
    number = 0
    for policy in range(len(alike)):
        while uncovered[policy].any():
            group = _largest_group(alike, policy, int(uncovered[policy].argmax()))
            uncovered[np.ix_(group, group)] = False
            for member in group:
                found[member].append(number)
            number += 1
    names = [*string.ascii_letters, *(f"({number + 1})" for number in range(len(string.ascii_letters), number))]
    return ["".join(names[group] for group in own) for own in found]


def _largest_group(alike: Booleans, *members: int) -> list[int]:
    """Extend members that are alike by each further policy, in order, that is like all of the group."""
    import numpy as np

    group = list(dict.fromkeys(members))
    candidates: Booleans = np.logical_and.reduce(alike[group])
    for policy in range(len(alike)):
        if candidates[policy] and policy not in group:
            group.append(policy)
            candidates &= alike[policy]
    return group


def rank_ranges(different: Booleans, unknown: int = 0) -> list[tuple[int, int]]:
    """Return the lowest and the highest rank that each policy may have, at the level of the tests for all at once.

    A policy is surely behind those that are significantly better, and surely before those that are significantly worse
    (Al Mohamad, Goeman and van Zwet, Biometrics 78, 2022).

    Args:
        different: whether each pair differs; policies in the order of their means, the best first.
        unknown: number of further policies that may be better or worse than any of these.
    """
    import numpy as np

    better, worse = np.tril(different).sum(axis=1), np.triu(different).sum(axis=1)
    last = len(different) + unknown
    return [(1 + int(more), last - int(less)) for more, less in zip(better, worse, strict=True)]
