"""The command line as it is typed, for tests of every command."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from command_line import typed


@pytest.fixture
def lrbench() -> Callable[..., tuple[int, str, str]]:
    """Runs the command line; returns exit code, standard output and standard error."""

    def run(*arguments: object, given: str | None = None) -> tuple[int, str, str]:
        done = typed(*arguments, given=given)
        return done.returncode, done.stdout, done.stderr

    return run
