"""What to look for in a policy database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from lrbench.tuning.database.entry import EvaluatedOn
from lrbench.tuning.database.schema import EntryRow


@dataclass(frozen=True)
class EntryQuery:
    """Entries that fit all that is given; names whatever their case.

    Attributes:
        workload_id: ``StoredWorkload.id``: net, data, sizes, solver and engine are the same.
        net: the net's name, or the beginning of its SHA-256.
        dataset: the data set's name, label, or the beginning of its SHA-256.
        solver: its type, such as ``SGD``.
        policy: canonical text.
    """

    workload_id: str | None = None
    net: str | None = None
    dataset: str | None = None
    solver: str | None = None
    engine: str | None = None
    function: str | None = None
    policy: str | None = None
    batch_size: int | None = None
    iterations: int | None = None
    evaluated_on: EvaluatedOn | None = None

    def statement(self) -> Select[Any]:
        """The rows that fit."""
        return select(EntryRow).where(*self._names(), *self._values())

    def _names(self) -> list[ColumnElement[bool]]:
        """What is compared whatever its case."""
        row = EntryRow
        wanted = (
            (self.net, (row.net_name,), row.net_sha256),
            (self.dataset, (row.dataset_name, row.dataset_label), row.dataset_sha256),
            (self.solver, (row.solver_type,), None),
            (self.engine, (row.engine_name,), None),
            (self.function, (row.function,), None),
        )
        return [
            or_(
                *(func.lower(column) == name.lower() for column in columns),
                *([digest.startswith(name.lower(), autoescape=True)] if digest is not None and len(name) >= 8 else []),
            )
            for name, columns, digest in wanted
            if name is not None
        ]

    def _values(self) -> list[ColumnElement[bool]]:
        row = EntryRow
        wanted = (
            (self.workload_id, row.workload_id),
            (self.policy, row.policy),
            (self.batch_size, row.batch_size),
            (self.iterations, row.iterations),
            (self.evaluated_on, row.evaluated_on),
        )
        return [column == value for value, column in wanted if value is not None]
