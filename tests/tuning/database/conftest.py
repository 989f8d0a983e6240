"""Places for policy databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgresql_server import Server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new place for a database, of each kind: a file's path, or the URL of an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "policies.sqlite")
    server: Server = request.getfixturevalue("postgresql")
    return server.empty_database()


@pytest.fixture
def nothing_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """New databases are empty."""
    monkeypatch.setattr("lrbench.tuning.database.database.shipped_entries", lambda: [])
