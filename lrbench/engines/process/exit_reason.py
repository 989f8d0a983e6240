"""The reason why a child process ended, from its log and its exit status."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

from lrbench.errors import EngineFailed

MEMORY_REMEDY = "use a smaller batch_size, or fewer runs side by side"
_OUT_OF_GPU_MEMORY = re.compile(
    r"\(2 vs\. 0\) +out of memory|\bCUBLAS_STATUS_ALLOC_FAILED\b|\bCURAND_STATUS_ALLOCATION_FAILED\b"
)
_OUT_OF_MEMORY = re.compile(r"\bhost allocation of size \d+ failed")


class WorkerDied(EngineFailed):
    """The child process has ended."""


class OutOfMemory(EngineFailed):
    """The device, or the machine, has too little memory for what the child process was asked to do."""


def exit_error(name: str, log: Path, start: int, status: int) -> EngineFailed:
    """Return the error that says why the process ``name``, which logged to ``log`` from byte ``start`` on, ended.

    The cause is the first fatal line, in the form of Google's logging library, else the signal that ``status`` names,
    else the last line.

    Returns:
        OutOfMemory where the fatal line says so, else WorkerDied.
    """
    lines: list[str] = []
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    fatal = next((line for line in lines if line.startswith("F") and "] " in line), None)
    if fatal:  # Caffe's words for a lack of memory name a comparison of numbers
        cause = fatal.split("] ", 1)[1]
        if _OUT_OF_GPU_MEMORY.search(cause):
            return OutOfMemory(f"{name} is out of GPU memory", remedy=MEMORY_REMEDY)
        if _OUT_OF_MEMORY.search(cause):
            return OutOfMemory(f"{name} is out of memory: {cause}", remedy=MEMORY_REMEDY)
        return WorkerDied(f"{name} aborted: {cause}")
    if status < 0:
        return WorkerDied(f"{name} was killed by {signal_name(-status)}; see {log}")
    last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return WorkerDied(f"{name} ended with status {status}: {last.strip()}")


def signal_name(number: int) -> str:
    """Name of a signal, such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # one of the real-time signals, most of which have no name
