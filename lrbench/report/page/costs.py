"""Cost against quality: which policies are on the front, where nothing is both cheaper and better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrbench.errors import plain
from lrbench.metrics.registry import METRICS, Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import heading, mean_and_deviation
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
    """For each cost that two policies have: its ``name``, ``title``, ``front`` (places of rows) and a ``sentence``.

    Only rows with a rank are set against each other, none of whose runs diverged and all of whose seeds reached what
    the cost is of; a cost that no two of them have is left out.
    """
    return [_cost(workload, METRICS[name], metric, places) for name, places in _comparable(workload, metric)]


def _comparable(workload: WorkloadTable, metric: Metric) -> Iterator[tuple[str, list[int]]]:
    for name in COSTS:
        places = [
            place for place, row in enumerate(workload.policies) if _counts(row, name) and _counts(row, metric.name)
        ]
        if name != metric.name and len(places) > 1:
            yield name, places


def _counts(row: PolicyRow, name: str) -> bool:
    found = row.summaries[name]
    return row.rank is not None and not row.diverged and found.mean is not None and found.n == len(row.counted)


def _cost(workload: WorkloadTable, cost: Metric, metric: Metric, places: Sequence[int]) -> dict[str, Any]:
    rows = workload.policies
    front = pareto_front([(_mean(rows[place], cost), _badness(rows[place], metric)) for place in places])
    chosen = [places[index] for index in front]
    named = "; ".join(_named(workload, rows[place], cost, metric) for place in chosen[: -MOST_NAMED - 1 : -1])
    more = f"; and {len(chosen) - MOST_NAMED} more" if len(chosen) > MOST_NAMED else ""
    return {
        "name": cost.name,
        "title": heading(cost),
        "front": chosen,
        "places": list(places),
        "sentence": f"Pareto-optimal (nothing is both cheaper and better): {named}{more}.{_left_out(workload, cost)}",
    }


def _left_out(workload: WorkloadTable, cost: Metric) -> str:
    """How many policies are not set against the others, as a seed missed the target that the cost is of."""
    missed = sum(row.rank is not None and row.missed(cost) > 0 for row in workload.policies)
    policies = "policy of which a seed" if missed == 1 else "policies of which a seed each"
    return f" Left out: {missed} {policies} missed the target." if missed else ""


def _named(workload: WorkloadTable, row: PolicyRow, cost: Metric, metric: Metric) -> str:
    spent, got = (mean_and_deviation(row.summaries[one.name], one.unit) for one in (cost, metric))
    return f"{plain(workload.name(row))} ({spent} for {got})"


def _mean(row: PolicyRow, metric: Metric) -> float:
    return row.summaries[metric.name].mean or 0.0


def _badness(row: PolicyRow, metric: Metric) -> float:
    return -_mean(row, metric) if metric.higher_is_better else _mean(row, metric)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points than which no other is less in one coordinate and no more in the other, from left."""
    front: list[int] = []
    lowest = float("inf")
    for place in sorted(range(len(points)), key=points.__getitem__):
        same = front and points[front[-1]] == points[place]
        if points[place][1] < lowest or same:
            front.append(place)
            lowest = points[place][1]
    return front
