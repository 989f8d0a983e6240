"""scripts/test, with stand-ins for the programs that it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = ("ruff", "mypy", "pytest")


def type_test(repository: Path, folder: Path, failing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in ``folder``; each program prints its name and arguments, and ``failing`` ends with code 3."""
    (folder / "scripts").mkdir()
    shutil.copy(repository / "scripts/test", folder / "scripts")
    (folder / ".venv/bin").mkdir(parents=True)
    for path in [folder / "scripts/setup", *(folder / ".venv/bin" / name for name in PROGRAMS)]:
        path.write_text(f'#!/bin/sh\necho "{path.name} $*"\n[ {path.name} != {failing} ] || exit 3\n')
        path.chmod(0o755)
    return subprocess.run([folder / "scripts/test", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("failing", "code"), [("none", 0), *((name, 3) for name in PROGRAMS)])
def test_it_fails_as_any_of_its_programs_does(repository, tmp_path, failing, code):
    answer = type_test(repository, tmp_path, failing)
    assert (answer.returncode, answer.stderr) == (code, "")


def test_what_mypy_found_is_the_end_of_what_is_shown(repository, tmp_path):
    *_, tests, types, of_programs = type_test(repository, tmp_path, "none", "fast", "-x").stdout.splitlines()
    assert tests.startswith("pytest --tier fast -n ")
    assert tests.endswith(" --dist loadgroup -x")
    assert (types, of_programs) == ("mypy ", "mypy --scripts-are-modules")


@pytest.mark.xdist_group("together")
def test_tests_of_a_group_go_to_one_worker(request):
    """pytest-xdist marks them at the end of their names; with pytest 9.2 the mark is lost, and each worker has them."""
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@together")
