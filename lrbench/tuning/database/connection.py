"""Connection to a policy database in an SQLite file or on PostgreSQL, whose tables are made where there are none.

Writers take turns: each locks the database from the beginning of its transaction, so that what it has read is still
so when it writes. Readers never wait for a server, and for a file only while a writer finishes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from lrbench.errors import DatabaseError
from lrbench.storage import is_irregular
from lrbench.tuning.database.schema import SCHEMA, Base, SchemaRow
from lrbench.urls import hide_secrets_of, is_mistyped_url, shown_url

EXAMPLE = "postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True)
class Location:
    """URL for SQLAlchemy, and the name in messages, without user, password and settings."""

    url: URL
    shown: str


def locate(text: str) -> Location:
    """Return the location of a path or a URL; a text without ``://`` is the path of an SQLite file.

    Raises:
        DatabaseError: no such place, a mistyped URL, or no driver; nothing of a password is in the message.
    """
    refuse_mistyped(text)
    if "://" not in text:
        return _file(text)
    if text.count("@") > 1:  # what is before the last one would be taken for the host, and shown
        raise DatabaseError("the URL of the database has more than one @", remedy="write one in a password as %40")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _no_url() from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        if url.query:
            raise DatabaseError("the URL of an SQLite file has settings behind ?", remedy="give the file's path")
        return _file(url.database or "")
    if kind not in ("postgresql", "postgres"):
        raise DatabaseError(f"{kind!r} is no database that LRBench knows", remedy=f"give a file's path, or {EXAMPLE}")
    if importlib.util.find_spec("psycopg") is None:
        raise DatabaseError("the driver of PostgreSQL is not installed", remedy="type: pip install 'lrbench[postgres]'")
    url = url.set(drivername="postgresql+psycopg")
    return Location(url, shown_url(url.render_as_string(hide_password=False)))


def refuse_mistyped(text: str) -> None:
    """Refuse a URL with a slip in it, which would be taken for a file's path and shown whole.

    Raises:
        DatabaseError: it is one, and no file has that name.
    """
    if is_mistyped_url(text) and not Path(text).exists():
        raise _no_url()


def _no_url() -> DatabaseError:
    return DatabaseError("the URL of the database cannot be read", remedy=f"for example {EXAMPLE}")


def _file(name: str) -> Location:
    if name in ("", ":memory:"):
        raise DatabaseError("names no file", where="database", remedy="give the path of an SQLite file")
    path = Path(name).expanduser()
    if path.is_dir():
        raise DatabaseError("is a folder", where=str(path), remedy="give the path of an SQLite file")
    if is_irregular(path):
        raise DatabaseError("is not a regular file", where=str(path), remedy="give the path of an SQLite file")
    if not path.parent.is_dir():
        raise DatabaseError(f"there is no folder {path.parent}", where=str(path), remedy="make it, or change the path")
    return Location(URL.create("sqlite", database=str(path)), str(path))


WAIT_SECONDS = 60
CONNECT_SECONDS = 10
WRITES = "lrbench_writes"
_LOCK = 7_105_642  # any number that no other program takes for its advisory lock
_ARGUMENTS = {"sqlite": {"timeout": WAIT_SECONDS}, "postgresql": {"connect_timeout": CONNECT_SECONDS}}


@contextmanager
def database_errors(shown: str, url: URL) -> Iterator[None]:
    """Turn a database driver's errors into one line with the database's name, without what is secret in its URL.

    Raises:
        DatabaseError: the driver raised an error.
    """
    try:
        yield
    except SQLAlchemyError as error:
        problem = hide_secrets_of(url.render_as_string(hide_password=False), reason_of(error))
        raise DatabaseError(
            f"the database cannot be used: {problem}",
            where=shown,
            remedy="set it right, or name another with --db or LRBENCH_DB",
        ) from None


def connect(location: Location) -> Engine:
    """Return an engine whose transactions write when they have the option ``WRITES``; nothing is connected yet."""
    kind = location.url.get_backend_name()
    engine = create_engine(
        location.url, connect_args=_ARGUMENTS[kind], json_serializer=partial(json.dumps, allow_nan=False)
    )
    if kind == "sqlite":
        # Else sqlite3 begins transactions by itself, and only once something is written.
        event.listen(engine, "connect", lambda driver, _record: setattr(driver, "isolation_level", None))
    event.listen(engine, "begin", _begin)
    return engine


def ensure_tables(engine: Engine, shown: str, fill: Callable[[Connection], None]) -> bool:
    """Make the tables if there are none, in one transaction with ``fill``; return whether they were made.

    Raises:
        DatabaseError: it is of another version, or an SQLite file of another program.
    """
    with engine.begin() as connection:
        if _has_tables(connection, shown):
            return False
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if _has_tables(connection, shown):  # another process was faster
            return False
        Base.metadata.create_all(connection)
        connection.execute(SchemaRow.__table__.insert().values(schema=SCHEMA))  # type: ignore[attr-defined]
        fill(connection)
    return True


def _has_tables(connection: Connection, shown: str) -> bool:
    names = inspect(connection).get_table_names()
    if SchemaRow.__tablename__ in names:
        schema = connection.scalar(select(SchemaRow.schema))
        if schema != SCHEMA:
            raise DatabaseError(
                f"the database has schema {schema}, this version of LRBench reads {SCHEMA}",
                where=shown,
                remedy="use the LRBench that made it, or name another with --db",
            )
        return True
    if names and connection.dialect.name == "sqlite":
        raise DatabaseError("is a database of another program", where=shown, remedy="name another with --db")
    return False


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif writes:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def reason_of(error: SQLAlchemyError) -> str:
    """Return the driver's own words without the statement and its values."""
    text = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    return next(iter(text.strip().splitlines()), "no reason given")
