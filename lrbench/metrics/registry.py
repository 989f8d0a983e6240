"""The metrics by name: LRBench's own, and those of other packages.

Another package adds one by an entry point of the group ``lrbench.metrics`` that bears the metric's name and names a
``Metric``. It is computed, stored, exported and ranked by like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from lrbench.entry_points import entry_points, load
from lrbench.errors import UsageError, did_you_mean
from lrbench.metrics.evaluation import EVALUATION_METRICS
from lrbench.metrics.metric import ACCURACY_COLUMN, Evaluated, Judge, Metric, RunCurves, Threshold, Unit
from lrbench.metrics.run import RUN_METRICS, run_metrics

if TYPE_CHECKING:
    from lrbench.metrics.metric import Column

__all__ = [
    "METRICS",
    "TIMES_TO_TARGET",
    "Evaluated",
    "Metric",
    "RunCurves",
    "Unit",
    "all_metrics",
    "metric_named",
]

DEFAULT_RANKING = "final_accuracy"
"""Metric that ranks policies where neither a spec nor the user names one."""

GROUP = "lrbench.metrics"
CLOCKS = frozenset(
    ("iteration", "learning_rate", "train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes")
)
"""Columns of evaluations that are no metrics of an evaluation."""

_ROBUSTNESS = Metric(
    "lr_scale_robustness",
    "spread over LR scales",
    "fraction",
    "with the spec's robustness: highest minus lowest mean best value of the objective, by default the "
    "accuracy, over the scales; null where a run diverged at any scale",
)


class _Registry(Mapping[str, Metric]):
    """The metrics by name; other packages are looked for at the first use."""

    @cached_property
    def _rows(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in (*RUN_METRICS, *EVALUATION_METRICS, *_others(), _ROBUSTNESS)}

    def __getitem__(self, name: str) -> Metric:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _others() -> Iterator[Metric]:
    own = {metric.name for metric in (*RUN_METRICS, *EVALUATION_METRICS, _ROBUSTNESS)}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found = load(point, UsageError)
        if not isinstance(found, Metric) or found.name != point.name or found.name in own:
            raise UsageError(f"{point.value} is not an lrbench.metrics.registry.Metric of that name", where=point.name)
        yield found


METRICS: Mapping[str, Metric] = _Registry()
TIMES_TO_TARGET = tuple(metric.name for metric in RUN_METRICS if metric.to_target)


def all_metrics(
    evaluations: Mapping[str, Column], target: float | Threshold | None, objective: Judge | None = None
) -> dict[str, float | None]:
    """The metrics of a run and of its last evaluation, by name; those of an evaluation at iteration 0 are None.

    Those of an objective that LRBench does not know are among them, and, of a run without an accuracy, all others that
    its program reports.

    Args:
        evaluations: columns by name, as in ``RunCurves``.
        target: the accuracy to reach, a fraction, or a target on another metric; None where there is none.
        objective: the metric that runs are judged by; None: the accuracy.
    """
    own: dict[str, Metric] = {}
    if ACCURACY_COLUMN not in evaluations:
        unknown = [name for name in evaluations if name not in METRICS and name not in CLOCKS]
        own = {name: unknown_metric(name, higher_is_better=False) for name in unknown}
    if objective is not None:
        own |= {metric.name: metric for metric in (objective.final_metric, objective.best_metric)}
    return run_metrics(RunCurves(evaluations, target, objective), {**METRICS, **own}.values())


def unknown_metric(name: str, *, higher_is_better: bool) -> Metric:
    """Return the metric that is the last value of one that only the user's program knows."""
    return Metric(
        name,
        name.replace("_", " "),
        "value",
        f"the last {name}, unless of iteration 0",
        higher_is_better=higher_is_better,
        of_run=lambda run: run.last(name) if (run.last("iteration") or 0) > 0 else None,
    )


def metric_named(name: str) -> Metric:
    """Return the metric of that name; raise UsageError, with the names near it, if there is none."""
    if name in METRICS:
        return METRICS[name]
    raise UsageError(
        f"unknown metric {name!r}", remedy=did_you_mean(name, METRICS) or f"there are {', '.join(METRICS)}"
    )
