"""Means over seeds, times to a target accuracy that some seeds missed, and the order of policies by both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from lrbench.metrics.metric import Metric


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of the ``n`` values that are known; None where too few are.

    Attributes:
        equal_seeds: whether the value is that of several seeds that change nothing, which are one sample: ``n`` is 1,
            and the deviation is not known.
    """

    mean: float | None
    deviation: float | None
    n: int
    equal_seeds: bool = field(default=False, kw_only=True)


def summarise(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation and count of the finite values; NaN and infinities are left out of all three."""
    known = [value for value in values if math.isfinite(value)]
    n = len(known)
    if n == 0:
        return Summary(None, None, 0)
    if n == 1:
        return Summary(known[0], None, 1)
    if min(known) == max(known):  # three times 0.1 is not 0.3: a rounding error is no spread
        return Summary(known[0], 0.0, n)
    exponent = binary_exponent(known)
    scaled = [math.ldexp(value, -exponent) for value in known]
    mean = math.fsum(scaled) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in scaled) / (n - 1))
    return Summary(_ldexp(mean, exponent), _ldexp(deviation, exponent), n)


def with_spacing(summary: Summary, spacing: float) -> Summary:
    """Return a summary of values on a grid with the variance of their rounding, ``spacing^2 / 12``, in its deviation.

    Iterations to a target are known up to the interval between evaluations only: three equal values are no proof that
    the seeds do not differ. The sum is for significance tests.
    """
    if summary.deviation is None or not spacing:
        return summary
    return replace(summary, deviation=math.hypot(summary.deviation, spacing / math.sqrt(12)))


def _ldexp(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)


def binary_exponent(values: Iterable[float]) -> int:
    """Return e so that each value divided by 2^e, which is exact, is at most 1/2: its square does not overflow."""
    return math.frexp(max(map(abs, values)))[1] + 1


@dataclass(frozen=True)
class TimesToTarget(Summary):
    """Times to a target over several runs, some of which may have missed it.

    ``mean`` and ``deviation`` are over the ``n`` runs that reached the target, and say nothing of the others.

    Attributes:
        runs: the number of runs, those that missed the target included.
        restricted_mean: ``sum_i min(T_i, B_i) / runs``, where ``T_i`` is the time at which run i reached the target,
            infinite if it missed it, and ``B_i`` its budget: a run that missed the target counts with its whole budget.
            This is the restricted mean survival time (Royston and Parmar, "Restricted mean survival time", BMC Medical
            Research Methodology 13:152, 2013) and a lower bound of the mean of ``T_i``. None without runs, and where
            the budget of a run that missed the target is not known.
    """

    runs: int
    restricted_mean: float | None

    @property
    def missed(self) -> int:
        """Number of runs that missed the target."""
        return self.runs - self.n

    @property
    def order(self) -> tuple[float, float]:
        """The sort key of every ranking by a time to a target, the best first.

        The larger share of runs that reached the target comes first, then the lower restricted mean.
        """
        share = self.n / self.runs if self.runs else 0.0
        return -share, math.inf if self.restricted_mean is None else self.restricted_mean


def times_to_target(times: Sequence[float | None], budgets: Sequence[float | None]) -> TimesToTarget:
    """Summarise the times at which runs reached a target.

    Args:
        times: a value for each run, in the unit of the budgets; None where the run missed the target.
        budgets: for each run the time that a miss counts as; None where it is not known.
    """
    reached = summarise([time for time in times if time is not None])
    counted = [budget if time is None else time for time, budget in zip(times, budgets, strict=True)]
    known = [value for value in counted if value is not None]
    restricted = math.fsum(known) / len(known) if known and len(known) == len(counted) else None
    return TimesToTarget(reached.mean, reached.deviation, reached.n, len(times), restricted)


RankKey = tuple[float, float, float]
"""Sort key of a policy, the best first; its last number is how good the policy is, the lower the better."""


def rank_key(summary: Summary, diverged_share: float, metric: Metric) -> RankKey:
    """Sort key of a policy by a metric over its seeds.

    By a time to the target: the share of runs that reached it, then the share that diverged, then the restricted mean.
    By any other metric: the share of runs that diverged, then the mean, so that a policy of which some runs diverged
    ranks behind every one of which none did. An unknown value comes last.

    Args:
        summary: the metric over the seeds.
        diverged_share: share of the seeds whose run diverged, from 0 to 1.
    """
    if isinstance(summary, TimesToTarget):
        share, time = summary.order
        return share, diverged_share, time
    if summary.mean is None:
        return 0.0, diverged_share, math.inf
    return 0.0, diverged_share, -summary.mean if metric.higher_is_better else summary.mean
