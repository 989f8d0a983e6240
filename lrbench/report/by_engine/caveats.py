"""What bears on the costs of an engine beside the engine itself."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.report.by_engine.tables import EngineRow, EngineTable

ENOUGH_CPU_PERCENT = 90


def caveats(table: EngineTable) -> Iterable[str]:
    """A line for each engine of whose runs several shared their processes, and for each that waited for the CPU."""
    for engine in table.engines:
        rows = [by[engine] for by in table.rows.values() if engine in by]
        most = max((_shared(table, found) for found in rows), default=1)
        if most > 1:
            yield (
                f"{table.label}: up to {most} runs shared the processes of {engine}; its CPU %, GPU and memory are "
                "those of all of them, and its times are of training side by side"
            )
        means = [mean for found in rows if _on_cpu(found) and (mean := found.costs["cpu_percent"].mean) is not None]
        if means and min(means) < ENOUGH_CPU_PERCENT:
            span = f"{min(means):.0f} to {max(means):.0f} %"
            yield (
                f"{table.label}: {engine} had a core {span} of the time, so other work was on the machine: its "
                "training seconds tell of that, its CPU seconds less so"
            )


def _shared(table: EngineTable, found: EngineRow) -> int:
    return max((sample.shared for run in found.row.runs for sample in table.samples.get(run.path, ())), default=1)


def _on_cpu(found: EngineRow) -> bool:
    return all(run.engine.get("device") == "cpu" for run in found.row.runs)
