"""Tables of the policy database, entries as their rows, and queries for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Select, Text, func, or_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from lrbench.tuning.database.entry import ENTRY, Entry, EvaluatedOn, StoredWorkload
from lrbench.tuning.database.measured import MeasuredRun

SCHEMA = 1
OPTIONAL = ("objective", "bests", "facts")
"""Attributes of a run that only other objectives than the accuracy, and programs, have."""
NO_BATCH = 0
"""Batch size of a program in the table, whose column holds a number in every version."""


class Base(DeclarativeBase):
    """Base of all tables; text is of any length."""

    type_annotation_map: ClassVar = {str: Text()}


class SchemaRow(Base):
    """One row with the version of the tables."""

    __tablename__ = "lrbench_schema"

    schema: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class EntryRow(Base):
    """A policy on a workload; columns as in ``Entry`` and ``StoredWorkload``."""

    __tablename__ = "lrbench_entries"

    id: Mapped[str] = mapped_column(primary_key=True)
    workload_id: Mapped[str] = mapped_column(index=True)
    net_name: Mapped[str]
    net_sha256: Mapped[str]
    dataset_name: Mapped[str]
    dataset_label: Mapped[str]
    dataset_sha256: Mapped[str]
    evaluated_on: Mapped[str]
    batch_size: Mapped[int]
    iterations: Mapped[int]
    test_interval: Mapped[int]
    solver_type: Mapped[str]
    solver: Mapped[Any] = mapped_column(JSON)
    engine_name: Mapped[str]
    engine_driver: Mapped[str]
    engine_device: Mapped[str]
    engine_precision: Mapped[str]
    policy: Mapped[str]
    function: Mapped[str]
    lr_scale: Mapped[float]
    runs: Mapped[list[RunRow]] = relationship(lazy="selectin")


class RunRow(Base):
    """A run of an entry; columns as in ``MeasuredRun``.

    Attributes:
        curve: the list; where the run has an attribute of ``OPTIONAL``, an object with ``curve`` and these.
    """

    __tablename__ = "lrbench_runs"

    entry_id: Mapped[str] = mapped_column(ForeignKey(EntryRow.id), primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    seed: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str | None]
    iteration: Mapped[int]
    metrics: Mapped[Any] = mapped_column(JSON)
    curve: Mapped[Any] = mapped_column(JSON)
    experiment: Mapped[str]
    run_at: Mapped[str | None]
    added_at: Mapped[str]
    lrbench_version: Mapped[str | None]
    engine_version: Mapped[str | None]
    cpu: Mapped[str | None]
    gpu: Mapped[str | None]
    cores: Mapped[int | None]
    threads: Mapped[int | None]
    note: Mapped[str | None]
    shipped: Mapped[bool]


def entry_row(entry: Entry) -> EntryRow:
    """Return the row of an entry, without its runs."""
    workload = entry.workload
    columns = {field.name: getattr(workload, field.name) for field in fields(StoredWorkload)}
    columns["solver"] = dict(workload.solver)
    columns["batch_size"] = NO_BATCH if workload.batch_size is None else workload.batch_size
    return EntryRow(
        id=entry.id,
        workload_id=workload.id,
        solver_type=workload.solver_type,
        policy=entry.policy,
        function=entry.function,
        lr_scale=entry.lr_scale,
        **columns,
    )


def run_row(run: MeasuredRun, entry_id: str) -> RunRow:
    """Return the row of a run of that entry."""
    columns = {field.name: getattr(run, field.name) for field in fields(MeasuredRun) if field.name not in OPTIONAL}
    curve: Any = [list(point) for point in run.curve]
    optional = {name: value for name in OPTIONAL if (value := getattr(run, name))}
    if optional:
        curve = {"curve": curve}
        for name, value in optional.items():
            curve[name] = dict(value) if isinstance(value, Mapping) else [list(point) for point in value]
    return RunRow(entry_id=entry_id, **columns | {"metrics": dict(run.metrics), "curve": curve})


def _run(row: RunRow) -> dict[str, Any]:
    """The attributes of a run, not yet checked."""
    found = {field.name: getattr(row, field.name) for field in fields(MeasuredRun) if field.name not in OPTIONAL}
    if isinstance(row.curve, dict):
        found |= {name: value for name, value in row.curve.items() if name in ("curve", *OPTIONAL)}
    return found


def entry_of(row: EntryRow) -> Entry:
    """Return the entry of a row and its runs.

    Raises:
        pydantic.ValidationError: the row has values that LRBench did not write.
    """
    runs = sorted(row.runs, key=lambda run: (run.seed, run.run_id))  # databases sort text each in their own way
    return ENTRY.validate_python(
        {
            "workload": {field.name: getattr(row, field.name) for field in fields(StoredWorkload)}
            | {"batch_size": None if row.batch_size == NO_BATCH else row.batch_size},
            "policy": row.policy,
            "function": row.function,
            "lr_scale": row.lr_scale,
            "runs": [_run(run) for run in runs],
        }
    )


_COMPARED = ("workload_id", "policy", "batch_size", "iterations", "evaluated_on")


@dataclass(frozen=True)
class EntryQuery:
    """Query for entries that match every field that is not None; names match in any case.

    Attributes:
        workload_id: ``StoredWorkload.id``: net, data, sizes, solver and engine are the same.
        net: the net's name, or the beginning of its SHA-256; of a program likewise.
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
        """Return the statement that selects the rows."""
        row = EntryRow
        names = (
            (self.net, (row.net_name,), row.net_sha256),
            (self.dataset, (row.dataset_name, row.dataset_label), row.dataset_sha256),
            (self.solver, (row.solver_type,), None),
            (self.engine, (row.engine_name,), None),
            (self.function, (row.function,), None),
        )
        conditions = []
        for name, columns, digest in names:
            if name is not None:
                equal = [func.lower(column) == name.lower() for column in columns]
                if digest is not None and len(name) >= 8:
                    equal.append(digest.startswith(name.lower(), autoescape=True))
                conditions.append(or_(*equal))
        exact = {name: value for name in _COMPARED if (value := getattr(self, name)) is not None}
        return select(row).where(*conditions).filter_by(**exact)
