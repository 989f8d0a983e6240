"""Ranking of the measured policies of one workload: the best ones, and those and the rates to avoid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lrbench.errors import PolicyError
from lrbench.metrics.objective import AnyTarget, Objective
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import RankKey, rank_key
from lrbench.policies import Policy, parse_policy
from lrbench.tuning.database.entry import Entry

LOOKED_AT = 1 << 18
"""Largest number of iterations at which a policy's rates are computed to find their peak."""


@dataclass(frozen=True)
class Avoidance:
    """A policy to avoid.

    Attributes:
        policy: as it was used.
        why: ``diverged``, or ``missed``: every seed was trained to the end without reaching the target.
        count: with how many of its seeds.
        measured_here: whether on the workload itself, or on a similar one.
    """

    policy: str
    why: Literal["diverged", "missed"]
    count: int
    entry: Entry
    measured_here: bool


@dataclass(frozen=True)
class RateLimit:
    """Rates above ``trained`` are to be avoided: the smallest peak rate beyond it failed.

    Attributes:
        trained: the largest peak rate of a policy that trained, of ``trained_by``.
        failed: the smallest larger one that diverged or learnt next to nothing, of ``failed_by``; None where no
            larger one was tried, so that nothing is known of larger rates.
    """

    trained: float
    trained_by: Entry
    failed: float | None = None
    failed_by: Entry | None = None


def ranked(entries: Iterable[Entry], target: AnyTarget | None, metric: Metric) -> list[Entry]:
    """Return the entries worth recommending, the best first: no seed diverged, and all went on to the end or target.

    With a target: those that reached it, in the order of the times to it. Without, or where that is equal: in the order
    of the metric. See ``rank_key``. Entries that lack the metric are left out.
    """

    def order(entry: Entry) -> tuple[RankKey | str, ...]:
        soonest = [] if target is None else [entry.times_to(target)]
        keys = [rank_key(summary, 0, metric) for summary in (*soonest, entry.spread(metric.name))]
        return *keys, entry.policy, entry.id

    sound = [entry for entry in entries if entry.diverged_share == 0 and entry.spread(metric.name).n]
    if target is None:
        return sorted((entry for entry in sound if any(run.whole for run in entry.samples)), key=order)
    return sorted((entry for entry in sound if entry.reached(target).reached), key=order)


def avoidances(
    entries: Sequence[Entry], target: AnyTarget | None, objective: Objective, *, measured_here: bool
) -> Iterator[Avoidance]:
    """Yield the policies that diverged, the worst first, then those that missed the target, the worst first."""
    diverged = [entry for entry in entries if entry.diverged_share]
    for entry in sorted(diverged, key=lambda entry: (-entry.diverged_share, entry.policy, entry.id)):
        count = sum(run.status == "diverged" for run in entry.samples)
        yield Avoidance(effective_text(entry), "diverged", count, entry, measured_here)
    if target is not None:
        others = [entry for entry in entries if entry not in diverged]
        missed = [entry for entry in others if entry.reached(target).missed == len(entry.samples)]

        def worst_first(entry: Entry) -> tuple[float, str, str]:
            mean = entry.spread(objective.best_metric.name).mean
            return -math.inf if mean is None else objective.order(mean), entry.policy, entry.id

        for entry in sorted(missed, key=worst_first):
            yield Avoidance(effective_text(entry), "missed", len(entry.samples), entry, measured_here)


def rate_limit(entries: Sequence[Entry], objective: Objective) -> RateLimit | None:
    """Return the largest rate that trained, and what happened above; None where nothing trained.

    A policy trained where no seed diverged and the net learnt at least half as much as the best one did. Without
    accuracies, as the value of another metric without training is not known, where every seed got better after its
    first evaluation.
    """
    least = best_mean(entries) / 2
    peaks = [(peak, entry) for entry in entries if (peak := peak_rate(entry)) is not None]

    def trained(entry: Entry) -> bool:
        if entry.diverged_share:
            return False
        if objective.is_accuracy or entry.best_accuracy.n:
            return (mean := entry.best_accuracy.mean) is not None and mean >= least
        return all(run.judged_by.column == objective.column and len(run.bests) > 1 for run in entry.samples)

    good = [(peak, entry) for peak, entry in peaks if trained(entry)]
    if not good:
        return None
    top, by = max(good, key=lambda pair: (pair[0], pair[1].id))
    beyond = [(peak, entry) for peak, entry in peaks if peak > top]
    if not beyond:
        return RateLimit(top, by)
    return RateLimit(top, by, *min(beyond, key=lambda pair: (pair[0], pair[1].id)))


def effective_policy(entry: Entry) -> Policy | None:
    """Return the policy with the rates that the net got; None where it is of a package that is not here."""
    try:
        return parse_policy(entry.policy).scaled(entry.lr_scale)
    except PolicyError:
        return None


def effective_text(entry: Entry) -> str:
    """Return the text of ``effective_policy``; where that is None, the entry's own text with its factor."""
    policy = effective_policy(entry)
    if policy is not None:
        return policy.text
    return entry.policy if entry.lr_scale == 1 else f"{entry.policy} x{entry.lr_scale:g}"


def peak_rate(entry: Entry) -> float | None:
    """Return the largest rate of an entry's policy in its workload's run, an upper bound for a closed-loop one.

    None where the policy cannot be read.
    """
    policy, iterations = effective_policy(entry), entry.workload.iterations
    if policy is None:
        return None
    t = np.unique(np.linspace(0, iterations - 1, min(iterations, LOOKED_AT)).astype(np.int64))
    try:
        return max(float(bound.rates(t, iterations).max()) for bound in policy.upper_bounds)
    except PolicyError:
        return None


def best_mean(entries: Iterable[Entry]) -> float:
    """Return the highest mean of the best accuracies, 0 where none has any."""
    means = [entry.best_accuracy.mean for entry in entries]
    return max((mean for mean in means if mean is not None and math.isfinite(mean)), default=0.0)
