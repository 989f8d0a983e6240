"""Transfer of the best policy from one value of a setting to another, and agreement of the rankings at two values.

The regret is the best mean there minus that of the policy chosen here; whether it is beyond the seeds' noise is
Welch's test between those two, uncorrected, as it is one comparison. Agreement is Kendall's tau-b (Kendall 1945), 1 for
the same order, -1 for the reverse, over the policies with an outcome at both; those that diverged, or missed the target
by whose time they are ranked, rank last, as in the tables. Its interval is a percentile bootstrap (Efron 1979) over
each policy's seeds; with few seeds, such as three, it is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import RankKey, Summary, rank_key, summarise, times_to_target
from lrbench.report.build import standing
from lrbench.report.policies import PolicyRow
from lrbench.report.statistics import LEVEL, Untested, welch, why_untested

DRAWS = 1000
COVERAGE = 0.95

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
    """Agreement of the rankings at two values: tau-b, and its 95 % bootstrap interval.

    Attributes:
        policies: how many it is over.
        tau: None where a ranking has no order, as with one policy.
        low, high: None where a policy has one seed, so that there is nothing to draw from.
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
    means = row.summaries[metric.name], best.summaries[metric.name]
    p = welch(*means)
    if p is None:
        return why_untested(*means), None
    return ("beyond noise" if p < LEVEL else "within noise"), p


def agreement(pair: Pair, one: Mapping[str, PolicyRow], other: Mapping[str, PolicyRow], metric: Metric) -> Agreement:
    """Return Kendall's tau-b between the rankings at two values, with its interval."""
    both = [policy for policy in one if policy in other]
    shared = [policy for policy in both if _has_outcome(one[policy], metric) and _has_outcome(other[policy], metric)]
    sides = [[_seeds(side[policy], metric) for policy in shared] for side in (one, other)]
    tau = _tau(sides, metric)
    if tau is None or min(len(seeds) for side in sides for seeds in side) < 2:
        return Agreement(pair, len(shared), tau)
    generator = np.random.default_rng(0)

    def drawn(seeds: Sequence[_Seed]) -> list[_Seed]:
        return [seeds[index] for index in generator.integers(len(seeds), size=len(seeds))]

    draws = (_tau([[drawn(seeds) for seeds in side] for side in sides], metric) for _ in range(DRAWS))
    known = [draw for draw in draws if draw is not None]
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Agreement(pair, len(shared), tau, float(low), float(high))


@dataclass(frozen=True)
class _Seed:
    """One run: whether it diverged, its value, and what it counts as where it missed the target."""

    diverged: bool
    value: float | None
    budget: float | None


def _has_outcome(row: PolicyRow, metric: Metric) -> bool:
    return not row.provisional and (row.rank is not None or row.diverged + row.missed(metric) > 0)


def _seeds(row: PolicyRow, metric: Metric) -> list[_Seed]:
    return [
        _Seed(run.status == "diverged", run.metrics.get(metric.name), run.target_budgets.get(metric.name))
        for run in row.samples(metric)
    ]


def _standing(seeds: Sequence[_Seed], metric: Metric) -> RankKey:
    if metric.to_target:
        summary: Summary = times_to_target([seed.value for seed in seeds], [seed.budget for seed in seeds])
    else:
        summary = summarise([seed.value for seed in seeds if seed.value is not None])
    return rank_key(summary, sum(seed.diverged for seed in seeds) / len(seeds), metric)


def _tau(sides: Sequence[Sequence[Sequence[_Seed]]], metric: Metric) -> float | None:
    ranks = []
    for side in sides:
        standings = [_standing(seeds, metric) for seeds in side]
        ordered = sorted(set(standings))
        if len(ordered) < 2:
            return None
        ranks.append([ordered.index(own) for own in standings])
    return tau_b(*ranks)


def tau_b(one: Sequence[int], other: Sequence[int]) -> float:
    """Kendall's tau-b of two rankings, each with at least two different ranks.

    SciPy's ``kendalltau`` gives the same number in twenty times the time: it finds a p-value, too.
    """
    x, y = (np.sign(np.subtract.outer(ranks, ranks)) for ranks in (one, other))
    # Each pair of policies is there twice.
    concordance, untied, other_untied = (signs.sum() // 2 for signs in (x * y, x * x, y * y))
    return float(np.clip(concordance / np.sqrt(untied) / np.sqrt(other_untied), -1, 1))
