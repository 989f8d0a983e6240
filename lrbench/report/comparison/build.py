"""Builds a comparison from a report: tables, and the versions and machines that costs were measured with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lrbench.comparable import key
from lrbench.errors import PolicyError, ResultsError
from lrbench.metrics.objective import AnyTarget
from lrbench.metrics.registry import Metric
from lrbench.policies import parse_policy
from lrbench.report.build import Report, WorkloadTable, ranked
from lrbench.report.comparison.axes import Axis, axis_for, settings_of
from lrbench.report.comparison.cost import Samples, costs, read_samples
from lrbench.report.comparison.table import ComparedRow, Comparison, ComparisonTable
from lrbench.report.formats import equal_seeds_note
from lrbench.report.labels import engine_name, mixed_versions, workload_name
from lrbench.report.policies import PolicyRow
from lrbench.report.rows import RunRow
from lrbench.runs.declarations import arguments_text, is_program

ENOUGH_CPU_PERCENT = 90


def compare(report: Report, axis: Axis) -> Comparison:
    """Compare the values of a setting.

    Raises:
        ResultsError: nothing was trained with several values of it.
    """
    axis = axis_for(axis, report)
    groups = sorted(_groups(report, axis), key=lambda group: group[0])
    comparable = [group for group in groups if len({axis.value(row) for row in group[1]}) > 1]
    if not comparable:
        values = sorted({axis.value(row) for table in report.workloads for row in table.policies}, key=axis.order)
        why = f"the {axis.plural} {', '.join(values)} have no workload in common with all else equal"
        if len(values) == 1:
            why = f"all runs are of one {axis.title}, {values[0]}"
        raise ResultsError(f"{why}, so there is nothing to compare", remedy=axis.remedy)
    rows = [row for _, found, _ in comparable for row in found]
    samples, notes = read_samples([run for row in rows for run in row.runs]) if axis.costs else ({}, [])
    notes += [
        f"{label}: left out, because only {axis.value(found[0])} has runs of it"
        for label, found, _ in groups
        if len({axis.value(row) for row in found}) == 1
    ]
    equal = [f"{axis.value(row)} {row.policy}" for row in rows if row.equal_seeds]
    notes += [equal_seeds_note(equal, len(rows))] if equal else []
    notes += report.program_notes
    tables = [_table(label, found, axis, goal, samples) for label, found, goal in comparable]
    if axis.costs:
        notes += [note for table in tables for note in _caveats(table)]
    else:
        notes += mixed_versions(run for row in rows for run in row.runs)
    return Comparison(report, axis, tuple(tables), tuple(notes))


Goal = tuple[Metric, AnyTarget | None]
"""Metric that ranks policies, and the target; None where there is none or there are several."""


def _groups(report: Report, axis: Axis) -> Iterator[tuple[str, list[PolicyRow], Goal]]:
    """Yield label, rows and goal of each group whose settings are equal but for the axis."""
    groups: dict[bytes, list[tuple[WorkloadTable, PolicyRow]]] = {}
    for workload in report.workloads:
        for row in workload.policies:
            kept = {name: value for name, value in settings_of(row).items() if not axis.covers(name)}
            groups.setdefault(key(kept), []).append((workload, row))
    for members in groups.values():
        workloads = list({id(workload): workload for workload, _ in members}.values())
        targets = {workload.target for workload in workloads}
        target = targets.pop() if len(targets) == 1 else None
        metrics = {workload.metric.name: workload.metric for workload in workloads}
        metric = next(iter(metrics.values())) if len(metrics) == 1 else report.metric
        yield _label(workloads, members[0][1], axis), [row for _, row in members], (metric, target)


def _label(workloads: Sequence[WorkloadTable], row: PolicyRow, axis: Axis) -> str:
    """Return the workload without the compared setting, with solver and engine where a report has several."""
    if len(workloads) == 1:
        parts = [workloads[0].label]
    else:
        settings = settings_of(row)
        names = ("net_name", "dataset_name", "batch_size", "iterations")
        kept = {name: None if axis.covers(f"workload.{name}") else settings[f"workload.{name}"] for name in names}
        name = workload_name(kept)
        parts = [name.replace(" on unknown data", "") if axis.key == "dataset" else name]
    if not axis.covers("solver.type") and any(each.several_solvers for each in workloads):
        solver = (*row.runs, *row.scaled)[0].solver
        others = {name: value for name, value in solver.items() if not axis.covers(f"solver.{name}")}
        parts.append(arguments_text(others) if is_program(solver) else row.solver)
    if axis.key not in ("engine", "device") and any(each.several_engines for each in workloads):
        parts.append(row.engine)
    return ", ".join(parts)


def _table(label: str, rows: Sequence[PolicyRow], axis: Axis, goal: Goal, samples: Samples) -> ComparisonTable:
    metric, target = goal
    values = tuple(sorted({axis.value(row) for row in rows}, key=axis.order))
    placed = {value: ranked([row for row in rows if axis.value(row) == value], metric) for value in values}
    factors = {value: _factor(placed[value][0]) if axis.scaled else 1.0 for value in values}
    matrix: dict[str, dict[str, ComparedRow]] = {}
    for value in values:
        for row in placed[value]:
            by = matrix.setdefault(unscaled(row.policy, factors[value]), {})
            by[value] = ComparedRow(value, row, costs(row, samples))
    facts = tuple(_conditions(axis, placed)) if axis.costs else ()
    return ComparisonTable(axis, label, metric, values, factors, matrix, target, facts, samples)


def _factor(row: PolicyRow) -> float:
    """Return the ``lr_scale`` of the row's solver, 1 where it is unknown."""
    found = (*row.runs, *row.scaled)[0].solver.get("lr_scale", 1.0)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else 1.0


def unscaled(policy: str, factor: float) -> str:
    """Return the policy as the spec has it, given one whose rates were multiplied by the solver's ``lr_scale``."""
    if factor == 1:
        return policy
    try:
        return parse_policy(policy).unscaled(factor).text
    except PolicyError:
        return policy


def _conditions(axis: Axis, placed: Mapping[str, Sequence[PolicyRow]]) -> list[str]:
    """Return a line for the versions and machines of each value; one for all where the machines are the same."""
    versions, machines = {}, {}
    for value, rows in placed.items():
        runs = [run for row in rows for run in row.runs]
        names = [value if axis.key == "engine" else f"{axis.title} {value}, {engine_name(run.engine)}" for run in runs]
        known = [str(run.engine.get("version") or "of unknown version") for run in runs]
        versions[value] = " and ".join(dict.fromkeys(map(" ".join, zip(names, known, strict=True))))
        machines[value] = " and ".join(dict.fromkeys(map(_machine, runs)))
    if len(set(machines.values())) == 1:
        return [f"measured with {', '.join(versions.values())}; {next(iter(machines.values()))}"]
    return [
        *(f"{version}: {machines[value]}" for value, version in versions.items()),
        f"the {axis.plural} were measured under different conditions, on which times and memory depend",
    ]


def _machine(run: RunRow) -> str:
    """Return such as ``AMD EPYC, 2 cores, 1 thread a run``; the host's name is private."""
    machine = run.conditions.get("machine")
    machine = machine if isinstance(machine, dict) else {}
    cores, threads = machine.get("cores"), run.conditions.get("threads")
    parts = [str(machine.get("cpu") or "unknown processor")]
    parts += [f"{cores} cores"] if isinstance(cores, int) else []
    parts += [f"{threads} thread{'s' if threads > 1 else ''} a run"] if isinstance(threads, int) else []
    return ", ".join(parts)


def _caveats(table: ComparisonTable) -> Iterable[str]:
    """Yield a line for each value whose runs shared their processes, and for each whose runs waited for the CPU."""
    for value in table.values:
        rows = [by[value] for by in table.rows.values() if value in by]
        samples = (sample for row in rows for run in row.row.runs for sample in table.samples.get(run.path, ()))
        most = max((sample.shared for sample in samples), default=1)
        if most > 1:
            yield (
                f"{table.label}: up to {most} runs shared the processes of {value}; its CPU %, GPU and memory are "
                "those of all of them, and its times are of training side by side"
            )
        on_cpu = [row for row in rows if all(run.engine.get("device") == "cpu" for run in row.row.runs)]
        means = [mean for row in on_cpu if (mean := row.costs["cpu_percent"].mean) is not None]
        if means and min(means) < ENOUGH_CPU_PERCENT:
            yield (
                f"{table.label}: {value} had a core {min(means):.0f} to {max(means):.0f} % of the time, so other work "
                "was on the machine: this affects its training seconds, and its CPU seconds less so"
            )
