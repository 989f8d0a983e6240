"""Run a program that fills a folder, and tell how far it is."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lrbench.data import Progress

LOOK_SECONDS = 2.0


def watched(
    command: Sequence[str], folder: Path, expected: int, title: str, progress: Progress
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it dies with this process.

    Args:
        command: the program and its arguments.
        folder: the folder that it fills.
        expected: about how many bytes it will hold.
        title: what ``progress`` calls it.
        progress: told every two seconds how many MB of it are there.

    Returns:
        Its exit status and all that it printed, errors included, as ``stdout``.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                while _waits(process):
                    there = _megabytes(folder)
                    progress(there, max(expected // 1_000_000, there + 1), f"{title}, MB")
            except BaseException:
                process.terminate()  # it cleans up after itself, as far as it can
                raise
        if process.returncode == 0:
            there = _megabytes(folder)
            progress(there, there, f"{title}, MB")
        printed.seek(0)
        return subprocess.CompletedProcess(list(command), process.returncode, printed.read())


def complaint(answer: subprocess.CompletedProcess[str], pattern: str) -> str:
    """The first line of a failed program's output that a pattern is found in, else its first line or exit status."""
    lines = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    found = [line for line in lines if re.search(pattern, line)]
    return (found or lines or [f"exit status {answer.returncode}"])[0]


def _waits(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _megabytes(folder: Path) -> int:
    """MB on disk of the files below ``folder``, as far as they can be seen."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue  # it has gone since
    return total // 1_000_000
