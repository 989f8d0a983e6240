"""Executor of sessions on this machine, each in the engine's own processes."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import psutil

from lrbench.engines.base import Engine
from lrbench.engines.registry import open_engine
from lrbench.engines.site import Site
from lrbench.executors.base import Executor, Places
from lrbench.executors.plan import RunSlot, slots, this_machine
from lrbench.spec.experiment import Experiment
from lrbench.spec.sections import EngineSettings

SESSION_BYTES = 1 << 30
"""Memory that a session is taken to need, several times what LeNet and CNN3 do (docs/speed.md)."""


class LocalPlaces(Places):
    """Places of sessions on this machine.

    Args:
        jobs: number of sessions side by side.
        lanes: number of runs that a session trains at a time; more than 1 only for an engine that has lanes.
        device_ids: the GPUs that the sessions take in turn; ignored on the CPU.
        visible_gpus: as in a ``Site``.
    """

    def __init__(
        self, jobs: int = 1, lanes: int = 1, device_ids: Sequence[int] = (0,), visible_gpus: Sequence[str] = ()
    ) -> None:
        self._visible_gpus = visible_gpus
        free = slots(jobs, lanes, device_ids)
        self.most = len(free)
        self._free: queue.SimpleQueue[RunSlot] = queue.SimpleQueue()
        for slot in free:
            self._free.put(slot)
        self._given = threading.Event()

    def take(self) -> RunSlot | None:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            return None

    def give(self, slot: RunSlot) -> None:
        self._free.put(slot)
        self._given.set()

    def wait(self, seconds: float) -> None:
        self._given.wait(seconds)
        self._given.clear()

    def stop(self) -> None:
        """Nothing: no session waits for its place."""

    def machine(self, slot: RunSlot) -> Mapping[str, Any]:
        return self._machine

    @cached_property
    def _machine(self) -> Mapping[str, Any]:
        return this_machine(self._visible_gpus)


class LocalExecutor(Executor):
    """This machine."""

    name = "local"
    _visible_gpus: tuple[str, ...] = ()

    def open_engine(self, name: str, site: Site) -> Engine:
        self._visible_gpus = site.visible_gpus
        return open_engine(name, site)

    def suggest_jobs(self, experiment: Experiment, threads: int) -> tuple[int, str]:
        settings = experiment.settings.engine
        if settings.device == "gpu":
            return len(settings.device_ids), "one a GPU"
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        room = psutil.virtual_memory().available // SESSION_BYTES
        why = f"{cores} cores" if cores // threads <= room else f"{room} GiB of memory free"
        return max(1, min(cores // threads, room)), why

    def places(self, settings: EngineSettings, jobs: int, lanes: int, threads: int) -> Places:
        return LocalPlaces(jobs, lanes, settings.device_ids, self._visible_gpus)

    def close(self) -> None:
        """Nothing: each session has ended its own processes."""
