"""Why a child process ended, from its log and its exit status."""

from __future__ import annotations

import signal
from pathlib import Path


def death(name: str, log: Path, start: int, status: int) -> str:
    """In one line, why the process ``name`` that logged to ``log`` from byte ``start`` on ended with ``status``.

    The cause is the first fatal line, in the form of Google's logging library, else the signal, else the last line.
    """
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    fatal = next((line for line in lines if line.startswith("F") and "] " in line), None)
    if fatal:
        return f"{name} aborted: {fatal.split('] ', 1)[1]}"
    if status < 0:
        return f"{name} was killed by {signal_name(-status)}; see {log}"
    last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"{name} ended with status {status}: {last.strip()}"


def signal_name(number: int) -> str:
    """Such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # one of the real-time signals, most of which have no name
