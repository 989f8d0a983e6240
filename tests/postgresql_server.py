"""A PostgreSQL server of Debian's package, started for the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "tell-nobody"
ACCOUNT = "nobody"  # PostgreSQL refuses to run as root


@dataclass(frozen=True)
class Server:
    """A running server on the loopback interface."""

    port: int

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://tests:{password}@127.0.0.1:{self.port}/{database}"

    def empty_database(self, name: str = "policies") -> str:
        """The URL of a database, emptied: a new one for each test would be 8 MB and a thousand files."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(self.url(name)) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url(name)


def programs() -> Path:
    """The folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server with the user ``tests``, who needs a password."""
    binaries = programs()
    server = Server(free_port())
    as_root = os.getuid() == 0
    user = ["setpriv", f"--reuid={ACCOUNT}", "--regid=nogroup", "--clear-groups"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="lrbench-postgresql-"))
    (folder / "password").write_text(PASSWORD)
    if as_root:
        for path in (folder, folder / "password"):
            os.chown(path, pwd.getpwnam(ACCOUNT).pw_uid, pwd.getpwnam(ACCOUNT).pw_gid)

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [*user, str(binaries / program), "--pgdata", str(folder / "data"), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )

    call(
        "initdb",
        "--username=tests",
        f"--pwfile={folder / 'password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    )
    call(
        "pg_ctl",
        "start",
        "--wait",
        f"--log={folder / 'log'}",
        f"--options=-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off",
    )
    yield server
    call("pg_ctl", "stop", "--mode=immediate")
    shutil.rmtree(folder)
