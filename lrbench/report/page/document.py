"""What the page shows: the rows of the report as ``--format json`` has them, with their texts, curves and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lrbench._version import __version__
from lrbench.data.prepare import evaluated_on
from lrbench.drawing.theme import MOST_POLICIES, page_theme
from lrbench.errors import plain
from lrbench.metrics.registry import METRICS
from lrbench.report.active_runs import active_runs
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.figures.data import rank_labels, zoom
from lrbench.report.formats import NOTHING, heading, number
from lrbench.report.page.costs import page_costs
from lrbench.report.page.curves import Curves, KnownRates
from lrbench.report.page.headline import headline
from lrbench.report.page.heat import page_heat
from lrbench.report.page.ranges import is_range_test, page_ranges
from lrbench.report.page.spec_text import SpecWriter
from lrbench.report.policies import PolicyRow
from lrbench.report.rows import RunRow
from lrbench.report.views.ranking import ranking_columns, ranking_notes
from lrbench.report.views.ranking_data import ranking_data

_BY_SOONEST = {
    "best": 0.0,
    "not told apart": 1.0,
    "no spread": 2.0,
    "one seed": 3.0,
    "worse": 4.0,
    "missed": 5.0,
    "diverged": 6.0,
}


@dataclass(frozen=True)
class Kept:
    """What one page leaves for the next of the same runs, as it does not change while they go on."""

    rates: KnownRates = field(default_factory=dict)
    specs: dict[tuple[Path, float | None], str | None] = field(default_factory=dict)


def page_document(report: Report, made: datetime, kept: Kept | None = None) -> dict[str, Any]:
    """All that the page's scripts read.

    ``report`` is what ``--format json`` writes, without the evaluations; rows of ``workloads`` name their policy and
    runs by the place there. Whatever is shown of names and reasons has been made plain text.

    Args:
        made: when the runs were read.
        kept: of an earlier page; what is new is added.
    """
    kept = kept or Kept()
    curves = Curves(kept.rates)
    return {
        "made": made.isoformat(timespec="seconds"),
        "version": __version__,
        "theme": page_theme(),
        "report": _rows(report),
        "metric": {
            "name": report.metric.name,
            "title": heading(report.metric),
            "factor": 100 if report.metric.unit == "fraction" else 1,
        },
        "problems": [plain(line) for line in (*report.problems, *report.notes)],
        "workloads": list(_Tables(report, curves).all()),
        "grids": curves.grids,
        "solvers": page_heat(report),
        "ranges": page_ranges(report.runs),
        "runs": [_run(run) | {"spec": spec} for run, spec in zip(report.runs, _specs(report.runs, kept), strict=True)],
        "underway": [
            {
                "name": one.name,
                "iteration": one.iteration_text,
                "accuracy": one.accuracy_text,
                "best": one.best_text,
                "rate": one.rate_text,
                "left": one.left_text,
            }
            for one in active_runs(report.runs)
        ],
    }


def _specs(runs: Sequence[RunRow], kept: Kept) -> Iterator[str | None]:
    writer = SpecWriter()
    for run in runs:
        key = run.path, run.target
        if key not in kept.specs:
            kept.specs[key] = writer.text(run)
        yield kept.specs[key]


def _rows(report: Report) -> dict[str, Any]:
    document = ranking_data(report)
    for run in document["runs"]:
        del run["evaluations"]  # the page has their curves; all of them are in the runs' folders
    return document


@dataclass(frozen=True)
class _Tables:
    """Makes what the page shows of each workload."""

    report: Report
    curves: Curves

    def all(self) -> Iterator[dict[str, Any]]:
        first = 0
        for workload in self.report.workloads:
            labels = rank_labels(workload.policies)
            rows = [
                self._row(workload, row) | {"policy": first + place, "label": labels[place]}
                for place, row in enumerate(workload.policies)
            ]
            yield {
                "label": plain(workload.label),
                "order": _order(workload),
                "headline": {name: plain(text) for name, text in headline(workload, self.report.metric).items()},
                "notes": [plain(note) for note in ranking_notes(workload, self.report.metric)],
                "columns": self._columns(workload),
                "rows": rows,
                "costs": page_costs(workload, self.report.metric),
                "zoom": zoom(workload.policies[:MOST_POLICIES]),
            }
            first += len(rows)

    @cached_property
    def _places(self) -> Mapping[Path, int]:
        return {run.path: place for place, run in enumerate(self.report.runs)}

    def _columns(self, workload: WorkloadTable) -> list[str]:
        return [*(each.column.title for each in ranking_columns(workload, self.report.metric)), "training s"]

    def _row(self, workload: WorkloadTable, row: PolicyRow) -> dict[str, Any]:
        cells = list(self._cells(workload, row))
        return {
            "name": plain(workload.name(row)),
            "cells": [text for text, _ in cells],
            "sort": [value for _, value in cells],
            "runs": [self._places[run.path] for run in (*row.runs, *row.scaled)],
            "curves": self.curves.of(row),
        }

    def _cells(self, workload: WorkloadTable, row: PolicyRow) -> Iterator[tuple[str, str | float | None]]:
        """The text of each column, and what the column is sorted by."""
        for each in ranking_columns(workload, self.report.metric):
            cell = each.cell(row)
            text = plain(cell if isinstance(cell, str) else cell.text)
            yield text, self._sort_value(each.key, text, workload, row)
        seconds = row.summaries["train_seconds"].mean
        yield NOTHING if seconds is None else number(seconds, "seconds"), seconds

    def _sort_value(self, key: str, text: str, workload: WorkloadTable, row: PolicyRow) -> str | float | None:
        """What a column is sorted by: a metric by its mean, or by the place in the order of the times to a target."""
        if key in METRICS:
            mean = row.summaries[key].mean
            if mean is None or not METRICS[key].to_target:
                return mean
            orders = {other.times[key].order for other in workload.policies}
            return sorted(orders).index(row.times[key].order)
        by_key = {
            "rank": row.rank,
            "runs": row.summaries[self.report.metric.name].n,
            "against_the_best": _compared(row),
        }
        return by_key.get(key, text)


def _order(workload: WorkloadTable) -> list[int]:
    """What puts the workload first that a stranger means: no range test, judged on the test set, the most ranked."""
    runs = [run for row in workload.policies for run in (*row.runs, *row.scaled)]
    names = [str(dataset.get("name")) for run in runs if isinstance(dataset := run.workload.get("dataset"), Mapping)]
    return [
        int(is_range_test(workload)),
        int(any(evaluated_on(name) == "validation" for name in names)),
        -sum(row.rank is not None for row in workload.policies),
    ]


def _compared(row: PolicyRow) -> float | None:
    """Nearest to the best first: by what the test says, then by its p, the likeliest first."""
    if row.comparison is None:
        return None
    p = row.comparison.p_holm
    return _BY_SOONEST[row.comparison.verdict] + (0.0 if p is None else 0.9 * (1 - p))


def _run(run: RunRow) -> dict[str, Any]:
    accuracy = run.metrics.get("best_accuracy")
    scale = f" x{run.lr_scale:g}" if run.lr_scale != 1 else ""
    return {
        "policy": plain(run.policy) + scale,
        "solver": plain(str(run.solver.get("type") or "unknown solver")),
        "seed": NOTHING if run.seed is None else str(run.seed),
        "status": run.status,
        "reason": plain(run.reason or ""),
        "best": NOTHING if accuracy is None else number(accuracy, "fraction"),
        "iteration": f"{_reached(run):,}",
        "where": plain(run.where),
    }


def _reached(run: RunRow) -> int:
    column: Sequence[float] = run.evaluations.get("iteration", ())  # type: ignore[assignment]
    return max(run.iteration, int(column[-1]) if len(column) else 0)
