"""Policies ranked on each workload, for programs: everything about each run and policy, and a record per policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrbench.comparable import key, workload_settings
from lrbench.metrics.objective import AnyTarget, Target, target_accuracy
from lrbench.metrics.registry import METRICS
from lrbench.metrics.run import Robustness
from lrbench.metrics.summary import Summary, TimesToTarget
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.labels import labels, workload_name
from lrbench.report.policies import PolicyRow
from lrbench.report.rows import STATUSES, RunRow
from lrbench.statistics.planning import seeds_for, smallest_shown
from lrbench.statistics.verdicts import Comparison

SCHEMA = 1


def ranking_data(report: Report) -> dict[str, Any]:
    """``schema``, ``runs`` (each with all metrics and its evaluations) and ``policies`` (means over seeds).

    A metric of a policy is ``{"mean", "standard_deviation", "n"}``, and a time to the target has ``runs`` and
    ``restricted_mean``, too: see ``summary_object``. A policy of which ``diverged`` runs, of its ``runs``, did diverge
    ranks behind every one of which none did, and its ``against_the_best`` is ``diverged``. By a time to the target the
    share of runs that reached it goes before that, and ``against_the_best`` is ``missed`` where a run missed it.
    ``lr_scale_robustness`` is null where a run diverged at any of the scales; ``best_accuracy_by_lr_scale``, or
    ``best_NAME_by_lr_scale`` where another metric is the objective, is the
    mean of those that did not. A run's ``target_accuracy`` is its own; a policy's is that of its workload's table, null
    where the runs there differ.

    ``group`` has the letters of a policy: those that share one do not differ significantly; ``rank_from`` and
    ``rank_to`` are the ranks that the tests leave possible. ``p_value`` is that against the best, corrected for all
    pairs, and ``p_value_holm`` its name in earlier versions, of the ``test`` Tukey or Welch. ``smallest_difference``
    is the difference of two policies that the seeds of the table show in 4 of 5 cases, and ``seeds_to_tell`` the
    number of seeds of each policy that would show so the difference to the best; null where these seeds do, or not
    even 1,000 would.
    """
    labels_of, names = labels(map(workload_settings, report.runs), workload_name), report_metrics(report)
    repeats = {id(run) for run in report.repeats}
    return {
        "schema": SCHEMA,
        "ranked_by": report.metric.name,
        "runs": [
            _run_data(run, labels_of[key(workload_settings(run))], names, counted=id(run) not in repeats)
            for run in report.runs
        ],
        "policies": [_policy_data(row, workload, names) for workload in report.workloads for row in workload.policies],
        "functions": [entry for workload in report.workloads for entry in _functions_data(workload)],
        "problems": list(report.problems),
        "notes": [*report.notes, *report.program_notes],
    }


def report_metrics(report: Report) -> list[str]:
    """The names of the metrics of a report's runs: LRBench's, those of objectives, and those that programs report.

    Metrics of evaluations that no run has are left out of programs alone, and where no run has an accuracy.
    """
    others = [name for run in report.runs for name in run.metrics if name not in METRICS]
    names = [name for name in dict.fromkeys([*METRICS, *others]) if name != "lr_scale_robustness"]
    if not report.workloads or any(table.has_accuracy and not table.is_program for table in report.workloads):
        return names
    known = {name for run in report.runs for name, value in run.metrics.items() if value is not None}
    of_accuracy = {"best_accuracy", "final_accuracy"}
    return [
        name
        for name in names
        if name in known or (name not in of_accuracy and not (name in METRICS and METRICS[name].of_evaluation))
    ]


def target_data(target: AnyTarget | None) -> dict[str, Any]:
    """``target_accuracy``, null for a target on another metric, which is ``target`` then."""
    found: dict[str, Any] = {"target_accuracy": target_accuracy(target)}
    return found | ({"target": target.stored()} if isinstance(target, Target) else {})


def _run_data(run: RunRow, workload: str, names: Sequence[str], *, counted: bool) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "experiment": run.experiment,
        "path": run.where,
        "workload": workload,
        "policy": run.policy,
        "function": run.function,
        "lr_scale": run.lr_scale,
        "rates": run.rates,
        "seed": run.seed,
        "solver": dict(run.solver),
        "engine": dict(run.engine),
        **({"facts": dict(run.facts)} if run.facts else {}),
        "status": run.status,
        "reason": run.reason,
        "iteration": run.iteration,
        **target_data(run.target),
        "is_repeat": not counted,
        **{name: run.metrics[name] for name in names if name in run.metrics},
        "evaluations": {name: np.ascontiguousarray(column) for name, column in run.evaluations.items()},
    }


def _policy_data(row: PolicyRow, workload: WorkloadTable, names: Sequence[str]) -> dict[str, Any]:
    comparison, robustness = row.comparison, row.robustness
    return {
        "workload": workload.label,
        "rank": row.rank,
        "policy": row.policy,
        "function": row.function,
        "solver": row.solver,
        "engine": row.engine,
        **target_data(workload.target),
        "ranked_by": workload.metric.name,
        "provisional": row.provisional,
        "seeds_change_nothing": row.equal_seeds,
        "runs": len(row.runs),
        "diverged": row.diverged,
        "statuses": {status: row.statuses.get(status, 0) for status in STATUSES},
        **comparison_data(comparison),
        "test": workload.tests.method if workload.tests and comparison and comparison.group else None,
        "smallest_difference": smallest_shown(workload.tests) if workload.tests else None,
        "seeds_to_tell": _seeds_to_tell(row, workload),
        **{name: summary_object(row.summaries[name]) for name in names},
        "lr_scale_robustness": robustness.spread if robustness else None,
        f"{_best_name(row)}_by_lr_scale": _scales(row, robustness) if robustness else [],
    }


def _seeds_to_tell(row: PolicyRow, workload: WorkloadTable) -> int | None:
    """Return the seeds of each policy that would show the difference to the best, where these seeds do not."""
    tests, best = workload.tests, workload.policies[0].summaries[workload.metric.name].mean
    mean = row.summaries[workload.metric.name].mean
    unclear = row.comparison is not None and row.comparison.verdict == "not told apart"
    if tests is None or tests.method == "Welch" or mean is None or best is None or not unclear:
        return None
    return seeds_for(abs(mean - best) / tests.deviation, len(tests.means), tests.looks)


def comparison_data(comparison: Comparison | None) -> dict[str, Any]:
    """The range of ranks, the letters, the verdict and the p-value of a policy; None where it was not tested."""
    lowest, highest = (comparison.ranks if comparison else None) or (None, None)
    return {
        "rank_from": lowest,
        "rank_to": highest,
        "group": comparison.group or None if comparison else None,
        "against_the_best": comparison.verdict if comparison else None,
        "p_value": comparison.p if comparison else None,
        "p_value_holm": comparison.p if comparison else None,
    }


def summary_object(summary: Summary) -> dict[str, float | None]:
    """``mean``, ``standard_deviation`` and ``n`` of a metric.

    Of a time to the target ``runs`` and ``restricted_mean``, too: ``n`` of the ``runs`` reached it, ``mean`` is over
    those, and ``restricted_mean`` counts a miss with the run's budget; see ``TimesToTarget``.
    """
    found: dict[str, float | None] = {"mean": summary.mean, "standard_deviation": summary.deviation, "n": summary.n}
    if isinstance(summary, TimesToTarget):
        found |= {"runs": summary.runs, "restricted_mean": summary.restricted_mean}
    return found


def _best_name(row: PolicyRow) -> str:
    return row.objective.best_metric.name


def _scales(row: PolicyRow, robustness: Robustness) -> list[dict[str, Any]]:
    return [
        {
            "lr_scale": scale,
            _best_name(row): mean,
            "runs": row.runs_at(scale),
            "diverged": robustness.diverged.get(scale, 0),
        }
        for scale, mean in robustness.values.items()
    ]


def _functions_data(workload: WorkloadTable) -> list[dict[str, Any]]:
    return [
        {
            "workload": workload.label,
            "function": each.function,
            "policies": each.policies,
            **{
                f"{which}_{name}": value
                for which, row in (("best", each.best), ("worst", each.worst))
                for name, value in (("policy", row.policy), ("solver", row.solver), ("rank", row.rank))
            },
        }
        for each in workload.functions()
    ]


def ranking_records(report: Report) -> list[dict[str, Any]]:
    """A record for each policy: mean, standard deviation and count of every metric."""
    names = report_metrics(report)
    return [_record(row, workload, names) for workload in report.workloads for row in workload.policies]


def _record(row: PolicyRow, workload: WorkloadTable, names: Sequence[str]) -> dict[str, Any]:
    data = _policy_data(row, workload, names)
    scales = data.pop(f"{_best_name(row)}_by_lr_scale")
    del data["diverged"]  # one of the statuses
    record = {name.removeprefix("statuses_").replace(" ", "_"): value for name, value in flat(data).items()}
    diverged = " ".join(f"{scale['lr_scale']:g}" for scale in scales if scale["diverged"])
    return record | {"lr_scales_diverged": diverged if scales else None}


def flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with each object in it, ``name: {part: value}``, as ``name_part: value``."""
    record: dict[str, Any] = {}
    for name, value in data.items():
        record |= (
            {f"{name}_{part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
    return record
