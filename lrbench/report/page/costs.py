"""Cost against quality: the policies that are Pareto-optimal, so that no other is both cheaper and better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrbench.errors import plain
from lrbench.metrics.registry import METRICS, Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import counted, heading, mean_and_deviation
from lrbench.report.policies import PolicyRow

COSTS = (
    "iterations_to_target",
    "seconds_to_target",
    "iterations_to_best",
    "train_seconds",
    "cpu_seconds",
    "peak_memory_bytes",
)
MOST_NAMED = 4


def page_costs(workload: WorkloadTable, metric: Metric) -> list[dict[str, Any]]:
    """Return for each cost that two policies have: ``name``, ``title``, ``front`` and ``places``, and a ``sentence``.

    ``places`` are the indices of the compared rows, ``front`` of the Pareto-optimal ones. Compared are rows with a
    rank, without a run that diverged, all of whose seeds have the cost and the metric.
    """
    found = []
    for name in COSTS:
        places = [i for i, row in enumerate(workload.policies) if _counts(row, METRICS[name]) and _counts(row, metric)]
        if name != metric.name and len(places) > 1:
            found.append(_cost(workload, METRICS[name], metric, places))
    return found


def _counts(row: PolicyRow, metric: Metric) -> bool:
    found = row.summaries[metric.name]
    return row.rank is not None and not row.diverged and found.mean is not None and found.n == len(row.samples(metric))


def _cost(workload: WorkloadTable, cost: Metric, metric: Metric, places: Sequence[int]) -> dict[str, Any]:
    rows, sign = workload.policies, -1 if metric.higher_is_better else 1
    front = pareto_front([(_mean(rows[place], cost), sign * _mean(rows[place], metric)) for place in places])
    chosen = [places[index] for index in front]
    named = []
    for row in (rows[place] for place in chosen[: -MOST_NAMED - 1 : -1]):
        spent, reached = (mean_and_deviation(row.summaries[each.name], each.unit) for each in (cost, metric))
        named.append(f"{plain(workload.name(row))} ({spent} for {reached})")
    more = f"; and {len(chosen) - MOST_NAMED} more" if len(chosen) > MOST_NAMED else ""
    missed = sum(row.rank is not None and row.missed(cost) > 0 for row in rows)
    excluded = (
        f" Excluded: {counted(missed, 'policy', 'policies')} with seeds that missed the target." if missed else ""
    )
    return {
        "name": cost.name,
        "title": heading(cost),
        "front": chosen,
        "places": list(places),
        "sentence": f"Pareto-optimal: {'; '.join(named)}{more}.{excluded}",
    }


def _mean(row: PolicyRow, metric: Metric) -> float:
    return row.summaries[metric.name].mean or 0.0


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other dominates: less in one coordinate, no more in the other."""
    front: list[int] = []
    lowest = float("inf")
    for place in sorted(range(len(points)), key=points.__getitem__):
        same = front and points[front[-1]] == points[place]
        if points[place][1] < lowest or same:
            front.append(place)
            lowest = points[place][1]
    return front
