"""Results, studies or databases merged: what was taken from each source, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.errors import path_text
from lrbench.report.document import Block, Column, Document, Items, Paragraph, Table
from lrbench.report.formats import counted
from lrbench.runs.merging import Merged


def merge_document(merged: Merged) -> Document:
    """The document of a merge."""
    sources = [
        {"source": part.source, "runs": part.found, "taken": part.taken, "known": part.known} for part in merged.parts
    ]
    data = {
        "output": path_text(merged.output),
        "sources": sources,
        "conflicts": merged.conflicts,
        "left_out": merged.left_out,
    }
    return Document(list(_blocks(merged)), lambda: data, lambda: sources)


def _blocks(merged: Merged) -> Iterator[Block]:
    columns = [Column("source", "text"), Column("runs"), Column("taken"), Column("known already")]
    rows = [[part.source, f"{part.found:,}", f"{part.taken:,}", f"{part.known:,}"] for part in merged.parts]
    yield Table(columns, rows, (), "sources")
    for title, lines in (
        (f"{counted(len(merged.conflicts), 'run differs', 'runs differ')} between sources:", merged.conflicts),
        ("left out:", merged.left_out),
    ):
        if lines:
            yield Items(lines, title)
    yield Paragraph(f"{path_text(merged.output)}: {counted(sum(part.taken for part in merged.parts), 'run', 'runs')}")
