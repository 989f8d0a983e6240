"""Where a policy database can be, and how what is none is refused: one line, no password in it, nothing written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from factories.fake_entries import entry

from lrbench.errors import DatabaseError
from lrbench.tuning.database.connection import locate
from lrbench.tuning.database.database import open_database


def refusal(location):
    with pytest.raises(DatabaseError) as error:
        open_database(str(location))
    assert error.value.exit_code == 2
    text = str(error.value)
    assert "\n" not in text
    assert "secret" not in text
    return text


def files(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["a.sqlite", "with space ?#%41.db", "ünï"])
def test_a_path_is_a_file_of_that_name(tmp_path, name):
    with open_database(str(tmp_path / name)) as database:
        assert database.shown == str(tmp_path / name)
        database.add([entry()])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_url_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_database(f"sqlite:///{tmp_path}/absolute.sqlite").close()
    open_database("sqlite:///relative.sqlite").close()
    assert {path.name for path in tmp_path.iterdir()} == {"absolute.sqlite", "relative.sqlite"}


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    open_database("~/mine.sqlite").close()
    assert (tmp_path / "mine.sqlite").is_file()


def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "empty").touch()
    with open_database(str(tmp_path / "empty")) as database:
        assert database.created


def test_what_is_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("no database " * 100)
    other = sqlite3.connect(tmp_path / "browser.sqlite")
    other.execute("CREATE TABLE history (url)")
    other.close()
    before = files(tmp_path)
    assert refusal(tmp_path / "notes.txt") == (
        f"{tmp_path}/notes.txt: the database cannot be used: file is not a database; "
        "set it right, or name another with --db or LRBENCH_DB"
    )
    assert refusal(tmp_path / "browser.sqlite") == (
        f"{tmp_path}/browser.sqlite: is a database of another program; name another with --db"
    )
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; give the path of an SQLite file"
    assert refusal(tmp_path / "none" / "x") == (
        f"{tmp_path}/none/x: there is no folder {tmp_path}/none; make it, or change the path"
    )
    assert files(tmp_path) == before


def test_a_file_that_another_program_keeps_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("lrbench.tuning.database.connection._ARGUMENTS", {"sqlite": {"timeout": 0.05}})
    path = tmp_path / "a.sqlite"
    with open_database(str(path)) as database:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseError, match="the database cannot be used: database is locked; "):
            database.add([entry()])
        holder.execute("ROLLBACK")
        assert database.add([entry()]).entries == 1
        holder.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "postgresql://me:secret@127.0.0.1:1/policies",
            "postgresql://127.0.0.1:1/policies: the database cannot be used: ",
        ),
        (
            "postgresql://127.0.0.1:1/policies?user=me&password=secret",
            "postgresql://127.0.0.1:1/policies: the database ",
        ),
        (
            "postgres://me:secret@127.0.0.1:1/policies",
            "postgresql://127.0.0.1:1/policies: the database cannot be used: ",
        ),
        ("postgresql+psycopg2://me:secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x: the database cannot be used: "),
        (
            "postgresql://me:top@secret@127.0.0.1/x",
            "the URL of the database has more than one @; write one in a password",
        ),
        (
            "postgresql://me:secret@host:port/x",
            "the URL of the database cannot be read; for example postgresql://USER:PASSWORD@",
        ),
        ("postgresql:///x?nonsense=secret", "postgresql:///x: the database cannot be used: "),
        (
            "postgresql:/me:secret@host/x",
            "the URL of the database cannot be read; for example postgresql://USER:PASSWORD@",
        ),
        (
            "postgresql:me:secret@host/x",
            "the URL of the database cannot be read; for example postgresql://USER:PASSWORD@",
        ),
        ("me:secret@host/x", "the URL of the database cannot be read; for example postgresql://USER:PASSWORD@"),
        ("postgresql://127.0.0.1:1/x?secret=secret", "postgresql://127.0.0.1:1/x: the database cannot be used: "),
        ("://secret", "the URL of the database cannot be read; for example postgresql://"),
        ("mysql://me:secret@host/x", "'mysql' is no database that LRBench knows; give a file's path, or postgresql://"),
        ("sqlite://", "database: names no file; give the path of an SQLite file"),
        ("sqlite:///:memory:", "database: names no file; give the path of an SQLite file"),
        ("", "database: names no file; give the path of an SQLite file"),
        (
            "sqlite:///file:a.db?mode=ro&uri=true",
            "the URL of an SQLite file has settings behind ?; give the file's path",
        ),
    ],
)
def test_urls_that_lead_nowhere(url, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(url).startswith(says)
    assert files(tmp_path) == {}


def test_a_wrong_password_is_not_shown(postgresql):
    text = refusal(postgresql.url("policies", "secret"))
    assert text.startswith(f"postgresql://127.0.0.1:{postgresql.port}/policies: the database cannot be used: ")
    assert "password authentication failed" in text


def test_a_database_that_the_server_does_not_have(postgresql):
    assert 'database "missing" does not exist' in refusal(postgresql.url("missing"))


def test_other_tables_on_a_server_are_left_alone(postgresql):
    url = postgresql.empty_database()
    engine = sqlalchemy.create_engine(locate(url).url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE studies (name TEXT)"))
    with open_database(url) as database:
        assert database.created
    assert set(sqlalchemy.inspect(engine).get_table_names()) == {
        "studies",
        "lrbench_schema",
        "lrbench_entries",
        "lrbench_runs",
    }
    engine.dispose()


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal("postgresql://me:secret@host/x") == (
        "the driver of PostgreSQL is not installed; type: pip install 'lrbench[postgres]'"
    )
