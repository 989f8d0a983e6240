"""Dispatcher of tasks to the places of an executor: a thread a task, whose session is open wherever the place is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from typing import Any, Literal

from lrbench.engines.base import Engine, Progress, Session
from lrbench.errors import Interrupted
from lrbench.executors.base import Places
from lrbench.executors.bundles import MOST_BUNDLES, Bundled, BundledResult, BundleSizes, BundlingEngine, take_bundle
from lrbench.executors.plan import RunSlot, Task
from lrbench.runner import Observer, Training, failure_reason
from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status

WAIT_SECONDS = 0.5

UnderWay = dict["Future[list[Outcome]]", "RunSlot | None"]
"""Places of the tasks under way; None for a bundle, which takes and gives its own."""


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

    def run(
        self, tasks: Iterable[Task | None], on_end: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Run all tasks; one that fails leaves the others alone.

        A task is taken only when there is room for it, and after ``on_end`` was called for all that have ended; so
        where tasks are generated, each may depend on the outcomes before. A None among them means that there is none
        before something under way has ended.
        A run that another process holds is waited for at the end, and done here if that process leaves it undone.
        Of short runs an engine that can trains some in one call.

        Args:
            on_end: called once per task, on this thread; its exceptions end the other tasks.

        Returns:
            An outcome a task, in the order in which they ended.

        Raises:
            Interrupted: Ctrl-C; the children are ended, and what was done is on disk.
        """
        with ThreadPoolExecutor(self.places.most + self._most_bundles, thread_name_prefix="run") as pool:
            outcomes: list[Outcome] = []
            waiting: UnderWay = {}
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

    @property
    def _most_bundles(self) -> int:
        return min(2 * self.places.most, MOST_BUNDLES) if isinstance(self.engine, BundlingEngine) else 0

    def _outcomes(self, tasks: Iterator[Task | None], pool: ThreadPoolExecutor, waiting: UnderWay) -> Iterator[Outcome]:
        """Run as many tasks at a time as there are places, those held elsewhere last; yield the outcomes."""
        while True:
            bundle: list[Task] = []
            full = self._most_bundles > 0 and self._sizes.next > 1 and len(waiting) >= self._most_bundles
            if self._most_bundles and self._sizes.next > 1 and not full:
                bundle, tasks = take_bundle(tasks, self._sizes.next)
            slot = None if bundle or full else self.places.take()
            task = None if slot is None else next(tasks, None)
            if bundle:
                waiting[pool.submit(self._run_bundle, bundle)] = None
            elif slot is not None and task is not None:
                waiting[pool.submit(self._run_all, [task], slot)] = slot
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
            seconds = 0 if bundle or task is not None else WAIT_SECONDS
            done, _ = wait(waiting, timeout=seconds, return_when=FIRST_COMPLETED)
            ended = []
            for future in done:
                slot = waiting.pop(future)
                if slot is not None:
                    self.places.give(slot)
                ended += [self._ended(outcome) for outcome in future.result()]
            yield from (outcome for outcome in ended if outcome.how != "busy")

    def _end(self, waiting: Iterable[Future[list[Outcome]]]) -> None:
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

    def _run_bundle(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Run plain tasks in a bundle, then one by one those that it leaves and those that were begun before."""
        outcomes: list[Outcome] = []
        with ExitStack() as locks:
            ready = [task for task in tasks if self._lock_new(task, locks)]
            if ready:
                results, machine = self._train_bundle(ready)
                outcomes = [self._keep(*each, machine) for each in zip(ready, results, strict=False)]
        done = {outcome.task.number for outcome in outcomes}
        left = [task for task in tasks if task.number not in done]
        if left:
            slot = self._place()
            try:
                outcomes += self._run_all(left, slot)
            finally:
                self.places.give(slot)
        return outcomes

    def _lock_new(self, task: Task, locks: ExitStack) -> bool:
        """Hold a run that has not begun; return whether it is such a run."""
        directory = RunDirectory(task.folder)
        with ExitStack() as own, suppress(Exception):  # which _run meets again, and says
            if directory.status().done:
                return False
            own.enter_context(directory.locked())
            if not directory.status().done and not directory.evaluations():
                locks.push(own.pop_all())
                return True
        return False

    def _train_bundle(self, tasks: Sequence[Task]) -> tuple[Sequence[BundledResult], Mapping[str, Any]]:
        """Return the results of the first tasks of a bundle, and the machine that they were trained on."""
        assert isinstance(self.engine, BundlingEngine)
        slot = self._place()
        try:
            for task in tasks:
                self._tell(self.listener.started, task)
            begun = time.monotonic()
            results: Sequence[BundledResult] = []
            with suppress(Exception):  # what it cannot do may be done one by one
                runs = [Bundled(task.job(slot), task.rules) for task in tasks]
                results = self.engine.train_bundle(runs, slot, self._stop)
            self._sizes.ended(time.monotonic() - begun, len(results), len(tasks))
            return results, self.places.machine(slot) if results else {}
        finally:
            self.places.give(slot)

    def _place(self) -> RunSlot:
        """Take a place as soon as there is one."""
        while not self._stop.is_set():
            slot = self.places.take()
            if slot is not None:
                return slot
            self.places.wait(WAIT_SECONDS)
        raise Interrupted("interrupted")

    def _keep(self, task: Task, result: BundledResult, machine: Mapping[str, Any]) -> Outcome:
        """Write a run of a bundle to disk, and tell what happened in it."""
        directory, status = RunDirectory(task.folder), result.status
        try:
            directory.describe(task.description(self.engine, 1, machine))
            result.write(directory)
        except Exception as error:  # noqa: BLE001 - as in Training.run
            status = Status("failed", 0, failure_reason(error))
            with suppress(OSError):
                directory.write_status(status)
        for text in result.notices:
            self._tell(self.listener.noticed, task, text)
        for evaluation in result.evaluations:
            self._tell(self.listener.evaluated, task, evaluation)
        return Outcome(task, "ran", status)

    def _run_all(self, tasks: Sequence[Task], slot: RunSlot) -> list[Outcome]:
        """Run tasks one after the other in one place; an error of one is its outcome."""
        outcomes = []
        for task in tasks:
            try:
                outcomes.append(self._run(task, slot))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's failure and no other's
                outcomes.append(Outcome(task, "ran", Status("failed", 0, failure_reason(error))))
        return outcomes

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
                if not begun and status.status == "finished":
                    self._sizes.ended(time.monotonic() - clock)
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
