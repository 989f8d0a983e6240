"""Texts and tables of documents, prepared for renderers; tables that are too wide are folded or split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lrbench.errors import plain
from lrbench.report.document import Cell, Column, Table

Fits = Callable[[Table], bool]


def parts_that_fit(table: Table, fits: Fits) -> list[Table]:
    """Return the table, or narrower tables in its place where it does not fit.

    First the columns that fold are folded, then the groups of columns are shared out evenly over as few tables as fit;
    where nothing fits, over as many as there are groups.
    """
    if fits(table):
        return [table]
    table = _folded(table)
    groups = sorted({column.group for column in table.columns if column.group is not None})
    parts = [table]
    for count in range(1, len(groups) + 1):
        size = -(-len(groups) // count)
        parts = [_part(table, groups[start : start + size]) for start in range(0, len(groups), size)]
        if all(map(fits, parts)):
            break
    return parts


def cells(row: Sequence[Cell | str]) -> list[Cell]:
    """Return the row with a ``Cell`` in place of each plain text."""
    return [Cell(cell) if isinstance(cell, str) else cell for cell in row]


def _folded(table: Table) -> Table:
    folding = [index for index, column in enumerate(table.columns) if column.folds]
    if not folding:
        return table
    policy = next(index for index, column in enumerate(table.columns) if column.role == "policy")
    rows = []
    for row in map(cells, table.rows):
        details = (*row[policy].details, *(row[index].text for index in folding))
        row[policy] = replace(row[policy], details=details)
        rows.append([cell for index, cell in enumerate(row) if index not in folding])
    return replace(table, columns=[column for column in table.columns if not column.folds], rows=rows)


def _part(table: Table, groups: Sequence[int]) -> Table:
    kept = [index for index, column in enumerate(table.columns) if column.group is None or column.group in groups]
    rows = [[row[index] for index in kept] for row in table.rows]
    return replace(table, columns=[table.columns[index] for index in kept], rows=rows)


def alignment(columns: Sequence[Column]) -> list[str]:
    """Return ``left`` or ``right`` for each column, as tabulate takes it."""
    return ["right" if column.role == "number" else "left" for column in columns]


def plain_lines(text: str) -> str:
    """Return the lines of a text as ``plain`` text that keeps its indents."""
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + plain(line) for line in text.splitlines())
