"""Children of a process, for tests that look at the processes an engine starts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil


def children(fits: Callable[[psutil.Process], bool], of: int | None = None) -> list[psutil.Process]:
    """The living children that fit, and theirs, of the process with that number, by default of this one.

    A child may end while it is looked at, and stays a zombie until somebody waits for it: it is left out.
    """
    found = []
    for child in psutil.Process(of).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if fits(child):
                found.append(child)
    return found
