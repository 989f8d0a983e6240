"""What the engines' versions were and what they ran on: times and memory tell of that, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lrbench.report.policies import PolicyRow
from lrbench.report.rows import RunRow


def conditions(placed: Mapping[str, Sequence[PolicyRow]]) -> list[str]:
    """A line for each engine's versions and machines; for all of them where the machines are the same."""
    versions, machines = {}, {}
    for engine, rows in placed.items():
        runs = [run for row in rows for run in row.runs]
        named = (str(run.engine.get("version") or "of unknown version") for run in runs)
        versions[engine] = " and ".join(_each_once(named))
        machines[engine] = " and ".join(_each_once(map(_machine, runs)))
    if len(set(machines.values())) == 1:
        measured = ", ".join(f"{engine} {version}" for engine, version in versions.items())
        return [f"measured with {measured}; {next(iter(machines.values()))}"]
    return [
        *(f"{engine} {version}: {machines[engine]}" for engine, version in versions.items()),
        "the engines were not measured under the same conditions, and their times and memory tell of that, too",
    ]


def _machine(run: RunRow) -> str:
    """Such as ``AMD EPYC, 2 cores, 1 thread a run``; the host's name is nobody's business."""
    machine = run.conditions.get("machine")
    machine = machine if isinstance(machine, dict) else {}
    cores, threads = machine.get("cores"), run.conditions.get("threads")
    parts = [str(machine.get("cpu") or "unknown processor")]
    parts += [f"{cores} cores"] if isinstance(cores, int) else []
    parts += [f"{threads} thread{'s' if threads > 1 else ''} a run"] if isinstance(threads, int) else []
    return ", ".join(parts)


def _each_once(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
