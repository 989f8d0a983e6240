"""The page's matrix of policies and optimizers: the cells of ``report --by solver``, and their shades."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lrbench.errors import ResultsError, plain
from lrbench.report.build import Report
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare
from lrbench.report.comparison.findings import findings, verdict
from lrbench.report.comparison.table import ComparisonTable, Standing
from lrbench.report.figures.data import worst_shade
from lrbench.report.formats import heading
from lrbench.report.page.ranges import is_range_test
from lrbench.report.views.comparison import value_text


def page_heat(report: Report) -> list[dict[str, Any]]:
    """Return a matrix for each workload and engine with several solvers.

    A cell has its ``text``; its ``shade`` from 0 (the best of its solver) to 1, null where it cannot be compared; and
    whether it is the ``best``.
    """
    kept = tuple(workload for workload in report.workloads if not is_range_test(workload))
    try:
        found = compare(replace(report, workloads=kept), AXES["solver"])
    except ResultsError:
        return []
    return [_matrix(table) for table in found.tables]


def _matrix(table: ComparisonTable) -> dict[str, Any]:
    top = worst_shade((regret for found in table.standings for regret in found.regrets.values()), table.metric.unit)
    return {
        "label": plain(table.label),
        "title": heading(table.metric),
        "value": "optimizer" if table.axis.key == "solver" else table.axis.title,
        "plural": "optimizers" if table.axis.key == "solver" else table.axis.plural,
        "solvers": [plain(solver) for solver in table.values],
        "rows": [
            {
                "policy": plain(found.policy),
                "verdict": plain(verdict(found, table.axis)),
                "cells": [_cell(table, found, solver, top) for solver in table.values],
            }
            for found in table.standings
        ],
        "findings": [plain(sentence) for sentence in findings(table)],
    }


def _cell(table: ComparisonTable, found: Standing, solver: str, top: float) -> dict[str, Any]:
    compared, regret = table.rows[found.policy].get(solver), found.regrets[solver]
    return {
        "text": value_text(compared, table),
        "shade": None if regret is None else min(1.0, max(0.0, regret / top)),
        "best": compared is not None and compared.row.rank == 1,
    }
