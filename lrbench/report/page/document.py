"""Data of the page: the rows of the report as in ``--format json``, with their texts, curves and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lrbench._version import __version__
from lrbench.data.prepare import evaluated_on
from lrbench.drawing.theme import MOST_POLICIES, page_theme
from lrbench.errors import plain
from lrbench.metrics.objective import ACCURACY, AnyTarget
from lrbench.metrics.registry import Metric
from lrbench.report.active_runs import active_runs, value_title
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.figures.data import rank_labels, zoom
from lrbench.report.formats import NOTHING, heading, known_number, objective_heading, target_text
from lrbench.report.page.costs import page_costs
from lrbench.report.page.curves import Curves, KnownRates, curve_kinds
from lrbench.report.page.headline import headline
from lrbench.report.page.heat import page_heat
from lrbench.report.page.ranges import is_range_test, page_ranges
from lrbench.report.page.spec_text import SpecWriter
from lrbench.report.policies import PolicyRow
from lrbench.report.progress import progress_of_rows
from lrbench.report.rows import RunRow
from lrbench.report.views.ranking import ranking_columns, ranking_notes
from lrbench.report.views.ranking_data import ranking_data
from lrbench.runs.declarations import evaluated_part, training_text

_NEAREST_FIRST = (
    "best",
    "not told apart",
    "seeds change nothing",
    "no spread",
    "one seed",
    "worse",
    "missed",
    "diverged",
)


@dataclass(frozen=True)
class Kept:
    """Parts of a page that the next page of the same runs can reuse."""

    rates: KnownRates = field(default_factory=dict)
    specs: dict[tuple[Path, AnyTarget | None], str | None] = field(default_factory=dict)


def page_document(report: Report, made: datetime, kept: Kept | None = None) -> dict[str, Any]:
    """Return the data that the page's scripts read.

    ``report`` is what ``--format json`` writes, without the evaluations; rows of ``workloads`` have indices of their
    policy and runs there. Names and reasons are plain text.

    Args:
        made: when the runs were read.
        kept: of an earlier page; what is new is added.
    """
    kept = kept or Kept()
    curves = Curves(kept.rates)
    document, active = ranking_data(report), active_runs(report.runs)
    for run in document["runs"]:
        del run["evaluations"]  # the page has their curves; all of them are in the runs' folders
    return {
        "made": made.isoformat(timespec="seconds"),
        "version": __version__,
        "theme": page_theme(),
        "report": document,
        "problems": [plain(line) for line in (*report.problems, *report.notes)],
        "workloads": list(_workloads(report, curves)),
        "grids": curves.grids,
        "solvers": page_heat(report),
        "ranges": page_ranges(report.runs),
        "runs": [_run(run) | {"spec": spec} for run, spec in zip(report.runs, _specs(report.runs, kept), strict=True)],
        "underway": [{"name": run.name, "place": run.place, **run.texts} for run in active],
        "progress": [plain(each.text) for each in progress_of_rows(report.runs)],
        "underway_value": plain(value_title(active)),
    }


def _specs(runs: Sequence[RunRow], kept: Kept) -> Iterator[str | None]:
    writer = SpecWriter()
    for run in runs:
        key = run.path, run.target
        if key not in kept.specs:
            kept.specs[key] = writer.text(run)
        yield kept.specs[key]


def _workloads(report: Report, curves: Curves) -> Iterator[dict[str, Any]]:
    index_of = {run.path: index for index, run in enumerate(report.runs)}
    first = 0
    for workload in report.workloads:
        metric = workload.metric
        labels, kinds = rank_labels(workload.policies), curve_kinds(workload)
        names = dict.fromkeys(kind.name for kind in kinds)
        rows = []
        for index, row in enumerate(workload.policies):
            cells = list(_cells(workload, row, metric))
            rows.append(
                {
                    "name": plain(workload.name(row)),
                    "cells": [text for text, _ in cells],
                    "sort": [value for _, value in cells],
                    "runs": [index_of[run.path] for run in (*row.runs, *row.scaled)],
                    "curves": curves.of(row, names),
                    "policy": first + index,
                    "label": labels[index],
                }
            )
        columns = [each.column for each in ranking_columns(workload, metric)]
        aim = f"the best {workload.objective.title} (no target is set)"
        if workload.target is not None:
            aim = target_text(workload.target)
        yield {
            "label": plain(workload.label),
            "metric": {
                "name": metric.name,
                "title": heading(metric),
                "factor": 100 if metric.unit == "fraction" else 1,
            },
            "solver": "optimizer" if workload.is_program else "solver",
            "best": f"best {objective_heading(workload.objective)}" if not workload.objective.is_accuracy else "best %",
            "order": _order(workload),
            "headline": {name: plain(text) for name, text in headline(workload, metric).items()},
            "notes": [plain(note) for note in ranking_notes(workload, metric)],
            "columns": [*(column.title for column in columns), "training s"],
            "left": [column.title for column in columns if column.role != "number"],
            "rows": rows,
            "costs": page_costs(workload, metric),
            "kinds": [vars(kind) for kind in kinds],
            "zoom": zoom(workload.policies[:MOST_POLICIES], workload.objective),
            "soon": {"name": workload.soon.name, "title": f"Iterations to {plain(aim)}"},
        }
        first += len(rows)


def _cells(workload: WorkloadTable, row: PolicyRow, metric: Metric) -> Iterator[tuple[str, str | float | None]]:
    """Yield the text of each column, and the value that it is sorted by."""
    for each in ranking_columns(workload, metric):
        cell = each.cell(row)
        text = plain(cell if isinstance(cell, str) else cell.text)
        yield text, _sort_value(each.key, text, workload, row, metric)
    seconds = row.summaries["train_seconds"].mean
    yield known_number(seconds, "seconds"), seconds


def _sort_value(key: str, text: str, workload: WorkloadTable, row: PolicyRow, metric: Metric) -> str | float | None:
    """Return a metric's mean, or its place in the order of the times to a target; of other columns their own value."""
    if key in row.summaries:
        mean = row.summaries[key].mean
        if mean is None or key not in row.times:
            return mean
        orders = {other.times[key].order for other in workload.policies}
        return sorted(orders).index(row.times[key].order)
    if key == "against_the_best":  # nearest to the best first: by verdict, then by decreasing p
        if row.comparison is None:
            return None
        p = row.comparison.p
        return _NEAREST_FIRST.index(row.comparison.verdict) + (0.0 if p is None else 0.9 * (1 - p))
    return {"rank": row.rank, "runs": row.summaries[metric.name].n}.get(key, text)


def _order(workload: WorkloadTable) -> list[int]:
    """Sort key: first workloads that are no range test, judged on the test set, with the most ranked policies."""
    runs = workload.runs
    names = [str(dataset.get("name")) for run in runs if isinstance(dataset := run.workload.get("dataset"), Mapping)]
    parts = [*map(evaluated_on, names), *map(evaluated_part, runs)]
    return [
        int(is_range_test(workload)),
        int("validation" in parts),
        -sum(row.rank is not None for row in workload.policies),
    ]


def _run(run: RunRow) -> dict[str, Any]:
    objective = run.objective or ACCURACY
    column: Sequence[float] = run.evaluations.get("iteration", ())  # type: ignore[assignment]
    return {
        "policy": plain(run.policy) + (f" x{run.lr_scale:g}" if run.lr_scale != 1 else ""),
        "solver": plain(training_text(run.solver, run.facts)),
        "seed": NOTHING if run.seed is None else str(run.seed),
        "status": run.status,
        "reason": plain(run.reason or ""),
        "best": known_number(run.metrics.get(objective.best_metric.name), objective.unit),
        "iteration": f"{max(run.iteration, int(column[-1]) if len(column) else 0):,}",
        "where": plain(run.where),
    }
