"""The user's policy database, for every command that reads or fills it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.home import home

if TYPE_CHECKING:
    from lrbench.tuning.database import Database

FILE = "policies.sqlite"

database_option = click.option(
    "--db", "location", envvar="LRBENCH_DB", metavar="URL",
    help=f"The policy database: the path of an SQLite file, or a URL of PostgreSQL.  [default: LRBENCH_DB, else {FILE} "
         "in LRBENCH_HOME]")


def users_database(location: str | None) -> Database:
    """Open the database that the option names, or the user's own; a new one is announced.

    Raises:
        DatabaseError: it cannot be used.
    """
    from lrbench.tuning.database import open_database

    database = open_database(location or str(_own()))
    if database.created:
        click.echo(f"made {database.shown}, with the {len(database)} entries that LRBench ships", err=True)
    return database


def _own() -> Path:
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / FILE
