"""Processor time and memory of processes and of those that they started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psutil

LOOKS_PER_SEARCH = 30
"""Children are searched for in the list of all processes, which takes milliseconds, so not at each look."""


@dataclass
class Processes:
    """What processes have used since the last look at them; a new one is counted from the look that finds it."""

    _known: dict[int, psutil.Process] = field(default_factory=dict)
    _used: dict[int, float] = field(default_factory=dict)
    _asked: tuple[int, ...] = ()
    _looks: int = 0

    def look(self, pids: Sequence[int]) -> tuple[float, int] | None:
        """Processor seconds since the last look, and resident bytes; None where none of them lives.

        A process that ended since takes what it used after the last look with it.
        """
        if tuple(pids) != self._asked or self._looks % LOOKS_PER_SEARCH == 0:
            self._asked = tuple(pids)
            self._known = {process.pid: self._known.get(process.pid, process) for process in _with_children(pids)}
        self._looks += 1
        seconds, memory = 0.0, 0
        for pid, process in self._known.items():
            try:
                with process.oneshot():
                    times, resident = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            used = times.user + times.system
            seconds += max(0.0, used - self._used.get(pid, used))
            memory += resident
            self._used[pid] = used
        return (seconds, memory) if memory else None  # one that ended and waits to be collected holds none

    @property
    def pids(self) -> frozenset[int]:
        """The processes of the last look."""
        return frozenset(self._known)


def _with_children(pids: Iterable[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return found
