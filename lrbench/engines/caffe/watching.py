"""Run a program that fills a folder, and tell how far it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lrbench.data import Progress

LOOK_SECONDS = 2.0


def watched(command: Sequence[str], folder: Path, expected: int, title: str, progress: Progress,
            environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it dies with this process.

    Args:
        command: the program and its arguments.
        folder: the folder that it fills.
        expected: about how many bytes it will hold at most.
        title: what ``progress`` calls it.
        progress: told every two seconds how much of it is there.
        environment: the variables that the program gets; None hands on this process's.

    Returns:
        Its exit status and all that it printed, errors included, as ``stdout``.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=printed,
                              stderr=subprocess.STDOUT, env=environment) as process:
            try:
                while _waits(process):
                    progress(min(folder_bytes(folder), expected - 1), expected, title)
            except BaseException:
                process.terminate()  # it cleans up after itself, as far as it can
                raise
        if process.returncode == 0:
            progress(expected, expected, title)
        printed.seek(0)
        return subprocess.CompletedProcess(list(command), process.returncode, printed.read())


def _waits(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def folder_bytes(folder: Path) -> int:
    """Bytes on disk of the files below ``folder``, as far as they can be seen."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue  # it has gone since
    return total
