"""Every command alike: help without arguments, plain error lines, interruption, and output that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-m", "lrbench"]

# Ends the process with SIGTERM while the command's module is being imported: long before anything trains.
TERMINATED = """
import os, signal, sys, types
import lrbench.cli.main as main

def ask_to_end(name):
    os.kill(os.getpid(), signal.SIGTERM)

main.importlib = types.SimpleNamespace(import_module=ask_to_end)
sys.argv = ["lrbench", "run", "configs/quickstart.yaml"]
main.main()
"""


def lrbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("group", [[], ["policies"], ["data"], ["caffe"], ["db"]])
def test_a_group_without_a_command_shows_its_help(group):
    answer = lrbench(*group)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == lrbench(*group, "--help").stdout
    assert "\nCommands:\n" in answer.stderr


def test_a_mistyped_command_is_told_the_nearest():
    answer = lrbench("plto", "results")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: there is no command 'plto'; did you mean plot? (see ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["pol\x1b[31m"],
        ["policies", "eval", "FIX(k0=1)", "--at", "0\x1b]0;title\x07"],
        ["policies", "eval", "FOO\x1b[2J(k0=1)", "--at", "0"],
        ["policies", "eval", "FIX(k0=1)", "--at", "0", "--format", "x\x9b31m\u202e"],
        ["run", "none\x1b[31m\r.yaml"],
        ["report", "none\x1b[31m"],
    ],
)
def test_what_an_error_quotes_cannot_steer_the_terminal(arguments):
    answer = lrbench(*arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.endswith("\n")
    assert answer.stderr[:-1].isprintable()


def test_the_batch_system_may_end_it_at_any_time():
    ended = subprocess.run([sys.executable, "-c", TERMINATED], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (130, "", "interrupted")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize("arguments", [["--help"], ["policies", "list"], ["policies"], ["run", "none.yaml"]])
def test_output_that_nobody_reads_is_no_accident(closed, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    other = "stderr" if closed == "stdout" else "stdout"
    streams: dict[str, Any] = {closed: writer, other: subprocess.PIPE}
    ended = subprocess.run([*PROGRAM, *arguments], **streams, text=True, check=False)
    os.close(writer)
    whole = lrbench(*arguments)
    unread = bool(getattr(whole, closed)) and whole.returncode == 0
    assert ended.returncode == (141 if unread else whole.returncode)
    assert getattr(ended, other) == getattr(whole, other)


def test_a_full_disk_is_told_in_one_line():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, "policies", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr == "error: No space left on device; free some space, or choose another place\n"
