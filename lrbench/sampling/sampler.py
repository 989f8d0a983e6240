"""A thread that looks at a session's processes once a second and writes down what they use.

Measured on a CPU with 80 processes about: 0.13 ms of processor time a sample, so 0.013 % of a core.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrbench.engines.base import Session
from lrbench.runs.usage import USAGE, Sample, UsageLog

SHORTEST_SECONDS = 0.1
"""The system counts processor time in hundredths of a second; a share of less time says nothing."""
JOIN_SECONDS = 2.0


@contextmanager
def sampled(session: Session, folder: Path, *, resumed: bool) -> Iterator[None]:
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


def _sample(session: Session, path: Path, resumed: bool, stop: threading.Event) -> None:
    log = UsageLog(path, resumed=resumed)
    recorder = UsageRecorder(session, log)
    while not stop.wait(log.interval):
        recorder.record()
    recorder.record()


class UsageRecorder:
    """Notes what a session's processes used from one call to the next, the first time from its making on."""

    def __init__(self, session: Session, log: UsageLog) -> None:
        from lrbench.sampling.nvml import Nvml
        from lrbench.sampling.processes import Processes  # psutil, which only a run needs

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
        sample = Sample(
            round(self._before + now - self._start, 3),
            round(100 * used[0] / passed, 1),
            used[1],
            share,
            held,
            self._session.shared,
        )
        try:
            self._log.append(sample)
        except OSError:
            return  # a full disk: written with the next one

    def _look(self) -> tuple[tuple[float, int] | None, tuple[float | None, int | None]]:
        return self._processes.look(self._session.processes()), self._gpus.look(self._processes.pids)
