"""The versions and machines that costs were measured with, and what else bears on the costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lrbench.report.comparison.axes import Axis
from lrbench.report.comparison.table import ComparedRow, ComparisonTable
from lrbench.report.labels import engine_name
from lrbench.report.policies import PolicyRow
from lrbench.report.rows import RunRow

ENOUGH_CPU_PERCENT = 90


def conditions(axis: Axis, placed: Mapping[str, Sequence[PolicyRow]]) -> list[str]:
    """A line for the versions and machines of each value; one for all of them where the machines are the same."""
    versions, machines = {}, {}
    for value, rows in placed.items():
        runs = [run for row in rows for run in row.runs]
        versions[value] = _each_once(f"{_what(axis, value, run)} {_version(run)}" for run in runs)
        machines[value] = _each_once(map(_machine, runs))
    if len(set(machines.values())) == 1:
        return [f"measured with {', '.join(versions.values())}; {next(iter(machines.values()))}"]
    return [
        *(f"{version}: {machines[value]}" for value, version in versions.items()),
        f"the {axis.plural} were not measured under the same conditions, which times and memory depend on, too",
    ]


def _what(axis: Axis, value: str, run: RunRow) -> str:
    return value if axis.key == "engine" else f"{axis.title} {value}, {engine_name(run.engine)}"


def _version(run: RunRow) -> str:
    return str(run.engine.get("version") or "of unknown version")


def _machine(run: RunRow) -> str:
    """Such as ``AMD EPYC, 2 cores, 1 thread a run``; the host's name is nobody's business."""
    machine = run.conditions.get("machine")
    machine = machine if isinstance(machine, dict) else {}
    cores, threads = machine.get("cores"), run.conditions.get("threads")
    parts = [str(machine.get("cpu") or "unknown processor")]
    parts += [f"{cores} cores"] if isinstance(cores, int) else []
    parts += [f"{threads} thread{'s' if threads > 1 else ''} a run"] if isinstance(threads, int) else []
    return ", ".join(parts)


def _each_once(found: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(found))


def caveats(table: ComparisonTable) -> Iterable[str]:
    """A line for each value of whose runs several shared their processes, and for each that waited for the CPU."""
    for value in table.values:
        rows = [by[value] for by in table.rows.values() if value in by]
        most = max((_shared(table, found) for found in rows), default=1)
        if most > 1:
            yield (
                f"{table.label}: up to {most} runs shared the processes of {value}; its CPU %, GPU and memory are "
                "those of all of them, and its times are of training side by side"
            )
        means = [mean for found in rows if _on_cpu(found) and (mean := found.costs["cpu_percent"].mean) is not None]
        if means and min(means) < ENOUGH_CPU_PERCENT:
            span = f"{min(means):.0f} to {max(means):.0f} %"
            yield (
                f"{table.label}: {value} had a core {span} of the time, so other work was on the machine: its "
                "training seconds tell of that, its CPU seconds less so"
            )


def _shared(table: ComparisonTable, found: ComparedRow) -> int:
    return max((sample.shared for run in found.row.runs for sample in table.samples.get(run.path, ())), default=1)


def _on_cpu(found: ComparedRow) -> bool:
    return all(run.engine.get("device") == "cpu" for run in found.row.runs)
