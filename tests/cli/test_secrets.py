"""A password in a URL is never shown, whatever the command, the setting or the slip."""

from __future__ import annotations

import click
import pytest
from sqlalchemy.exc import ArgumentError

from lrbench.cli import db
from lrbench.cli.output import how_to_resume

URLS = [
    "postgresql://127.0.0.1:1/x?user=u&password=SECRET",
    "postgresql://u:SECRET@127.0.0.1:1/x",
    "postgresql:/u:SECRET@h/x",
    "postgresql:u:SECRET@h/x",
    "postgresql//u:SECRET@h/x",
    "u:SECRET@h/x",
    "postgresql://u:SECRET",
    "mysql://u:SECRET@h/x",
    "postgresql://u:SECRET@h:port/x",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("arguments", [("db", "list", "--db"), ("db", "show", "abcd", "--db"), None])
def test_databases(lrbench, monkeypatch, tmp_path, url, arguments):
    monkeypatch.chdir(tmp_path)
    if arguments is None:
        monkeypatch.setenv("LRBENCH_DB", url)
    code, out, err = lrbench(*(arguments or ("db", "list")), *([url] if arguments else []))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "SECRET" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("db", "list", URLS[1]),
        (URLS[1],),
        ("report", URLS[1]),
        ("run", URLS[1]),
        ("import", URLS[1]),
        ("db", "import", URLS[1]),
        ("db", "add", URLS[1]),
    ],
)
def test_a_url_where_none_belongs(lrbench, arguments):
    code, _, err = lrbench(*arguments)
    assert code == 2
    assert "SECRET" not in err


def test_what_to_type_to_go_on_repeats_no_password():
    assert how_to_resume(["tune", "a b.yaml"]) == "to resume, type: lrbench tune 'a b.yaml'"
    assert how_to_resume(["tune", "a.yaml", f"--storage={URLS[0]}"]) == "to resume, rerun the same command"
    assert how_to_resume(["tune", "a.yaml", "--storage", URLS[1]]) == "to resume, rerun the same command"
    assert how_to_resume(["tune", "a.yaml", "--storage", URLS[2]]) == "to resume, rerun the same command"


def test_a_traceback_shows_no_password(lrbench, monkeypatch):
    def fail(**_):
        raise ArgumentError(f"Could not parse SQLAlchemy URL from string '{URLS[1]}'")

    monkeypatch.setattr(db, "db", click.Command("db", callback=fail))
    code, _, err = lrbench("db")
    assert code == 1
    assert err.startswith("Traceback (most recent call last):\n")
    assert "ArgumentError: Could not parse SQLAlchemy URL from string 'postgresql://127.0.0.1:1/x'" in err
