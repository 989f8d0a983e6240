"""The user's policy database, for every command that reads or fills it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lrbench.library.surroundings import DATABASE_FILE, database_place

if TYPE_CHECKING:
    from lrbench.tuning.database import Database

database_option = click.option(
    "--db",
    "location",
    envvar="LRBENCH_DB",
    metavar="URL",
    help="The policy database: the path of an SQLite file, or a URL of PostgreSQL.  [default: LRBENCH_DB, else "
    f"{DATABASE_FILE} in LRBENCH_HOME]",
)


def typed_again(location: str | None) -> tuple[str, ...]:
    """The option ``--db`` for a command to type next; nothing where the environment has it."""
    from lrbench.report.next_commands import database_option

    return () if location == os.environ.get("LRBENCH_DB") else database_option(location)


def users_database(location: str | None) -> Database:
    """Open the database that the option names, or the user's own; a new one is announced.

    Raises:
        DatabaseError: it cannot be used.
    """
    from lrbench.tuning.database import open_database

    database = open_database(location or database_place())
    if database.created:
        click.echo(f"made {database.shown}, with the {len(database)} entries that LRBench ships", err=True)
    return database
