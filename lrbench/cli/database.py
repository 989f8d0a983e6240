"""The user's policy database, for every command that reads or fills it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import database_place

if TYPE_CHECKING:
    from lrbench.tuning.database import Database


def typed_again(location: str | None) -> tuple[str, ...] | None:
    """Return the option ``--db`` of the next command, as ``database_option``; empty if the environment sets it."""
    from lrbench.report.next_commands import database_option

    return () if location == os.environ.get("LRBENCH_DB") else database_option(location)


def users_database(location: str | None) -> Database:
    """Open the database of the option, or the user's own; a new one is announced.

    Raises:
        DatabaseError: it cannot be used.
    """
    from lrbench.tuning.database import open_database

    database = open_database(location or database_place())
    if database.created:
        click.echo(f"created {database.shown} with the {len(database)} entries that LRBench ships", err=True)
    return database
