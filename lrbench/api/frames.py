"""Results as pandas DataFrames, from the same rows as every report.

Accuracies and confidences are fractions, times seconds. What is not known or not reached is NaN, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrbench.comparable import workload_settings
from lrbench.errors import UsageError
from lrbench.metrics.registry import METRICS
from lrbench.report.build import Report
from lrbench.report.views.ranking_data import ranking_data, report_metrics
from lrbench.runs.declarations import is_program, optimizer_text

if TYPE_CHECKING:
    import pandas

RUN_COLUMNS = {
    "workload": "net, data set, batch size and iterations in words; what is not equal cannot be compared",
    "policy": "the policy's canonical text, before lr_scale",
    "function": "its LR function, such as TRI",
    "lr_scale": "the factor of all rates in a robustness test, else 1",
    "solver": "the solver's type, such as SGD, or the optimizer that a program declares",
    "engine": "caffe or torch",
    "seed": "of weights, batches and augmentation",
    "status": "finished, stopped, diverged, running, pending, cut off or failed",
    "reason": "why it ended so, where there is something to say",
    "iteration": "how far it got",
    "target_accuracy": "the accuracy to reach, a fraction",
    "net": "the net's name",
    "dataset": "the data set's label",
    "batch_size": "samples in a training batch",
    "iterations": "the run's whole length",
    "experiment": "the spec's name",
    "run_id": "the run's name; it ends in a hash of all that decides the outcome",
    "path": "its folder, or the log that it was read from",
    "is_repeat": "whether another run of the same policy and seed is counted in its place",
}
"""The columns of a run next to its metrics, which have their names of ``lrbench.metrics.registry``."""

IDENTITY = ("workload", "policy", "function", "lr_scale", "solver", "engine", "seed", "status", "run_id", "path")
"""The columns that an evaluation has from its run."""

POLICY_COLUMNS = (
    "workload",
    "rank",
    "policy",
    "function",
    "solver",
    "engine",
    "runs",
    "diverged",
    "provisional",
    "target_accuracy",
    "against_the_best",
    "p_value",
    "p_value_holm",
    "rank_from",
    "rank_to",
    "group",
)
"""The columns of a policy next to its metrics."""

RUN_METRICS = tuple(name for name in METRICS if name != "lr_scale_robustness")


def runs_frame(report: Report) -> pandas.DataFrame:
    """Return one row per run: ``RUN_COLUMNS``, then every metric of the run and of its last evaluation."""
    metrics = report_metrics(report)
    frame: pandas.DataFrame = _pandas().DataFrame(_runs(report), columns=[*RUN_COLUMNS, *metrics])
    numbers = dict.fromkeys(("lr_scale", "target_accuracy", *metrics), "float64")
    return frame.astype({**numbers, **dict.fromkeys(("seed", "iteration", "batch_size", "iterations"), "Int64")})


def evaluations_frame(report: Report) -> pandas.DataFrame:
    """Return one row per evaluation: ``IDENTITY``, then ``iteration`` and what was measured there."""
    runs = list(zip(_runs(report), report.runs, strict=True))
    names = dict.fromkeys(["iteration", *(name for _, run in runs for name in run.evaluations)])
    columns: dict[str, Any] = {
        name: [value for known, run in runs for value in [known[name]] * _length(run.evaluations)] for name in IDENTITY
    }
    for name in names:
        parts = [run.evaluations.get(name, np.full(_length(run.evaluations), np.nan)) for _, run in runs]
        columns[name] = np.concatenate(parts) if parts else np.empty(0)
    frame: pandas.DataFrame = _pandas().DataFrame(columns)
    return frame.astype({"lr_scale": "float64", "seed": "Int64", "iteration": "int64"})


def policies_frame(report: Report) -> pandas.DataFrame:
    """Return one row per policy, the best of each workload first: ``POLICY_COLUMNS``, then three columns per metric.

    Under the metric's name the mean over the seeds, and with ``_standard_deviation`` and ``_n`` behind it the sample
    standard deviation and the number of runs with a value; ``lr_scale_robustness`` is one number. The times to the
    target have two more: with ``_runs`` the number of runs, those that missed the target included, and with
    ``_restricted_mean`` the mean in which a miss counts as the run's budget.
    """
    rows = []
    for known in ranking_data(report)["policies"]:
        row = {name: known[name] for name in POLICY_COLUMNS}
        further = [name for name, value in known.items() if isinstance(value, dict) and "mean" in value]
        for name in dict.fromkeys([name for name in RUN_METRICS if name in known] + further):
            row |= {name if part == "mean" else f"{name}_{part}": value for part, value in known[name].items()}
        rows.append({**row, "lr_scale_robustness": known["lr_scale_robustness"]})
    frame: pandas.DataFrame = _pandas().DataFrame(rows)
    numbers = [name for name in frame.columns if name not in POLICY_COLUMNS and not name.endswith(("_n", "_runs"))]
    numbers += ["target_accuracy", "p_value", "p_value_holm"]
    ranks = dict.fromkeys(("rank", "rank_from", "rank_to"), "Int64")
    return frame.astype({**dict.fromkeys(numbers, "float64"), **ranks})


def _runs(report: Report) -> list[dict[str, Any]]:
    """Return the rows of ``runs_frame``."""
    rows = []
    for known, run in zip(ranking_data(report)["runs"], report.runs, strict=True):
        workload = workload_settings(run)
        rows.append(
            {
                **known,
                "solver": optimizer_text(run.solver, run.facts) if is_program(run.solver) else run.solver.get("type"),
                "engine": run.engine.get("name"),
                "net": workload["net_name"],
                "dataset": workload["dataset_name"],
                "batch_size": workload["batch_size"],
                "iterations": workload["iterations"],
            }
        )
    return rows


def _length(evaluations: Any) -> int:
    return len(evaluations.get("iteration", ()))


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "tables for programs need pandas, which is not installed", remedy="type: pip install 'lrbench[pandas]'"
        ) from error
    return pandas
