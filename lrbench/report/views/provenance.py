"""The provenance of an entry of the policy database: its runs, when they were made, versions and cost."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.report.formats import equal_seeds_note
from lrbench.runs.declarations import declared_text, program_notes
from lrbench.tuning.database.entry import Entry


@dataclass(frozen=True)
class _Run:
    """An entry's runs as a run.json describes them."""

    workload: Mapping[str, Any]
    solver: Mapping[str, Any]
    facts: Mapping[str, Any]


def entry_notes(entries: Sequence[Entry]) -> list[str]:
    """Return the sentences below a table of entries: what programs declare, and whose seeds change nothing."""
    programs = [
        _Run({"program": {"name": entry.workload.net_name}}, entry.workload.solver, entry.facts)
        for entry in entries
        if entry.workload.is_program
    ]
    equal = [entry.policy for entry in entries if entry.equal_seeds]
    return [*([equal_seeds_note(equal, len(entries))] if equal else []), *program_notes(programs)]


def origin_lines(entries: Sequence[Entry], engine: str) -> Iterator[str]:
    """Where the runs come from, a line for the entries that were made alike.

    Args:
        engine: that of the spec; another one is named.
    """
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for entry in entries:
        groups[origin_text(entry, engine)].append(entry.id[:8])
    for origin, ids in groups.items():
        yield f"{', '.join(ids)}: {origin}"


def origin_text(entry: Entry, engine: str) -> str:
    """Seeds, experiment, engine, when, version, and whether it was measured here or came with LRBench."""
    workload, runs = entry.workload, entry.runs
    known = f"{workload.engine_name} {_all(run.engine_version for run in runs)}".strip()
    other = "" if workload.engine_name == engine else f" (not {engine})"
    if workload.is_program:
        known = declared_text(entry.facts)
    days = sorted(run.run_at[:10] for run in runs if run.run_at) or ["unknown days"]
    when = f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
    parts = [
        f"seeds {', '.join(map(str, entry.seeds))}" if len(entry.seeds) > 1 else f"one seed, {entry.seeds[0]}",
        f"runs of {_all(run.experiment for run in runs)}",
        f"{known}{other}",
        f"run {when} by LRBench {_all(run.lrbench_version for run in runs) or 'of unknown version'}",
        f"evaluated every {workload.test_interval} iterations",
        "shipped with LRBench" if entry.shipped else "measured here",
    ]
    return ", ".join(parts)


def _all(values: Iterator[str | None]) -> str:
    return " and ".join(dict.fromkeys(value for value in values if value))
