"""The processes of a program: its own, and those that it started, such as the workers of a data loader."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil


def end_group(number: int) -> None:
    """Kill the process that leads a group, the group, and what it started outside the group, without waiting."""
    try:
        others = psutil.Process(number).children(recursive=True)
    except psutil.Error:
        others = []
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)
    for process in others:
        with suppress(psutil.Error):
            process.kill()
