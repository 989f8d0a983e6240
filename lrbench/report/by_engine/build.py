"""Puts the comparison together: a table for each workload and solver with which several engines trained."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.errors import ResultsError
from lrbench.metrics.registry import Metric
from lrbench.report.build import Report, WorkloadTable, ranked
from lrbench.report.by_engine.caveats import caveats
from lrbench.report.by_engine.conditions import conditions
from lrbench.report.by_engine.cost import Samples, costs, read_samples
from lrbench.report.by_engine.tables import EngineReport, EngineRow, EngineTable
from lrbench.report.policies import PolicyRow


def compare_engines(report: Report) -> EngineReport:
    """Set the engines of each workload and solver side by side.

    Raises:
        ResultsError: no workload was trained with several engines.
    """
    groups = [(workload, solver, rows) for workload in report.workloads for solver, rows in _by_solver(workload)]
    comparable = [group for group in groups if len({row.engine for row in group[2]}) > 1]
    if not comparable:
        raise _nothing_to_compare(report)
    runs = [run for *_, rows in comparable for row in rows for run in row.runs]
    samples, notes = read_samples(runs)
    notes += [
        f"{_label(workload, solver)}: {rows[0].engine} alone has runs of it, so it is left out"
        for workload, solver, rows in groups
        if (workload, solver, rows) not in comparable
    ]
    tables = [_table(*group, report.metric, samples) for group in comparable]
    notes += [note for table in tables for note in caveats(table)]
    return EngineReport(report, tuple(tables), tuple(notes))


def _by_solver(workload: WorkloadTable) -> list[tuple[str, list[PolicyRow]]]:
    groups: dict[str, list[PolicyRow]] = {}
    for row in workload.policies:
        groups.setdefault(row.solver, []).append(row)
    return list(groups.items())


def _label(workload: WorkloadTable, solver: str) -> str:
    return f"{workload.label}, {solver}" if workload.several_solvers else workload.label


def _table(
    workload: WorkloadTable, solver: str, rows: Sequence[PolicyRow], metric: Metric, samples: Samples
) -> EngineTable:
    engines = tuple(sorted({row.engine for row in rows}))
    table: dict[str, dict[str, EngineRow]] = {}
    placed = {engine: ranked([row for row in rows if row.engine == engine], metric) for engine in engines}
    for engine in engines:
        for row in placed[engine]:
            table.setdefault(row.policy, {})[engine] = EngineRow(engine, row, costs(row, samples))
    return EngineTable(
        _label(workload, solver), metric, engines, table, workload.target, tuple(conditions(placed)), samples
    )


def _nothing_to_compare(report: Report) -> ResultsError:
    engines = sorted({row.engine for workload in report.workloads for row in workload.policies})
    if len(engines) == 1:
        other = "caffe" if engines[0] == "torch" else "torch"
        return ResultsError(
            f"all runs are of one engine, {engines[0]}, so there is nothing to compare",
            remedy=f"run the spec on another one, too, such as with --engine {other}",
        )
    return ResultsError(
        f"the engines {', '.join(engines)} have no workload and solver in common, so there is nothing to compare",
        remedy="run one spec on each",
    )
