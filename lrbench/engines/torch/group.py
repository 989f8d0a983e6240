"""Lanes that share a worker process, each driven by the thread of its own run.

A run asks for a stretch of training whenever it likes. When every lane of the group waits in ``train``, one request
trains all of them for the shortest of their stretches; those that are through with theirs go on, the others wait for
the rest. All else is one lane's own affair with the worker, one request at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import NetJob, Progress, SessionLost, TrainResult
from lrbench.engines.process.client import WorkerClient
from lrbench.engines.process.exit_reason import MEMORY_REMEDY, OutOfMemory, WorkerDied
from lrbench.errors import EngineFailed

IDLE_SECONDS = 2.0
"""Time that a worker waits for another run, which then needs no start of PyTorch."""
StartWorker = Callable[[Path], WorkerClient]
"""Function that starts a worker in a run's folder and has it open what all lanes share."""


@dataclass
class _Call:
    """A lane's stretch: the rates that are left, and what came of those before."""

    job: NetJob
    left: NDArray[np.float64]
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    seconds: float = 0.0
    finite: bool = True

    @property
    def over(self) -> bool:
        return not self.finite or not len(self.left)

    @property
    def result(self) -> TrainResult:
        losses = np.concatenate([np.zeros(0), *self.losses])
        # One sum over all of them, so that it does not depend on where other lanes cut the stretch.
        mean = float(losses.sum()) / len(losses) if len(losses) else math.nan
        return TrainResult(len(losses), mean, self.seconds, self.finite)


class LaneGroup:
    """One worker process and the lanes in it; made and filled by a ``LanePool``.

    Args:
        changed: the pool's condition; it guards all that threads share here.
        on_loss: receives the number of lanes that were lost with a worker; returns how many there may be.

    Attributes:
        seats: number of lanes that are here or on their way.
        aborted: whether the lanes were ended by ``abort``.
    """

    def __init__(self, start: StartWorker, changed: threading.Condition, on_loss: Callable[[int], int]) -> None:
        self._start, self._changed, self._on_loss = start, changed, on_loss
        self._asking, self._over = threading.Lock(), threading.Event()
        self._worker: WorkerClient | None = None
        self._jobs: dict[int, NetJob] = {}
        self._calls: dict[int, _Call] = {}
        self.seats = self._count = 0
        self._training = self._ended = self._moving = False
        self.aborted = False
        self._lost: Callable[[], EngineFailed] | None = None

    @property
    def closed(self) -> bool:
        """Whether no further lane can come."""
        dead = self._idle and (self._worker is None or not self._worker.alive)
        return self.aborted or self._ended or dead or self._lost is not None

    @property
    def _idle(self) -> bool:
        """Whether all lanes have ended."""
        return self._count > 0 and self.seats == 0

    def add(self, job: NetJob) -> int:
        """Make a lane on a seat that is counted already, in a new worker if there is none yet, and give its number.

        Raises:
            EngineFailed: it could not be; the seat is free again.
        """
        with self._changed:
            self._count += 1
            lane = self._count
            self._jobs[lane] = job
        try:
            solver = job.solver.model_dump(exclude_unset=True)
            self._request("add", job.momenta_bytes, lane=lane, seed=job.seed, order=job.order, solver=solver)
        except BaseException:
            self.remove(lane)
            raise
        return lane

    def remove(self, lane: int) -> None:
        """End a lane; without one the worker ends, unless another comes within ``IDLE_SECONDS``."""
        try:
            if not self.closed and self._worker is not None:
                self.ask("remove", lane)
        except EngineFailed:
            pass  # the other lanes hear of it by themselves
        finally:
            with self._changed:
                self.seats -= 1
                self._jobs.pop(lane)
                self._moving = self._idle
                self._changed.notify_all()
            if self.closed:
                self.end_idle()
            elif self._idle:
                ending = threading.Timer(IDLE_SECONDS, self.end_idle, [self._count])
                ending.daemon = True
                ending.start()

    def end_idle(self, count: int | None = None) -> None:
        """End the worker if it has no lane, and with a count, if there have been no more than so many."""
        with self._changed:
            if not self._idle or self._count != (count or self._count):
                return
            self._ended = True
        self._end()

    def _end(self) -> None:
        with self._asking:
            if self._worker is not None:
                self._worker.close()
            self._over.set()

    def train(self, lane: int, rates: NDArray[np.float64]) -> TrainResult:
        """Train a lane one iteration a rate, together with the others.

        Raises:
            EngineFailed: as for ``ask``.
        """
        with self._changed:
            call = self._calls[lane] = _Call(self._jobs[lane], rates)
            self._changed.notify_all()
            try:
                while not call.over:
                    if self._lost is not None:
                        raise self._lost()
                    if self._training or len(self._calls) < self.seats:
                        self._changed.wait()
                    else:
                        self._train_all()
            finally:
                self._calls.pop(lane, None)
        return call.result

    def _train_all(self) -> None:
        """Train all lanes for the shortest of their stretches; called and left with the condition held."""
        calls = dict(self._calls)
        count = min(len(call.left) for call in calls.values())
        payload = np.stack([call.left[:count] for call in calls.values()]).astype("<f8").tobytes()

        def spread(event: dict[str, Any]) -> None:
            for told in event["lanes"]:
                calls[told["lane"]].job.on_progress(Progress(told["iteration"], told["loss"], told["rate"]))

        self._training = True
        self._changed.release()
        try:
            answer = self._request("train", payload, on_progress=spread, lanes=list(calls))
        finally:
            self._changed.acquire()
            self._training = False
            self._changed.notify_all()
        losses = np.frombuffer(answer["bytes"], dtype="<f8")
        ends = np.cumsum([told["iterations"] for told in answer["lanes"]])[:-1]
        for (lane, call), told, own in zip(calls.items(), answer["lanes"], np.split(losses, ends), strict=True):
            call.left, call.finite = call.left[count:], told["finite"]
            call.losses.append(own)
            call.seconds += answer["seconds"]
            if call.over:
                del self._calls[lane]  # now, lest its thread be taken for a waiting one until it wakes up

    def ask(self, operation: str, lane: int, **arguments: Any) -> dict[str, Any]:
        """Have the worker do something for one lane.

        Raises:
            SessionLost: the worker has died or has too little memory, and with fewer lanes it may go on.
            EngineFailed: the same where it had one lane; or the request was refused, and the lanes are as they were.
        """
        return self._request(operation, b"", lane=lane, **arguments)

    def _request(self, operation: str, payload: bytes, **arguments: Any) -> dict[str, Any]:
        with self._asking:
            if self._lost is not None:
                raise self._lost()
            try:
                if self._worker is None:  # in the folder of the first run
                    self._worker = self._kept(next(iter(self._jobs.values())).folder)
                    if self.aborted:
                        self._worker.kill()
                elif self._moving:
                    self._worker.move(next(iter(self._jobs.values())).folder)
                self._moving = False
                return self._worker.ask(operation, payload, **arguments)
            except EngineFailed as error:
                if operation == "train" or isinstance(error, (WorkerDied, OutOfMemory)):
                    raise self._lose(error) from error
                raise

    def _kept(self, folder: Path) -> WorkerClient:
        """A worker started by a thread that lives as long as it does.

        The kernel kills it with the thread that started it, not with the process, and a run's own thread may end while
        other runs go on.
        """
        started: Future[WorkerClient] = Future()

        def keep() -> None:
            try:
                started.set_result(self._start(folder))
            except BaseException as error:  # noqa: BLE001 - it is raised by the thread that waits for the result
                started.set_exception(error)
                return
            self._over.wait()

        threading.Thread(target=keep, name="worker", daemon=True).start()
        return started.result()

    def _lose(self, error: EngineFailed) -> EngineFailed:
        """End the worker, whose lanes are in no known state, and return the error that each of them is to raise."""
        if self._worker is not None:
            self._worker.kill()
        with self._changed:
            jobs = list(self._jobs.values())
            alone = self.aborted or len(jobs) < 2
            if alone:
                memory = isinstance(error, OutOfMemory)
                failure = EngineFailed(error.message, where=error.where, remedy=MEMORY_REMEDY) if memory else error
                self._lost = lambda: failure
            else:
                fewer = self._on_loss(len(jobs))
                lanes = "1 lane" if fewer == 1 else f"{fewer} lanes"
                text = f"{error}; going on with {lanes} instead of {len(jobs)}"
                self._lost = lambda: SessionLost(text)
            self._changed.notify_all()
        if not alone:
            jobs[0].on_notice(text)
        return self._lost()

    def processes(self) -> list[int]:
        """The worker's process number, while it lives."""
        worker = self._worker
        return [] if worker is None else worker.processes()

    def abort(self) -> None:
        """End the worker and all lanes at once, from any thread."""
        with self._changed:
            self.aborted = True
            self._changed.notify_all()
        worker = self._worker
        if worker is not None:
            worker.kill()


class LanePool:
    """Places the jobs of one session in the group that has room, or in a new one.

    Args:
        lanes: how many a group may have; fewer once that many were too many.
    """

    def __init__(self, start: StartWorker, lanes: int) -> None:
        self._start, self._lanes = start, lanes
        self._changed = threading.Condition()
        self._group: LaneGroup | None = None

    def end_idle(self) -> None:
        """End the worker if no run needs it now."""
        if self._group is not None:
            self._group.end_idle()

    def join(self, job: NetJob) -> tuple[LaneGroup, int]:
        """A new lane for the job, once there is room: its group and its number there.

        Raises:
            EngineFailed: the worker does not take it, or the lanes that it waited for were aborted.
        """

        def fewer(lost: int) -> int:
            self._lanes = min(self._lanes, max(1, lost // 2))
            return self._lanes

        with self._changed:
            waited_for = None
            while self._group is not None and not self._group.closed and self._group.seats >= self._lanes:
                waited_for = self._group
                self._changed.wait()
            if waited_for is not None and waited_for.aborted:
                raise EngineFailed("interrupted")
            if self._group is None or self._group.closed:
                self._group = LaneGroup(self._start, self._changed, fewer)
            group = self._group
            group.seats += 1
        return group, group.add(job)
