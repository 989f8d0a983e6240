"""Dispatcher of tasks to the places of an executor: a thread a task, whose session is open wherever the place is."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from typing import Any, Literal

from lrbench.engines.base import Engine, Progress, Session
from lrbench.errors import Interrupted
from lrbench.executors.base import Places
from lrbench.executors.bundles import Bundle, BundleSizes, BundlingEngine, TrainedBundle
from lrbench.executors.plan import RunSlot, Task
from lrbench.runner import Observer, Training, failure_reason
from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status

WAIT_SECONDS = 0.5

UnderWay = dict["Future[list[Outcome] | Bundle | TrainedBundle]", "RunSlot | None"]
"""Places of the tasks under way; None for a bundle that is made or written to disk."""


@dataclass(frozen=True)
class Outcome:
    """Result of a task: ``ran``, ``skipped`` because it was done before, or ``busy`` while another process holds it."""

    task: Task
    how: Literal["ran", "skipped", "busy"]
    status: Status


class Listener:
    """Callbacks for task events, called on several threads; each does nothing by default.

    A listener is for display: its exceptions are ignored, and after the first only ``ended`` is still called.
    """

    def started(self, task: Task) -> None:
        """The task's session is being opened."""

    def resumed(self, task: Task, iteration: int) -> None:
        """The run resumes from a snapshot."""

    def restarted(self, task: Task, reason: str) -> None:
        """The run was cut off and starts over."""

    def progressed(self, task: Task, progress: Progress) -> None:
        """Some more iterations are done."""

    def noticed(self, task: Task, text: str) -> None:
        """Something happened that affects other runs of the task's session, too."""

    def evaluated(self, task: Task, evaluation: Evaluation) -> None:
        """An evaluation is on disk."""

    def held_elsewhere(self, task: Task) -> None:
        """Another process holds the run; it is retried last."""

    def ended(self, outcome: Outcome) -> None:
        """Called once per task, on the thread that takes the tasks, even after other callbacks were disabled."""


@dataclass
class Dispatcher:
    """Runs tasks side by side, as many as an executor has places for.

    Attributes:
        engine: opens the sessions, in the places that the tasks are given.
    """

    engine: Engine
    places: Places
    listener: Listener = field(default_factory=Listener)
    _stop: threading.Event = field(default_factory=threading.Event)
    _sessions: dict[int, Session] = field(default_factory=dict)
    _deaf: threading.Event = field(default_factory=threading.Event)
    _held_elsewhere: list[Task] = field(default_factory=list)
    _told_busy: set[int] = field(default_factory=set)
    _sizes: BundleSizes = field(default_factory=BundleSizes)
    _next: deque[Task] = field(default_factory=deque)
    _alone: set[int] = field(default_factory=set)
    _bundles: deque[Bundle] = field(default_factory=deque)

    def run(
        self, tasks: Iterable[Task | None], on_end: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Run all tasks; one that fails leaves the others alone.

        A task is taken only when there is room for it, and after ``on_end`` was called for all that have ended; so
        where tasks are generated, each may depend on the outcomes before. A None among them means that there is none
        before something under way has ended.
        A run that another process holds is waited for at the end, and done here if that process leaves it undone.
        An engine that trains bundles gets several short runs in one call, where these are plain (``Task.is_plain``).

        Args:
            on_end: called once per task, on this thread; its exceptions end the other tasks.

        Returns:
            An outcome a task, in the order in which they ended.

        Raises:
            Interrupted: Ctrl-C; the children are ended, and what was done is on disk.
        """
        waiting: UnderWay = {}
        try:
            # beside a thread for each place one that holds the runs of its next bundle, or writes its last to disk
            with ThreadPoolExecutor(3 * self.places.most, thread_name_prefix="run") as pool:
                outcomes: list[Outcome] = []
                try:
                    for outcome in self._outcomes(iter(tasks), pool, waiting):
                        outcomes.append(outcome)
                        on_end(outcome)
                    return outcomes
                except KeyboardInterrupt:
                    self._end(waiting)
                    raise Interrupted("interrupted") from None
                except BaseException:  # of ``tasks`` or ``on_end``
                    self._end(waiting)
                    raise
        finally:
            known = [future.result() for future in waiting if not future.cancelled() and future.exception() is None]
            for bundle in (*self._bundles, *known):
                if isinstance(bundle, Bundle | TrainedBundle):
                    bundle.release()

    def _outcomes(self, tasks: Iterator[Task | None], pool: ThreadPoolExecutor, waiting: UnderWay) -> Iterator[Outcome]:
        """Run as many tasks at a time as there are places, those held elsewhere last; yield the outcomes."""
        while True:
            slot = self.places.take()
            started = bundled = False
            if slot is not None and self._bundles:
                waiting[pool.submit(self._train_bundle, self._bundles.popleft(), slot)] = slot
                started = bundled = True
            elif slot is not None and (taken := self._take(tasks)):
                started, bundled = True, len(taken) > 1
                work = partial(self._train_new_bundle, taken) if bundled else partial(self._run_alone, taken[0])
                waiting[pool.submit(work, slot)] = slot
            elif slot is not None:
                self.places.give(slot)
                if not waiting:
                    held, self._held_elsewhere = self._held_elsewhere, []
                    if not held or self._stop.wait(WAIT_SECONDS):
                        return
                    tasks = iter(held)
                    continue
            elif not waiting:
                self.places.wait(WAIT_SECONDS)
                continue
            if bundled and len(following := self._take(tasks)) > 1:
                waiting[pool.submit(Bundle.of, following)] = None
            elif bundled:
                self._next.extendleft(following)
            done, _ = wait(waiting, timeout=0 if started else WAIT_SECONDS, return_when=FIRST_COMPLETED)
            ended: list[Outcome] = []
            for future in done:
                slot, result = waiting.pop(future), future.result()
                if slot is not None:
                    self.places.give(slot)
                if isinstance(result, Bundle):
                    self._bundles.append(result)
                elif isinstance(result, TrainedBundle):
                    waiting[pool.submit(self._write_bundle, result)] = None
                    self._next += result.left
                    self._alone |= {task.number for task in result.left}
                else:
                    ended += map(self._ended, result)
            yield from (outcome for outcome in ended if outcome.how != "busy")

    def _take(self, tasks: Iterator[Task | None]) -> list[Task]:
        """Take the next task, or as many plain ones as make a bundle; none where there is none now."""
        size = self._sizes.next(self.places.most) if isinstance(self.engine, BundlingEngine) else 1
        taken: list[Task] = []
        while len(taken) < max(size, 1):
            task = self._next.popleft() if self._next else next(tasks, None)
            if task is None:
                break
            alone = task.number in self._alone or not task.is_plain
            if alone and taken:
                self._next.appendleft(task)
                break
            taken.append(task)
            if alone:
                break
        return taken

    def _end(self, waiting: UnderWay) -> None:
        self._stop.set()
        self.places.stop()
        for future in waiting:
            future.cancel()
        for session in list(self._sessions.values()):
            session.abort()

    def _ended(self, outcome: Outcome) -> Outcome:
        task = outcome.task
        if outcome.how != "busy":
            with suppress(Exception):  # as in _tell
                self.listener.ended(outcome)
            return outcome
        self._held_elsewhere.append(task)
        if task.number not in self._told_busy:
            self._told_busy.add(task.number)
            self._tell(self.listener.held_elsewhere, task)
        return outcome

    def _tell(self, news: Callable[..., None], *what: Any) -> None:
        """Call the listener, unless it failed once: it is only for display, and training goes on without it."""
        if self._deaf.is_set():
            return
        try:
            news(*what)
        except Exception:  # noqa: BLE001 - a closed terminal, a full disk behind standard error, a defect
            self._deaf.set()

    def _train_new_bundle(self, tasks: Sequence[Task], slot: RunSlot) -> TrainedBundle:
        return self._train_bundle(Bundle.of(tasks), slot)

    def _train_bundle(self, bundle: Bundle, slot: RunSlot) -> TrainedBundle:
        assert isinstance(self.engine, BundlingEngine)
        try:
            machine = self.places.machine(slot)
            tell = partial(self._tell, self.listener.noticed, (*bundle.tasks, *bundle.left)[0])
            return bundle.train(self.engine, slot, machine, tell, self._stop, self._sizes)
        except BaseException:
            bundle.release()
            raise

    def _write_bundle(self, bundle: TrainedBundle) -> list[Outcome]:
        """Write the runs of a bundle to disk, and tell what happened in them."""
        outcomes = []
        for task, result, status in bundle.write(self.engine):
            if result is not None:
                self._tell(self.listener.started, task)
                for text in result.notices:
                    self._tell(self.listener.noticed, task, text)
                for evaluation in result.evaluations:
                    self._tell(self.listener.evaluated, task, evaluation)
            outcomes.append(Outcome(task, "ran", status))
        return outcomes

    def _run_alone(self, task: Task, slot: RunSlot) -> list[Outcome]:
        try:
            return [self._run(task, slot)]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's failure and no other's
            return [Outcome(task, "ran", Status("failed", 0, failure_reason(error)))]

    def _run(self, task: Task, slot: RunSlot) -> Outcome:
        directory = RunDirectory(task.folder)
        try:
            status = directory.status()
            if status.done:
                return Outcome(task, "skipped", status)
            with directory.locked():
                status = directory.status()  # another process may have finished it since
                if status.done:
                    return Outcome(task, "skipped", status)
                self._describe(task, directory, slot)
                self._tell(self.listener.started, task)
                job = task.job(
                    slot,
                    on_progress=lambda news: self._tell(self.listener.progressed, task, news),
                    on_notice=lambda text: self._tell(self.listener.noticed, task, text),
                )
                observer = Observer(
                    evaluated=lambda evaluation: self._tell(self.listener.evaluated, task, evaluation),
                    resumed=lambda iteration: self._tell(self.listener.resumed, task, iteration),
                    restarted=lambda reason: self._tell(self.listener.restarted, task, reason),
                )
                machine = self.places.machine(slot)
                training = Training(
                    self.engine, job, directory, task.rules, observer, self._stop, task.pause, task.held, machine
                )
                begun, clock = status.iteration, time.monotonic()
                status = training.run(partial(setitem, self._sessions, task.number))
                if not begun and task.prefix is None and status.status == "finished":
                    self._sizes.ended([time.monotonic() - clock])
                return Outcome(task, "ran", status)
        except RunBusy:
            return Outcome(task, "busy", directory.status())
        finally:
            self._sessions.pop(task.number, None)

    def _describe(self, task: Task, directory: RunDirectory, slot: RunSlot) -> None:
        """Write run.json unless it is there, and let a run that has not begun take over its prefix."""
        description, prefix = task.description(self.engine, slot.lanes, self.places.machine(slot)), task.prefix
        if prefix is not None and not directory.evaluations():
            directory.branch(RunDirectory(prefix.folder), prefix.iteration, description)
        directory.describe(description)
