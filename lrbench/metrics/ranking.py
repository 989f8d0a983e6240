"""The order of policies by a metric, the same in every table, search and recommendation."""

from __future__ import annotations

import math

from lrbench.metrics.metric import Metric
from lrbench.metrics.summary import Summary, TimesToTarget

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
