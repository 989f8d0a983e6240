"""Where a policy database is: a file, or the URL of one on a server; shown without user, password and settings."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lrbench.errors import DatabaseError
from lrbench.storage import is_irregular
from lrbench.urls import is_mistyped_url, shown_url

EXAMPLE = "postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True)
class Location:
    """What SQLAlchemy connects to, and how it is called in messages."""

    url: URL
    shown: str


def locate(text: str) -> Location:
    """The place that a path or a URL names; without ``://`` it is the path of an SQLite file, unless it is mistyped.

    Raises:
        DatabaseError: no such place, or no driver for it; nothing of a password is in the message.
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
    if kind in ("postgresql", "postgres"):
        return _postgresql(url)
    raise DatabaseError(f"{kind!r} is no database that LRBench knows", remedy=f"give a file's path, or {EXAMPLE}")


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


def _postgresql(url: URL) -> Location:
    if importlib.util.find_spec("psycopg") is None:
        raise DatabaseError("the driver of PostgreSQL is not installed", remedy="type: pip install 'lrbench[postgres]'")
    place = url.set(drivername="postgresql+psycopg")
    return Location(place, shown_url(place.render_as_string(hide_password=False)))
