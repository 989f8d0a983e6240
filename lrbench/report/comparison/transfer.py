"""Transfer of the best policy from one value of a setting to another, and agreement of the rankings at two values.

The regret is the best mean there minus that of the policy chosen here; whether it is beyond the seeds' noise is what
the tests of the table there say of the two: the best of it was picked by the same data. Agreement is Kendall's tau-b
(Kendall 1945), 1 for the same order, -1 for the reverse, over the policies with an outcome at both; those that
diverged, or missed the target by whose time they are ranked, rank last, as in the tables. Its interval is that of all
orders which the tests of both tables leave possible: a pair of policies counts as known where the tests tell it apart
at both values, each at half the level, and as anything otherwise. So it covers the agreement of the true orders with
at least 95 % probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrbench.metrics.registry import Metric
from lrbench.report.build import standing
from lrbench.report.policies import PolicyRow, planned_looks
from lrbench.statistics.agreement import known_order, tau_b, tau_range
from lrbench.statistics.all_pairs import LEVEL, all_pairs, testable
from lrbench.statistics.two_values import Untested, why_untested

COVERAGE = 1 - LEVEL

Pair = tuple[str, str]
Verdict = Literal["best", "within noise", "beyond noise", "diverged", "missed", "no outcome", "not run"] | Untested


@dataclass(frozen=True)
class Transfer:
    """The best policy at ``source``, at ``target``.

    Attributes:
        rank, ranked: its rank there, and of how many; None where it has none.
        regret: how much worse than the best there, in the metric's unit; None where a run of it or of that one diverged
            or missed the target.
        verdict: ``best`` there, too; or whether the regret is within the noise of the seeds; or why it is not known.
    """

    source: str
    target: str
    policy: str
    rank: int | None
    ranked: int
    regret: float | None
    verdict: Verdict
    p: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Agreement of the rankings at two values: tau-b, and the interval that covers that of the true orders at 95 %.

    Attributes:
        policies: how many it is over.
        tau: None where a ranking has no order, as with one policy.
        low, high: None where a policy has one seed, or none has any spread, so that nothing is known of the noise.
    """

    pair: Pair
    policies: int
    tau: float | None
    low: float | None = None
    high: float | None = None


def transfer(
    pair: Pair, here: Mapping[str, PolicyRow], there: Mapping[str, PolicyRow], metric: Metric
) -> Transfer | None:
    """Return what the best policy at one value reaches at another; None where no policy here has a rank."""
    policy, chosen = next(iter(here.items()), ("", None))
    if chosen is None or chosen.rank is None:
        return None
    row, best = there.get(policy), next(iter(there.values()))
    ranked = sum(other.rank is not None for other in there.values())
    if row is None or row.rank is None:
        verdict: Verdict = "not run" if row is None else _trouble([row], metric) or "no outcome"
        return Transfer(*pair, policy, None, ranked, None, verdict)
    trouble = _trouble([row, best], metric)
    if trouble is not None:
        return Transfer(*pair, policy, row.rank, ranked, None, "best" if row.rank == 1 else trouble)
    regret = standing(row, metric)[-1] - standing(best, metric)[-1]
    verdict, p = _judged(row, best, metric)
    return Transfer(*pair, policy, row.rank, ranked, regret, verdict, p)


def _trouble(rows: Sequence[PolicyRow], metric: Metric) -> Verdict | None:
    if any(row.diverged for row in rows):
        return "diverged"
    return "missed" if any(row.missed(metric) for row in rows) else None


def _judged(row: PolicyRow, best: PolicyRow, metric: Metric) -> tuple[Verdict, float | None]:
    if row.rank == 1:
        return "best", None
    p = None if row.comparison is None else row.comparison.p
    if p is None:
        return why_untested(row.tested(metric), best.tested(metric)), None
    return ("beyond noise" if p < LEVEL else "within noise"), p


def agreement(pair: Pair, one: Mapping[str, PolicyRow], other: Mapping[str, PolicyRow], metric: Metric) -> Agreement:
    """Return Kendall's tau-b between the rankings at two values, with its interval."""
    shared = [policy for policy in one if policy in other and _has_outcome(one[policy], metric)]
    shared = [policy for policy in shared if _has_outcome(other[policy], metric)]
    sides = [[side[policy] for policy in shared] for side in (one, other)]
    ranks = [_places(rows, metric) for rows in sides]
    if any(len(set(places)) < 2 for places in ranks):
        return Agreement(pair, len(shared), None)
    tau = tau_b(*ranks)
    orders = [_known_order(rows, metric) for rows in sides]
    if orders[0] is None or orders[1] is None:
        return Agreement(pair, len(shared), tau)
    low, high = tau_range(orders[0], orders[1])
    return Agreement(pair, len(shared), tau, min(low, tau), max(high, tau))


def _has_outcome(row: PolicyRow, metric: Metric) -> bool:
    return not row.provisional and (row.rank is not None or row.diverged + row.missed(metric) > 0)


def _places(rows: Sequence[PolicyRow], metric: Metric) -> list[int]:
    standings = [standing(row, metric) for row in rows]
    ordered = sorted(set(standings))
    return [ordered.index(own) for own in standings]


def _known_order(rows: Sequence[PolicyRow], metric: Metric) -> NDArray[np.float64] | None:
    """Return the sign of each difference that the tests tell from 0, else 0; None where the noise is not known."""
    sure = [index for index, row in enumerate(rows) if not row.diverged and not row.missed(metric)]
    summaries = [rows[index].tested(metric) for index in sure]
    if any(summary.n < 2 for summary in summaries):
        return None
    tests = all_pairs(summaries, planned_looks(rows))
    if tests is None or not all(map(testable, summaries)):
        return None
    found = np.zeros((len(rows), len(rows)))
    found[np.ix_(sure, sure)] = known_order(tests)
    return found
