"""Snapshots and ordered samples that could be deleted, and the disk that they take."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.data.order import OrderedSamples
from lrbench.errors import path_text
from lrbench.report.document import Block, Column, Command, Document, Paragraph, Table
from lrbench.report.formats import counted, number
from lrbench.runs.cleaning import RunSnapshots


@dataclass(frozen=True)
class Cleaning:
    """Snapshots and ordered samples found, and what is done with them.

    Attributes:
        ordered: samples in the orders of seeds; None: they are not asked for.
        freed: bytes that were freed; None: nothing was to be deleted yet.
        command: the command that deletes them.
    """

    found: Sequence[RunSnapshots]
    freed: int | None
    command: Sequence[str]
    ordered: Sequence[OrderedSamples] | None = None

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to delete."""
        return any(run.unneeded for run in self.found) or bool(self.ordered)


def clean_document(cleaning: Cleaning) -> Document:
    """The document of a cleaning, before or after it."""
    return Document(
        list(_blocks(cleaning)),
        lambda: {"freed_bytes": cleaning.freed, "runs": _records(cleaning), "ordered_samples": _ordered(cleaning)},
        lambda: _records(cleaning) or _ordered(cleaning),
    )


def _blocks(cleaning: Cleaning) -> Iterator[Block]:
    if cleaning.found or cleaning.ordered is None:
        yield from _of_runs(cleaning)
    if cleaning.ordered is not None:
        yield from _of_samples(cleaning.ordered)
    if cleaning.freed is not None:
        yield Paragraph(f"freed {number(cleaning.freed, 'bytes')} MB")
    elif cleaning.is_needed:
        kept = "lrbench extend and branch go on from snapshots, reports need none" if cleaning.found else ""
        made = "runs make ordered samples again" if cleaning.ordered else ""
        yield Paragraph("; ".join(filter(None, ("nothing is deleted yet", kept, made))))
        yield Command(shlex.join(cleaning.command), "deletes them")


def _of_samples(ordered: Sequence[OrderedSamples]) -> Iterator[Block]:
    sets: dict[str, list[OrderedSamples]] = defaultdict(list)
    for samples in ordered:
        sets[samples.data_set].append(samples)
    rows = [
        [
            name,
            ", ".join(map(str, sorted({each.seed for each in alike}))),
            number(sum(each.size for each in alike), "bytes"),
        ]
        for name, alike in sets.items()
    ]
    columns = [Column("data set", "text"), Column("seeds", "text"), Column("MB")]
    if rows:
        yield Table(columns, rows, (), "ordered_samples", "training samples in the orders of seeds")
    else:
        yield Paragraph("no training samples are stored in the order of a seed")


def _of_runs(cleaning: Cleaning) -> Iterator[Block]:
    experiments: dict[Path, list[RunSnapshots]] = defaultdict(list)
    for run in cleaning.found:
        if run.unneeded:
            experiments[run.run.parent].append(run)
    rows = [
        [
            path_text(folder),
            f"{len(runs):,}",
            f"{sum(len(run.unneeded) for run in runs):,}",
            number(sum(run.size for run in runs), "bytes"),
        ]
        for folder, runs in experiments.items()
    ]
    columns = [Column("experiment", "text"), Column("done runs"), Column("snapshots"), Column("MB")]
    if rows:
        yield Table(columns, rows, (), "snapshots", "snapshots of done runs")
    else:
        yield Paragraph("no done run has a snapshot to delete")
    undone = sum(not run.done for run in cleaning.found)
    if undone:
        yield Paragraph(f"{counted(undone, 'run is', 'runs are')} not done; snapshots to resume from stay")


def _records(cleaning: Cleaning) -> list[dict[str, Any]]:
    return [
        {"run": path_text(run.run), "done": run.done, "snapshots": len(run.unneeded), "bytes": run.size}
        for run in cleaning.found
    ]


def _ordered(cleaning: Cleaning) -> list[dict[str, Any]]:
    return [
        {"folder": path_text(each.folder), "data_set": each.data_set, "seed": each.seed, "bytes": each.size}
        for each in cleaning.ordered or ()
    ]
