"""Tests of whether policies reach different accuracies at two values of a setting, beyond the seeds' noise.

Policies are tested one by one, and over all of them by the mean of their differences, so that what sets policies apart
does not count as noise; see ``lrbench.statistics.two_values``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary
from lrbench.report.policies import PolicyRow, planned_looks
from lrbench.statistics.all_pairs import LEVEL
from lrbench.statistics.two_values import Untested, both_testable, p_of_all, p_of_each, why_untested

Verdict = Literal["differs", "not told apart", "diverged", "missed", "not comparable"] | Untested


@dataclass(frozen=True)
class Difference:
    """One policy at two values.

    Attributes:
        value: the other value's mean minus the base's; None where a run diverged or missed the target, or there is no
            value.
        verdict: ``differs`` where p is below 5 %; ``missed``: a run missed the target whose time is compared;
            ``not comparable``: not run, or not done, at one.
        p: corrected for the number of policies and, where seeds were added, of planned looks.
    """

    policy: str
    value: float | None
    verdict: Verdict
    p: float | None = None


@dataclass(frozen=True)
class Contrast:
    """One value against another.

    Attributes:
        mean: the mean difference over the policies that both have with neither diverged; None without any.
        tested: how many of those have two seeds or more at both, so that a test was possible; p is over these.
    """

    base: str
    other: str
    differences: Mapping[str, Difference]
    mean: float | None
    p: float | None
    tested: int

    @property
    def differ(self) -> bool:
        """Whether the accuracies differ beyond the seeds' noise, over all policies."""
        return self.p is not None and self.p < LEVEL


def contrast(
    base: str, other: str, first: Mapping[str, PolicyRow], second: Mapping[str, PolicyRow], metric: Metric
) -> Contrast:
    """Compare two values, policy by policy and over all of them."""
    pairs = {policy: (first.get(policy), second.get(policy)) for policy in {**first, **second}}
    known = {policy: found for policy, (one, two) in pairs.items() if (found := _means(one, two, metric))}
    tested = {policy: pair for policy, pair in known.items() if both_testable(pair)}
    looks = planned_looks(row for rows in pairs.values() for row in rows if row is not None)
    each = p_of_each(list(tested.values()), looks)
    p_values = {} if each is None else dict(zip(tested, each, strict=True))
    differences = {}
    for policy, rows in pairs.items():
        if policy not in known:
            present = [row for row in rows if row is not None]
            verdict: Verdict = "not comparable"
            if any(row.diverged for row in present):
                verdict = "diverged"
            elif len(present) == 2 and any(row.missed(metric) for row in present):
                verdict = "missed"
            differences[policy] = Difference(policy, None, verdict)
            continue
        verdict = why_untested(*known[policy])
        if policy in p_values:
            verdict = "differs" if p_values[policy] < LEVEL else "not told apart"
        differences[policy] = Difference(policy, _apart(known[policy]), verdict, p_values.get(policy))
    mean = math.fsum(map(_apart, known.values())) / len(known) if known else None
    return Contrast(base, other, differences, mean, p_of_all(list(tested.values()), looks), len(tested))


def _means(one: PolicyRow | None, other: PolicyRow | None, metric: Metric) -> tuple[Summary, Summary] | None:
    """Return the means to compare; None unless both are final, without runs that diverged or missed the target."""
    if one is None or other is None or one.rank is None or other.rank is None:
        return None
    if one.diverged or other.diverged or one.missed(metric) or other.missed(metric):
        return None
    return one.tested(metric), other.tested(metric)


def _apart(pair: tuple[Summary, Summary]) -> float:
    return (pair[1].mean or 0.0) - (pair[0].mean or 0.0)  # a row with a rank has a mean
