"""Connects to a policy database and makes its tables where there are none.

Writers take turns: each locks the database from the beginning of its transaction, so that what it has read is still
so when it writes. Readers never wait for a server, and for a file only while a writer finishes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lrbench.errors import DatabaseError
from lrbench.tuning.database.location import Location
from lrbench.tuning.database.schema import SCHEMA, Base, SchemaRow
from lrbench.urls import hide_secrets_of

WAIT_SECONDS = 60
CONNECT_SECONDS = 10
WRITES = "lrbench_writes"
_LOCK = 7_105_642  # any number that no other program takes for its advisory lock
_ARGUMENTS = {"sqlite": {"timeout": WAIT_SECONDS}, "postgresql": {"connect_timeout": CONNECT_SECONDS}}


@contextmanager
def speaking_of(shown: str, url: URL) -> Iterator[None]:
    """Turn what a database's driver says into one line with the database's name, without what is secret in its URL.

    Raises:
        DatabaseError: whatever went wrong with it.
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
    """An engine whose transactions write when they have the option ``WRITES``; nothing is connected yet."""
    kind = location.url.get_backend_name()
    engine = create_engine(location.url, connect_args=_ARGUMENTS[kind], json_serializer=_strict_json)
    if kind == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    return engine


def ensure_tables(engine: Engine, shown: str, fill: Callable[[Connection], None]) -> bool:
    """Make the tables if there are none, and say whether that was so; they appear together with what fills them.

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


def _leave_transactions_to_us(driver: Any, _record: object) -> None:
    driver.isolation_level = None  # or sqlite3 begins them by itself, and only once something is written


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif writes:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _strict_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def reason_of(error: SQLAlchemyError) -> str:
    """The driver's own words without the statement and its values."""
    text = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    return next(iter(text.strip().splitlines()), "no reason given")
