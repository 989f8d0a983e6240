"""Run tasks on this machine, several side by side: a thread each, whose engine trains in processes of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Literal

from lrbench.engines.base import Engine, Progress, Session
from lrbench.errors import Interrupted, LRBenchError
from lrbench.executors.plan import Task
from lrbench.runner import Observer, Training
from lrbench.runs.directory import RunBusy, Status

WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """How a task ended here: ``ran``, ``skipped`` as it was done before, or left to another process (``busy``)."""

    task: Task
    how: Literal["ran", "skipped", "busy"]
    status: Status


class Listener:
    """Who is told how the tasks go; calls come from several threads. Does nothing by itself."""

    def started(self, task: Task) -> None:
        """The task's session is being opened."""

    def resumed(self, task: Task, iteration: int) -> None:
        """The run goes on from a snapshot."""

    def restarted(self, task: Task, reason: str) -> None:
        """The run was cut off and begins again."""

    def progressed(self, task: Task, progress: Progress) -> None:
        """Some iterations more are done."""

    def evaluated(self, task: Task, row: dict[str, Any]) -> None:
        """An evaluation is on disk."""

    def ended(self, outcome: Outcome) -> None:
        """The task is over."""


@dataclass
class LocalExecutor:
    """Runs tasks side by side.

    Attributes:
        jobs: how many at a time.
        device_ids: the GPUs to share among them, in turn; ignored on the CPU.
    """

    engine: Engine
    jobs: int = 1
    device_ids: Sequence[int] = (0,)
    listener: Listener = field(default_factory=Listener)
    _stop: threading.Event = field(default_factory=threading.Event)
    _sessions: set[Session] = field(default_factory=set)
    _devices: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Run all tasks; one that fails leaves the others alone.

        Returns:
            An outcome a task, in the order in which they ended.

        Raises:
            Interrupted: Ctrl-C; the children are ended, and what was done is on disk.
        """
        for slot in range(self.jobs):
            self._devices.put(self.device_ids[slot % len(self.device_ids)])
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="run") as pool:
            waiting = {pool.submit(self._run, task): task for task in tasks}
            outcomes: list[Outcome] = []
            try:
                while waiting:
                    done, _ = wait(waiting, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                    outcomes += [self._outcome(future, waiting.pop(future)) for future in done]
            except KeyboardInterrupt:
                self._end(waiting)
                raise Interrupted("interrupted") from None
        return outcomes

    def _end(self, waiting: dict[Future[Outcome], Task]) -> None:
        self._stop.set()
        for future in waiting:
            future.cancel()
        for session in list(self._sessions):
            session.abort()

    def _outcome(self, future: Future[Outcome], task: Task) -> Outcome:
        error = future.exception()
        if error is None:
            outcome = future.result()
        elif isinstance(error, LRBenchError):
            outcome = Outcome(task, "ran", Status("failed", 0, str(error)))
        else:
            outcome = Outcome(task, "ran", Status("failed", 0, f"{type(error).__name__}: {error}"))
        self.listener.ended(outcome)
        return outcome

    def _run(self, task: Task) -> Outcome:
        directory = task.directory(self.engine)
        status = directory.status()
        if status.done:
            return Outcome(task, "skipped", status)
        device = self._devices.get()
        try:
            with directory.locked():
                status = directory.status()  # another process may have finished it since
                if status.done:
                    return Outcome(task, "skipped", status)
                self.listener.started(task)
                job = task.job(device, on_progress=lambda progress: self.listener.progressed(task, progress))
                training = Training(self.engine, job, directory, task.rules, self._observer(task), self._stop)
                return Outcome(task, "ran", self._train(training))
        except RunBusy:
            return Outcome(task, "busy", directory.status())
        finally:
            self._devices.put(device)

    def _train(self, training: Training) -> Status:
        opened: list[Session] = []

        def remember(session: Session) -> None:
            opened.append(session)
            self._sessions.add(session)

        try:
            return training.run(remember)
        finally:
            self._sessions.difference_update(opened)

    def _observer(self, task: Task) -> Observer:
        return Observer(
            evaluated=lambda row: self.listener.evaluated(task, row),
            resumed=lambda iteration: self.listener.resumed(task, iteration),
            restarted=lambda reason: self.listener.restarted(task, reason),
        )
