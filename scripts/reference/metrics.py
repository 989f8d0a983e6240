"""docs/reference/metrics.md: the registry of metrics, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from lrbench.metrics.registry import METRICS, Metric
from reference import NOTE

INTRODUCTION = f"""\
# Metrics

{NOTE.format("lrbench/metrics/registry.py")}

The names are those of `evaluations.jsonl`, of `lrbench report --sort METRIC`, and of JSON and CSV. Fractions are shown
in percent in tables and pictures. NaN stays NaN (`null` in JSON): never 0, never averaged.

## Of an evaluation

At each evaluation, over the whole test set of N samples. K is the set of correctly classified samples, p the highest
softmax probability of each. A run shows those of its last evaluation.
"""

OF_A_RUN = "## Of a run\n"

OF_A_POLICY = """\
## Of a policy

A policy's row is the mean ± sample standard deviation over its seeds. "worse, p = ..." is Welch's t-test against the
best with Holm's correction; with one seed the report says that it has one seed. A policy of which some runs diverged
ranks behind those of which none did, with the count in its row. [Read the statistics](../how-to/read-the-statistics.md)
says more.
"""


def page() -> str:
    """The whole page."""
    of_run = [metric for metric in METRICS.values() if metric.of_run]
    of_evaluation = [metric for metric in METRICS.values() if not metric.of_run]
    return "\n".join([INTRODUCTION, _table(of_evaluation), OF_A_RUN, _table(of_run), OF_A_POLICY])


def _table(metrics: Iterable[Metric]) -> str:
    rows = [(f"`{metric.name}`", metric.title, metric.unit, "higher" if metric.higher_is_better else "lower",
             metric.definition) for metric in metrics]
    return tabulate(rows, ["name", "in tables", "unit", "better", "definition"], "github", disable_numparse=True) + "\n"
