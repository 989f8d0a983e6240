"""Samples of what a session's processes use (processor, memory, GPU), written beside the evaluations once a second.

Measured on a CPU with 80 processes about: 0.13 ms of processor time a sample, so 0.013 % of a core.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lrbench.engines.base import Session
from lrbench.runs.usage import USAGE, Sample, UsageLog

SHORTEST_SECONDS = 0.1
"""The system counts processor time in hundredths of a second; a share of less time says nothing."""
JOIN_SECONDS = 2.0
LOOKS_PER_SEARCH = 30
"""Child processes are searched for in the list of all processes, which takes milliseconds, so not at each look."""


@contextmanager
def sampled(session: Session[Any], folder: Path, *, resumed: bool) -> Iterator[None]:
    """Sample the session's processes into the run's folder for as long as the block takes.

    The block is never disturbed: on a full disk samples are late or missing, and a defect shows its traceback alone.

    Args:
        resumed: whether the run goes on, so that the samples it has are kept.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_sample, args=(session, folder / USAGE, resumed, stop), name="usage", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread to be had: train without
        yield
        return
    try:
        yield
    finally:
        stop.set()
        thread.join(JOIN_SECONDS)


def _sample(session: Session[Any], path: Path, resumed: bool, stop: threading.Event) -> None:
    log = UsageLog(path, resumed=resumed)
    recorder = UsageRecorder(session, log)
    while not stop.wait(log.interval):
        recorder.record()
    recorder.record()


class UsageRecorder:
    """Records what a session's processes used from one call to the next, the first time from its making on."""

    def __init__(self, session: Session[Any], log: UsageLog) -> None:
        self._session, self._log = session, log
        self._processes, self._gpus = Processes(), Nvml()
        self._start = self._last = time.monotonic()
        self._before = log.seconds
        self._look()

    def record(self) -> None:
        """Write one sample, unless no process lives or hardly any time has passed."""
        now = time.monotonic()
        passed = now - self._last
        if passed < SHORTEST_SECONDS:
            return
        self._last = now
        used, (share, held) = self._look()
        if used is None:
            return
        seconds, percent = round(self._before + now - self._start, 3), round(100 * used[0] / passed, 1)
        try:
            self._log.append(Sample(seconds, percent, used[1], share, held, self._session.shared))
        except OSError:
            return  # a full disk: written with the next one

    def _look(self) -> tuple[tuple[float, int] | None, tuple[float | None, int | None]]:
        return self._processes.look(self._session.processes()), self._gpus.look(self._processes.pids)


@dataclass
class Processes:
    """Processor time and memory of processes and their children; a new one is counted from the look that finds it."""

    _known: dict[int, psutil.Process] = field(default_factory=dict)
    _used: dict[int, float] = field(default_factory=dict)
    _asked: tuple[int, ...] = ()
    _looks: int = 0

    def look(self, pids: Sequence[int]) -> tuple[float, int] | None:
        """Processor seconds since the last look, and resident bytes; None where none of the processes lives.

        A process that ended since takes what it used after the last look with it.
        """
        if tuple(pids) != self._asked or self._looks % LOOKS_PER_SEARCH == 0:
            self._asked = tuple(pids)
            self._search()
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

    def _search(self) -> None:
        found = []
        for pid in self._asked:
            try:
                process = psutil.Process(pid)
                found += [process, *process.children(recursive=True)]
            except psutil.Error:
                continue
        self._known = {process.pid: self._known.get(process.pid, process) for process in found}

    @property
    def pids(self) -> frozenset[int]:
        """The processes of the last look."""
        return frozenset(self._known)


class Nvml:
    """Use of the GPUs by processes, as NVIDIA's management library reports it.

    The library comes with the driver; its Python side is the extra ``gpu``. Nothing is known where either is absent,
    where the library does not answer, or where it does not list a process, as in a container with its own process ids.
    """

    def __init__(self) -> None:
        self._devices: list[Any] = []
        self._seen: dict[int, int] = {}  # by device, the time of the last utilisation sample, in microseconds
        try:
            import pynvml
        except ImportError:
            return
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError:
            return

    def look(self, pids: Set[int]) -> tuple[float | None, int | None]:
        """Percent of a GPU's time used by the processes since the last look, and the bytes they hold, over all GPUs.

        None for what is not known.
        """
        shares = [share for index in range(len(self._devices)) if (share := self._share(index, pids)) is not None]
        held = [bytes_ for device in self._devices for bytes_ in self._held(device, pids)]
        return (sum(shares) if shares else None), (sum(held) if held else None)

    def _held(self, device: Any, pids: Set[int]) -> list[int]:
        try:
            found = self._nvml.nvmlDeviceGetComputeRunningProcesses(device)
        except self._nvml.NVMLError:
            return []
        return [process.usedGpuMemory for process in found if process.pid in pids and process.usedGpuMemory is not None]

    def _share(self, index: int, pids: Set[int]) -> float | None:
        """The mean of the samples of each process, summed over them."""
        try:
            found = self._nvml.nvmlDeviceGetProcessUtilization(self._devices[index], self._seen.get(index, 0))
        except self._nvml.NVMLError:  # also where there is no sample since
            return None
        self._seen[index] = max((sample.timeStamp for sample in found), default=self._seen.get(index, 0))
        by_process: dict[int, list[int]] = {}
        for sample in found:
            if sample.pid in pids:
                by_process.setdefault(sample.pid, []).append(sample.smUtil)
        return sum(sum(shares) / len(shares) for shares in by_process.values()) if by_process else None
