"""Snapshots that could be deleted, by experiment, and the disk that they take."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import path_text
from lrbench.report.document import Block, Column, Command, Document, Paragraph, Table
from lrbench.report.formats import counted, number
from lrbench.runs.cleaning import RunSnapshots


@dataclass(frozen=True)
class Cleaning:
    """Snapshots found, and what is done with them.

    Attributes:
        freed: bytes that were freed; None: nothing was to be deleted yet.
        command: the command that deletes them.
    """

    found: Sequence[RunSnapshots]
    freed: int | None
    command: Sequence[str]


def clean_document(cleaning: Cleaning) -> Document:
    """The document of a cleaning, before or after it."""
    return Document(
        list(_blocks(cleaning)),
        lambda: {"freed_bytes": cleaning.freed, "runs": _records(cleaning)},
        lambda: _records(cleaning),
    )


def _blocks(cleaning: Cleaning) -> Iterator[Block]:
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
    if cleaning.freed is not None:
        yield Paragraph(f"freed {number(cleaning.freed, 'bytes')} MB")
    elif rows:
        yield Paragraph("nothing is deleted yet; lrbench extend and branch go on from snapshots, reports need none")
        yield Command(shlex.join(cleaning.command), "deletes them")


def _records(cleaning: Cleaning) -> list[dict[str, Any]]:
    return [
        {"run": path_text(run.run), "done": run.done, "snapshots": len(run.unneeded), "bytes": run.size}
        for run in cleaning.found
    ]
