"""A program runs where only what every system has is there: no setpriv, and none of the modules of POSIX."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from factories.script_folder import Folder

HIDDEN = """
import sys

import psutil  # has a way of its own on each system


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "resource", "pty", "termios", "pwd", "grp"}:
            raise ImportError(f"{name} is hidden")


for name in ("fcntl", "resource", "pty", "termios", "pwd", "grp"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
"""
COMMAND = """
import lrbench.engines.program.launch

lrbench.engines.program.launch.INHERITS_DESCRIPTORS = {inherits}
from lrbench.cli.main import main

main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "work")
    folder.write("../hidden/sitecustomize.py", HIDDEN)  # the Pythons of LRBench and of the program read it
    return folder


@pytest.mark.parametrize("inherits", [True, False], ids=["by descriptors", "by a port"])
def test_a_program_runs_to_its_end_and_is_reported(folder, inherits):
    environment = {**os.environ, "PATH": "/nonexistent"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder.path.parent / "hidden"), os.environ.get("PYTHONPATH", "")])

    def lrbench(*words: str) -> subprocess.CompletedProcess[str]:
        text = COMMAND.format(inherits=inherits)
        return subprocess.run(
            [sys.executable, "-c", text, *words],
            cwd=folder.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = lrbench("run", "train.yaml", "--program", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert [status["status"] for status in folder.statuses()] == ["finished", "finished"]
    assert "2 already done, skipped" in lrbench("run", "train.yaml", "--program").stderr
    shown = lrbench("report", "results")
    assert shown.returncode == 0, shown.stderr
    assert "COSDECAY(k0=0.1, k1=0)" in shown.stdout


def test_the_modules_are_hidden(folder):
    text = "import fcntl"
    environment = {**os.environ, "PYTHONPATH": str(folder.path.parent / "hidden")}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert "fcntl is hidden" in done.stderr
