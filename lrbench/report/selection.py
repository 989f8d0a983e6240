"""Which policy of a workload to use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrbench.metrics.registry import METRICS, Metric
from lrbench.metrics.summary import Summary, TimesToTarget
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import number
from lrbench.report.policies import PolicyRow


@dataclass(frozen=True)
class Selection:
    """The policy to use, out of those that are not significantly worse than the best.

    Seeds do not tell these apart by the metric that ranks them, so that other properties decide: the smallest share of
    runs that diverged, then the fewest iterations to the target (to the best accuracy where there is no target; of a
    time to the target the restricted mean), then the smallest standard deviation of the metric, then the rank.

    Attributes:
        alike: all that it was selected from, in the order of their rank.
        reason: what decided, empty where there was nothing to decide.
    """

    row: PolicyRow
    alike: tuple[PolicyRow, ...]
    reason: str


def select(workload: WorkloadTable, metric: Metric) -> Selection | None:
    """The policy to use by a ranking; None where no policy has a rank."""
    ranked = [row for row in workload.policies if row.rank is not None]
    if not ranked:
        return None
    alike = [row for row in ranked if row.comparison and row.comparison.verdict in ("best", "not told apart")]
    alike = alike or [row for row in ranked if row.rank == 1]
    row = min(alike, key=lambda each: (_diverged(each), _cost(each, workload), _deviation(each, metric), each.rank))
    return Selection(row, tuple(alike), _reason(row, alike, workload))


def _reason(row: PolicyRow, alike: list[PolicyRow], workload: WorkloadTable) -> str:
    others = [other for other in alike if other is not row]
    mean = _cost_summary(row, workload).mean
    if not others or mean is None:
        return ""
    what = METRICS[_cost_name(workload)].title
    fewest = f"the fewest {what}, {number(mean, 'iterations')}"
    alone = all(_cost(row, workload) < _cost(other, workload) for other in others)
    return fewest if alone else f"{fewest}, and the smallest deviation of those with as few"


def _diverged(row: PolicyRow) -> float:
    return row.diverged / max(1, len(row.runs))


def _cost_name(workload: WorkloadTable) -> str:
    return "iterations_to_best" if workload.target is None else "iterations_to_target"


def _cost_summary(row: PolicyRow, workload: WorkloadTable) -> Summary:
    return row.summaries[_cost_name(workload)]


def _cost(row: PolicyRow, workload: WorkloadTable) -> tuple[float, float]:
    summary = _cost_summary(row, workload)
    if isinstance(summary, TimesToTarget):
        return summary.order
    return 0.0, math.inf if summary.mean is None else summary.mean


def _deviation(row: PolicyRow, metric: Metric) -> float:
    deviation = row.summaries[metric.name].deviation
    return math.inf if deviation is None else deviation
