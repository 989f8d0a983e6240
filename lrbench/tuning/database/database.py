"""Policy database: measured runs by policy and workload, in an SQLite file or on PostgreSQL."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from json import JSONDecodeError

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.orm import Session

from lrbench.errors import DatabaseError
from lrbench.tuning.database.connection import WRITES, connect, database_errors, ensure_tables, locate
from lrbench.tuning.database.entry import Entry, joined
from lrbench.tuning.database.lines import shipped_entries
from lrbench.tuning.database.schema import EntryQuery, EntryRow, RunRow, entry_of, entry_row, run_row

SHORTEST_ID = 4
ASKED_AT_ONCE = 500
EVERYTHING = EntryQuery()


@dataclass(frozen=True)
class Added:
    """Numbers of new entries and runs of an ``add``.

    Attributes:
        entries: new entries.
        grown: entries that were there and have more runs now.
        runs: new runs.
        known: runs that were there before, which stay as they are.
    """

    entries: int = 0
    grown: int = 0
    runs: int = 0
    known: int = 0


class Database(AbstractContextManager["Database"]):
    """An open policy database; made by ``open_database``, closed by ``close`` or at the end of a ``with``.

    Every method raises DatabaseError, with one line, where the database is gone, locked for a minute, full or damaged.

    Attributes:
        shown: the name in messages, without user and password.
        created: whether opening it made its tables.
    """

    def __init__(self, engine: Engine, shown: str, *, created: bool) -> None:
        self.shown = shown
        self.created = created
        self._engine = engine

    def add(self, entries: Iterable[Entry]) -> Added:
        """Add entries in one transaction: all or nothing.

        A run that the database has, by entry and run id, stays as it is, unless that one was shipped and this one was
        measured here; other runs join the entry of their policy and workload. Several processes may add at once.
        """
        given = list(entries)
        with self._session(writes=True) as session:
            return _add(session, given)

    def entries(self, query: EntryQuery = EVERYTHING) -> list[Entry]:
        """Return the entries that match, sorted by id."""
        with self._session() as session:
            found = map(entry_of, session.scalars(query.statement()))
            return sorted(found, key=lambda entry: entry.id)

    def entry(self, start: str) -> Entry:
        """Return the entry whose id is, or begins with, ``start``.

        Raises:
            DatabaseError: there is none, or there are several.
        """
        with self._session() as session:
            found = select(EntryRow).where(EntryRow.id.startswith(start.lower(), autoescape=True)).order_by(EntryRow.id)
            rows = session.scalars(found.limit(3)).all() if len(start) >= SHORTEST_ID else []
            if len(rows) == 1:
                return entry_of(rows[0])
        if rows:
            raise DatabaseError(
                f"several entries begin with {start!r}",
                where=self.shown,
                remedy=f"give more of it, such as {rows[0].id}",
            )
        raise DatabaseError(
            f"no entry has the id {start!r}",
            where=self.shown,
            remedy=f"`lrbench db list` shows the ids; give {SHORTEST_ID} digits or more",
        )

    def __len__(self) -> int:
        """Number of entries."""
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(EntryRow)) or 0

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __exit__(self, *_error: object) -> None:
        self.close()

    @contextmanager
    def _session(self, *, writes: bool = False) -> Iterator[Session]:
        engine = self._engine.execution_options(**{WRITES: writes})
        with (
            database_errors(self.shown, engine.url),
            Session(engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            try:
                yield session
            except (ValidationError, JSONDecodeError):
                raise DatabaseError(
                    "the database has values that LRBench did not write",
                    where=self.shown,
                    remedy="name another with --db",
                ) from None


def open_database(location: str) -> Database:
    """Open the policy database that a path or a URL names; a new one gets the entries that come with LRBench.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL such as ``postgresql://user:password@host/name``.

    Raises:
        DatabaseError: it cannot be reached, is no database, or is one of another version or program; nothing is
            written then.
    """
    place = locate(location)
    engine = connect(place)
    try:
        with database_errors(place.shown, place.url):
            created = ensure_tables(engine, place.shown, _fill)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, place.shown, created=created)


def _fill(connection: Connection) -> None:
    with Session(connection) as session:
        _add(session, shipped_entries())


def _add(session: Session, given: Sequence[Entry]) -> Added:
    entries = joined(given)
    present = _present(session, [entry.id for entry in entries])
    added: collections.Counter[str] = collections.Counter()
    for entry in entries:
        known = present.get(entry.id, {})
        if entry.id not in present:
            session.add(entry_row(entry))
        # A run that was measured here replaces the same run shipped, which tells less.
        new = [run for run in entry.runs if run.run_id not in known or (known[run.run_id] and not run.shipped)]
        for run in new:
            put = session.merge if run.run_id in known else session.add
            put(run_row(run, entry.id))
        added["runs"] += len(new)
        added["grown" if entry.id in present else "entries"] += min(1, len(new))
    session.flush()
    runs = sum(len(entry.runs) for entry in given)
    return Added(added["entries"], added["grown"], added["runs"], known=runs - added["runs"])


def _present(session: Session, entries: Sequence[str]) -> dict[str, dict[str, bool]]:
    """The runs of the entries that the database has, by entry and run id, with whether they are shipped."""
    found: dict[str, dict[str, bool]] = {}
    columns = select(EntryRow.id, RunRow.run_id, RunRow.shipped).outerjoin(RunRow, RunRow.entry_id == EntryRow.id)
    for start in range(0, len(entries), ASKED_AT_ONCE):
        wanted = entries[start : start + ASKED_AT_ONCE]
        for entry, run, shipped in session.execute(columns.where(EntryRow.id.in_(wanted))):
            found.setdefault(entry, {})[run] = shipped
    return found
