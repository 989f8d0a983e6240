"""Groups the policies of a report for a comparison: a table for all that is equal but for the compared setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrbench.errors import PolicyError, ResultsError
from lrbench.policies import parse_policy
from lrbench.report.build import Report, WorkloadTable, ranked
from lrbench.report.comparison.axes import Axis, settings_of
from lrbench.report.comparison.conditions import caveats, conditions
from lrbench.report.comparison.cost import Samples, costs, read_samples
from lrbench.report.comparison.table import ComparedRow, Comparison, ComparisonTable
from lrbench.report.labels import key, mixed_versions, workload_name
from lrbench.report.policies import PolicyRow


def compare(report: Report, axis: Axis) -> Comparison:
    """Set the values of a setting side by side.

    Raises:
        ResultsError: nothing was trained with several values of it.
    """
    groups = sorted(_groups(report, axis), key=lambda group: group[0])
    comparable = [group for group in groups if len({axis.value(row) for row in group[1]}) > 1]
    if not comparable:
        raise _nothing_to_compare(report, axis)
    rows = [row for _, found, _ in comparable for row in found]
    samples, notes = read_samples([run for row in rows for run in row.runs]) if axis.costs else ({}, [])
    notes += [
        f"{label}: {axis.value(found[0])} alone has runs of it, so it is left out"
        for label, found, _ in groups
        if len({axis.value(row) for row in found}) == 1
    ]
    tables = [_table(label, found, axis, (report, target), samples) for label, found, target in comparable]
    if axis.costs:
        notes += [note for table in tables for note in caveats(table)]
    else:
        notes += mixed_versions(run for row in rows for run in row.runs)
    return Comparison(report, axis, tuple(tables), tuple(notes))


def _groups(report: Report, axis: Axis) -> Iterator[tuple[str, list[PolicyRow], float | None]]:
    """A label, the rows and the target of all that is equal but for the axis."""
    groups: dict[bytes, list[tuple[WorkloadTable, PolicyRow]]] = {}
    for workload in report.workloads:
        for row in workload.policies:
            kept = {name: value for name, value in settings_of(row).items() if not axis.covers(name)}
            groups.setdefault(key(kept), []).append((workload, row))
    for members in groups.values():
        workloads = list({id(workload): workload for workload, _ in members}.values())
        targets = {workload.target for workload in workloads}
        target = targets.pop() if len(targets) == 1 else None
        yield _label(workloads, members[0][1], axis), [row for _, row in members], target


def _label(workloads: Sequence[WorkloadTable], row: PolicyRow, axis: Axis) -> str:
    """The workload without what is compared, and solver and engine where they do not go without saying."""
    if len(workloads) == 1:
        parts = [workloads[0].label]
    else:
        settings = settings_of(row)
        names = ("net_name", "dataset_name", "batch_size", "iterations")
        kept = {name: None if axis.covers(f"workload.{name}") else settings[f"workload.{name}"] for name in names}
        name = workload_name(kept)
        parts = [name.replace(" on unknown data", "") if axis.key == "dataset" else name]
    parts += [row.solver] if axis.key != "solver" and any(each.several_solvers for each in workloads) else []
    other_engine = axis.key not in ("engine", "device") and any(each.several_engines for each in workloads)
    return ", ".join([*parts, *([row.engine] if other_engine else [])])


def _table(
    label: str, rows: Sequence[PolicyRow], axis: Axis, of: tuple[Report, float | None], samples: Samples
) -> ComparisonTable:
    report, target = of
    values = tuple(sorted({axis.value(row) for row in rows}, key=axis.order))
    placed = {value: ranked([row for row in rows if axis.value(row) == value], report.metric) for value in values}
    factors = {value: _factor(placed[value][0]) if axis.scaled else 1.0 for value in values}
    matrix: dict[str, dict[str, ComparedRow]] = {}
    for value in values:
        for row in placed[value]:
            by = matrix.setdefault(unscaled(row.policy, factors[value]), {})
            by[value] = ComparedRow(value, row, costs(row, samples))
    facts = tuple(conditions(axis, placed)) if axis.costs else ()
    return ComparisonTable(axis, label, report.metric, values, factors, matrix, target, facts, samples)


def _factor(row: PolicyRow) -> float:
    """The ``lr_scale`` of the row's solver, 1 where it is not known."""
    found = next(iter((*row.runs, *row.scaled))).solver.get("lr_scale", 1.0)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else 1.0


def unscaled(policy: str, factor: float) -> str:
    """The policy as the spec has it, of one whose rates were multiplied by the solver's ``lr_scale``."""
    if factor == 1:
        return policy
    try:
        return parse_policy(policy).unscaled(factor).text
    except PolicyError:
        return policy


def _nothing_to_compare(report: Report, axis: Axis) -> ResultsError:
    values = sorted({axis.value(row) for table in report.workloads for row in table.policies}, key=axis.order)
    if len(values) == 1:
        return ResultsError(
            f"all runs are of one {axis.title}, {values[0]}, so there is nothing to compare", remedy=axis.remedy
        )
    return ResultsError(
        f"the {axis.plural} {', '.join(values)} have no workload in common with all else equal, so there is nothing to "
        "compare",
        remedy=axis.remedy,
    )
