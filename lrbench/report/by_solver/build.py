"""Puts the matrices together: one for each workload and engine that several solvers were run on."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.errors import PolicyError, ResultsError
from lrbench.metrics.registry import Metric
from lrbench.policies import Policy, parse_policy
from lrbench.report.build import Report, WorkloadTable, ranked
from lrbench.report.by_solver.tables import SolverReport, SolverTable
from lrbench.report.labels import mixed_versions
from lrbench.report.policies import PolicyRow
from lrbench.spec.solver_types import SOLVER_TYPES


def compare_solvers(report: Report) -> SolverReport:
    """Set the solvers of each workload and engine side by side.

    Raises:
        ResultsError: no workload was trained with several solvers.
    """
    groups = [(workload, engine, rows) for workload in report.workloads for engine, rows in _by_engine(workload)]
    comparable = [group for group in groups if len({row.solver for row in group[2]}) > 1]
    if not comparable:
        raise ResultsError(
            "no workload was trained with several solvers, so there is nothing to compare",
            remedy="give the spec a list of solvers, as in configs/optimizers.yaml",
        )
    notes = [
        f"{_label(workload, engine)}: {rows[0].solver} alone has runs of it, so it is left out"
        for workload, engine, rows in groups
        if (workload, engine, rows) not in comparable
    ]
    notes += mixed_versions(run for _, _, rows in comparable for row in rows for run in row.runs)
    return SolverReport(report, tuple(_table(*group, report.metric) for group in comparable), tuple(notes))


def _by_engine(workload: WorkloadTable) -> list[tuple[str, list[PolicyRow]]]:
    groups: dict[str, list[PolicyRow]] = {}
    for row in workload.policies:
        groups.setdefault(row.engine, []).append(row)
    return list(groups.items())


def _label(workload: WorkloadTable, engine: str) -> str:
    return f"{workload.label}, {engine}" if workload.several_engines else workload.label


def _table(workload: WorkloadTable, engine: str, rows: Sequence[PolicyRow], metric: Metric) -> SolverTable:
    factors = {row.solver: _factor(row) for row in rows}
    solvers = tuple(sorted(factors, key=_place))
    matrix: dict[str, dict[str, PolicyRow]] = {}
    for solver in solvers:
        for row in ranked([row for row in rows if row.solver == solver], metric):
            matrix.setdefault(unscaled(row.policy, factors[solver]), {})[solver] = row
    return SolverTable(_label(workload, engine), metric, solvers, factors, matrix, workload.target)


def _place(solver: str) -> tuple[int, str]:
    """As SOLVER_TYPES has the type, with which the label begins; others last."""
    types: list[str] = [*SOLVER_TYPES]
    kind = solver.partition(" ")[0]
    return types.index(kind) if kind in types else len(types), solver


def _factor(row: PolicyRow) -> float:
    """The ``lr_scale`` of the row's solver, 1 where it is not known."""
    found = next(iter((*row.runs, *row.scaled))).solver.get("lr_scale", 1.0)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else 1.0


def unscaled(policy: str, factor: float) -> str:
    """The policy as the spec has it, of one whose rates were multiplied by the solver's ``lr_scale``."""
    if factor == 1:
        return policy
    try:
        found = parse_policy(policy)
    except PolicyError:
        return policy
    inner = found.parameters.get("policy")
    is_scaled = found.name == "SCALE" and found.parameters["factor"] == factor
    return inner.text if is_scaled and isinstance(inner, Policy) else policy
