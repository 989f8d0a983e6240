"""Comparison of each policy of a ranking with the best of it, and with all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lrbench.metrics.summary import Summary
from lrbench.statistics.all_pairs import LEVEL, all_pairs, testable
from lrbench.statistics.groups import letters, rank_ranges
from lrbench.statistics.two_values import Untested, why_untested

Verdict = Literal["best", "worse", "not told apart", "diverged", "missed"] | Untested


@dataclass(frozen=True)
class Comparison:
    """A policy against the best of its table, and against all others of it.

    Attributes:
        verdict: ``worse`` where p is below 5%. ``one seed``: one of the two has a single value, and
            ``no spread``: no policy has any variance, so that there is nothing to measure the difference with.
            ``seeds change nothing``: all evaluations of one of the two are equal over its seeds, likewise.
            ``diverged``: some of its runs did, so that a test of the others would say nothing of the policy.
            ``missed``: likewise, where some runs missed the target whose time is compared.
        p: two-sided p-value against the best, corrected for all pairs of the table; None where there was no test.
        group: letters; policies that share one do not differ significantly. Empty where the policy was not tested.
        ranks: lowest and highest rank that the policy may have by the tests; None where nothing was tested.
    """

    verdict: Verdict
    p: float | None = None
    group: str = ""
    ranks: tuple[int, int] | None = None


def compare(summaries: Sequence[Summary], looks: int = 1) -> list[Comparison]:
    """Compare policies with the best and with each other; see ``lrbench.statistics.all_pairs`` for the tests.

    Args:
        summaries: the best first, in the order of the means.
        looks: number of planned looks at the table, where seeds are added.
    """
    verdicts: list[Verdict] = ["best", *(why_untested(summaries[0], other) for other in summaries[1:])]
    tests = all_pairs(summaries, looks)
    if tests is None:
        return [Comparison(verdict) for verdict in verdicts[: len(summaries)]]
    different, tested = tests.different(), [index for index, each in enumerate(summaries) if testable(each)]
    ranks = rank_ranges(different, len(summaries) - len(tested))
    groups = dict(zip(tested, zip(letters(different), ranks, strict=True), strict=True))
    found = []
    for index, p in enumerate(p_values(summaries, 0, looks)):
        judged: Verdict = verdicts[index] if p is None else "worse" if p < LEVEL else "not told apart"
        found.append(Comparison(judged, p, *groups.get(index, ("", (1, len(summaries))))))
    return found


def p_values(summaries: Sequence[Summary], against: int, looks: int = 1) -> list[float | None]:
    """Return the p-value of each policy against one of them, corrected for all pairs; None where there is no test."""
    tests, found = all_pairs(summaries, looks), [None] * len(summaries)
    if tests is None or not testable(summaries[against]):
        return [*found]
    tested = [index for index, each in enumerate(summaries) if testable(each)]
    known = dict(zip(tested, map(float, tests.p_values(tested.index(against))), strict=True))
    return [None if index == against else known.get(index) for index in range(len(summaries))]
