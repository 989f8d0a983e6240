"""evaluations.jsonl as columns, read in batches of lines, so that a file takes little more memory than its numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

BATCH_BYTES = 1 << 22

Columns = dict[str, NDArray[np.float64]]

# What reading a line, and making columns of what is no row of numbers with an iteration, raise; JSONDecodeError is a
# ValueError.
_NO_EVALUATION = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


def read_columns(file: BinaryIO) -> tuple[Columns, str | None]:
    """The evaluations before the first line that is none, and what is wrong with that line; None where all are.

    Returns:
        Float64 columns by name, those that the first or the last evaluation knows: a run can be resumed by a newer
        version. Each iteration once, rising; null is NaN.
    """
    table = _Table()
    for lines in _batches(file):
        problem = table.add(lines)
        if problem is not None:
            return table.columns(), problem
    return table.columns(), None


def _batches(file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines, some at a time; a last one that a kill cut short is left out."""
    while lines := file.readlines(BATCH_BYTES):
        if not lines[-1].endswith(b"\n"):
            torn = lines.pop()
            with contextlib.suppress(orjson.JSONDecodeError):
                orjson.loads(torn)
                lines.append(torn)
        yield lines


class _Table:
    """Batches of rows as columns, put together at the end."""

    def __init__(self) -> None:
        self._batches: list[Columns] = []
        self._first: Mapping[str, Any] = {}
        self._last: Mapping[str, Any] = {}
        self._count = 0

    def add(self, lines: Sequence[bytes]) -> str | None:
        """Take the lines; where one is no evaluation those before it, and say what is wrong with it."""
        try:
            rows = orjson.loads(b"[" + b",".join(lines) + b"]")  # one call, for speed
            if len(rows) == len(lines):
                self._take(rows)
                return None
        except _NO_EVALUATION:
            pass
        rows, problem = _rows_before_damage(lines, self._count)
        self._take(rows)
        return problem

    def _take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        self._batches.append(_columns(rows))
        self._first = self._first or dict.fromkeys(rows[0])
        self._last = dict.fromkeys(rows[-1])
        self._count += len(rows)

    def columns(self) -> Columns:
        """All rows; each batch is let go of on the way."""
        if not self._batches:
            return {"iteration": np.array([], dtype=np.float64)}
        lengths = [len(batch["iteration"]) for batch in self._batches]
        names = {**self._first, **self._last}
        for batch in self._batches:
            for name in batch.keys() - names:
                del batch[name]
        return in_order({name: self._joined(name, lengths) for name in names})

    def _joined(self, name: str, lengths: Sequence[int]) -> NDArray[np.float64]:
        unknown = (np.full(length, np.nan) for length in lengths)
        return np.concatenate(
            [batch.pop(name) if name in batch else filler for batch, filler in zip(self._batches, unknown, strict=True)]
        )


def _rows_before_damage(lines: Sequence[bytes], before: int) -> tuple[list[dict[str, Any]], str]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=before + 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            return rows, f":{number} is not JSON"
        try:
            _columns([row])
        except _NO_EVALUATION:
            return rows, f":{number} is not an evaluation: numbers by name, with its iteration"
        rows.append(row)
    return rows, " is not one JSON object a line"


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    names = dict.fromkeys(rows[0])
    for row in rows:
        if row.keys() != rows[0].keys():
            names.update(dict.fromkeys(row))
    columns = {name: np.array([row.get(name) for row in rows], dtype=np.float64) for name in names}
    if any(column.ndim != 1 for column in columns.values()) or np.isnan(columns["iteration"]).any():
        raise ValueError
    return columns


def in_order(columns: Columns) -> Columns:
    """Each iteration once, rising: a resumed run may write an evaluation again, and the later line counts."""
    iterations = columns["iteration"]
    if (np.diff(iterations) > 0).all():
        return columns
    _, from_the_end = np.unique(iterations[::-1], return_index=True)
    kept = len(iterations) - 1 - from_the_end
    return {name: column[kept] for name, column in columns.items()}
