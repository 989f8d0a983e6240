"""evaluations.jsonl: one evaluation of a run a line, read as ``Evaluation`` or, for reports, as columns.

The file is read in batches of lines, so that columns take little more memory than their numbers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

BATCH_BYTES = 1 << 22

Columns = dict[str, NDArray[np.float64]]
Row = Mapping[str, Any]

# What reading a line, and making columns of what is no row of numbers with an iteration, raise; JSONDecodeError is a
# ValueError.
_NO_EVALUATION = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measurements at one iteration of a run.

    Attributes:
        iteration: number of iterations done by then.
        metrics: by name, see ``lrbench.metrics.evaluation``; NaN where there is no value.
        learning_rate: that of the last iteration.
        train_seconds, evaluation_seconds: wall time of training and of evaluating so far.
        cpu_seconds, peak_memory_bytes: of the engine's processes so far.
    """

    iteration: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = math.nan
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0

    @property
    def accuracy(self) -> float:
        """The top-1 accuracy, a fraction; NaN where it is not known."""
        return self.metrics.get("accuracy_top1", math.nan)

    @property
    def seconds(self) -> float:
        """Wall time so far, of training and of evaluating."""
        return self.train_seconds + self.evaluation_seconds

    @classmethod
    def parse(cls, row: Row) -> Evaluation:
        """Take the evaluation from a parsed line.

        Raises:
            KeyError: it has no metric of a test set, or lacks a clock that a run needs to resume.
            TypeError, ValueError: a value is no number.
        """
        values = {name: math.nan if value is None else float(value) for name, value in row.items()}
        clocks = {name: values.pop(name) for name in ("train_seconds", "evaluation_seconds", "cpu_seconds")}
        iteration, memory = int(values.pop("iteration")), int(values.pop("peak_memory_bytes"))
        rate = values.pop("learning_rate", math.nan)
        if values.keys() <= {"train_loss"}:
            raise KeyError("metrics")
        return cls(iteration, values, rate, **clocks, peak_memory_bytes=memory)

    def as_dict(self) -> dict[str, float]:
        """All numbers by name, in the order of evaluations.jsonl."""
        return {
            "iteration": self.iteration,
            "learning_rate": self.learning_rate,
            **self.metrics,
            "train_seconds": self.train_seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
        }

    def line(self) -> bytes:
        """The line of evaluations.jsonl, with null for NaN."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.as_dict().items()}
        return json.dumps(finite).encode() + b"\n"


def of_trained_net(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Leave out an evaluation at iteration 0.

    It is of the initial weights and says nothing of the policy: it is no result to rank by, and no target is reached
    there.
    """
    return [evaluation for evaluation in evaluations if evaluation.iteration > 0]


def read_evaluations(file: BinaryIO) -> list[Evaluation]:
    """Read the evaluations before the first line that is none, or that a run cannot resume from.

    Each iteration comes once, rising: where a line repeats one, the later line counts. A line without an accuracy is
    none where the lines before have one; of a program, none may have one.
    """
    found: dict[int, Evaluation] = {}
    has_accuracy = False
    for row in itertools.chain.from_iterable(batch.rows for batch in _batches(file)):
        try:
            evaluation = Evaluation.parse(row)
            if has_accuracy and "accuracy_top1" not in evaluation.metrics:
                break
        except _NO_EVALUATION:
            break
        has_accuracy = "accuracy_top1" in evaluation.metrics
        found[evaluation.iteration] = evaluation
    return [found[iteration] for iteration in sorted(found)]


def read_columns(file: BinaryIO) -> tuple[Columns, str | None]:
    """Read the evaluations before the first line that is none, and say what is wrong with that line, None if nothing.

    Returns:
        Float64 columns by name, those that the first or the last evaluation knows: a run can be resumed by a newer
        version. Each iteration once, rising; null is NaN.
    """
    batches: list[Columns] = []
    first: Row = {}
    last: Row = {}
    problem = None
    for batch in _batches(file):
        problem = batch.problem
        if batch.rows:
            batches.append(batch.columns)
            first, last = first or dict.fromkeys(batch.rows[0]), dict.fromkeys(batch.rows[-1])
    if not batches:
        return {"iteration": np.array([], dtype=np.float64)}, problem
    return in_order(_joined(batches, {**first, **last})), problem


def columns_of(evaluations: Sequence[Evaluation]) -> Columns:
    """Return float64 columns by name, as ``read_columns`` does."""
    rows = [evaluation.as_dict() for evaluation in evaluations]
    return _columns(rows) if rows else {"iteration": np.array([], dtype=np.float64)}


def _joined(batches: Sequence[Columns], names: Iterable[str]) -> Columns:
    """Concatenate the columns of those names; the batches are emptied on the way, to save memory."""
    if len(batches) == 1:
        return {name: batches[0][name] for name in names}
    lengths = [len(batch["iteration"]) for batch in batches]
    joined = {}
    for batch in batches:
        for name in batch.keys() - names:
            del batch[name]
    for name in names:
        unknown = (np.full(length, np.nan) for length in lengths)
        joined[name] = np.concatenate(
            [batch.pop(name) if name in batch else filler for batch, filler in zip(batches, unknown, strict=True)]
        )
    return joined


class _Batch(NamedTuple):
    """Some evaluations as parsed and as columns, and what is wrong with the line behind them."""

    rows: Sequence[Row]
    columns: Columns
    problem: str | None = None


def _batches(file: BinaryIO) -> Iterator[_Batch]:
    """The evaluations, some at a time, up to the first line that is none."""
    count = 0
    for lines in _lines(file):
        batch = _parsed(lines, count)
        count += len(batch.rows)
        yield batch
        if batch.problem is not None:
            return


def _lines(file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines, some at a time; a last one that a kill cut short is left out."""
    while lines := file.readlines(BATCH_BYTES):
        if not lines[-1].endswith(b"\n"):
            torn = lines.pop()
            with contextlib.suppress(orjson.JSONDecodeError):
                orjson.loads(torn)
                lines.append(torn)
        if lines:
            yield lines


def _parsed(lines: Sequence[bytes], before: int) -> _Batch:
    try:
        rows = orjson.loads(b"[" + b",".join(lines) + b"]")  # one call, for speed
        if len(rows) == len(lines):
            return _Batch(rows, _columns(rows))
    except _NO_EVALUATION:
        pass
    rows, problem = _rows_before_damage(lines, before)
    return _Batch(rows, _columns(rows) if rows else {}, problem)


def _rows_before_damage(lines: Sequence[bytes], before: int) -> tuple[list[Row], str]:
    rows: list[Row] = []
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


def _columns(rows: Sequence[Row]) -> Columns:
    names = list(rows[0])
    values: Iterable[Sequence[Any]]
    if all(list(row) == names for row in rows):  # as one engine writes them; a third faster
        values = zip(*[row.values() for row in rows], strict=True)
    else:
        names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
        values = ([row.get(name) for row in rows] for name in names)
    columns = {name: np.array(column, dtype=np.float64) for name, column in zip(names, values, strict=True)}
    if any(column.ndim != 1 for column in columns.values()) or np.isnan(columns["iteration"]).any():
        raise ValueError
    return columns


def in_order(columns: Columns) -> Columns:
    """Sort the rows by iteration, each once: a resumed run may write an evaluation again, and the later line counts."""
    iterations = columns["iteration"]
    if (np.diff(iterations) > 0).all():
        return columns
    _, from_the_end = np.unique(iterations[::-1], return_index=True)
    kept = len(iterations) - 1 - from_the_end
    return {name: column[kept] for name, column in columns.items()}
