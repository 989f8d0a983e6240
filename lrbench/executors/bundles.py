"""Bundles: short runs that an engine on other machines trains in one call, as a call costs as much as such a run does.

A bundle is made of runs that train from their start to their end: none begins at a prefix, keeps snapshots for others,
or is paused by a search. Their evaluations reach the driver with their end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from lrbench.engines.base import Engine, Job
from lrbench.executors.plan import RunSlot, Task
from lrbench.runner import failure_reason
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.stopping import StoppingRules

SHORT_SECONDS = 0.5
"""Duration of the longest run that is bundled."""
BUNDLE_SECONDS = 1.0
MOST_RUNS = 16
MOST_LOCKS = 256
"""Runs in all bundles that are trained at a time; each keeps the file of its lock open."""


@dataclass(frozen=True)
class Bundled:
    """A run of a bundle: its job, and the rules that end it early."""

    job: Job
    rules: StoppingRules


class BundledResult(ABC):
    """Result of a run of a bundle, whose files are not in the driver's results yet.

    Attributes:
        seconds: duration of the run.
    """

    status: Status
    evaluations: Sequence[Evaluation]
    notices: Sequence[str]
    seconds: float

    @abstractmethod
    def write(self, directory: RunDirectory) -> None:
        """Write everything into the directory of a run that has not begun, the status last.

        Raises:
            OSError: it cannot be written.
        """


class BundlingEngine(Engine[Any]):
    """An engine that trains bundles."""

    @abstractmethod
    def train_bundle(self, runs: Sequence[Bundled], slot: RunSlot, stop: Event) -> Sequence[BundledResult | None]:
        """Train runs one after the other.

        Args:
            slot: the place to train them in.
            stop: set when the user wants everything to end.

        Returns:
            The results of the first runs, all of them unless that took too long or they have too much to send; None for
            one that failed, to be tried by itself.
        """


@dataclass
class BundleSizes:
    """Sizes of bundles by the durations of the runs before them.

    Attributes:
        seconds: duration of the longest run that finished lately; None before one has.
        most: runs of a bundle; as many as came back of one that was too long or too large, and twice as many after one
            that was not.
    """

    seconds: float | None = None
    most: int = MOST_RUNS

    def ended(self, seconds: Sequence[float], came: int = 1, sent: int = 1) -> None:
        """Take in the durations of runs that finished, and how many runs of a bundle came back of those sent."""
        if seconds:
            self.seconds = max(seconds)
        if came < sent:
            self.most = came
        elif sent == self.most > 1:
            self.most = min(2 * self.most, MOST_RUNS)

    def next(self, places: int) -> int:
        """Return the number of runs of the next bundle; at most 1: runs are long, or their duration is not known."""
        if self.seconds is None or self.seconds > SHORT_SECONDS:
            return 1
        return min(int(BUNDLE_SECONDS / max(self.seconds, 0.001)), self.most, MOST_LOCKS // places)


@dataclass(frozen=True)
class TrainedBundle:
    """Runs that were trained in a bundle and are not on disk yet; each is held for this process until it is.

    Attributes:
        left: those that have to be run by themselves, which are not held.
    """

    done: Sequence[tuple[Task, BundledResult, ExitStack]]
    left: Sequence[Task]
    machine: Mapping[str, Any]
    lanes: int

    def write(self, engine: Engine) -> Iterator[tuple[Task, BundledResult | None, Status]]:
        """Write each run to disk; yield it with its status, and its result unless it could not be written."""
        for task, result, lock in self.done:
            directory = RunDirectory(task.folder)
            with lock:
                try:
                    directory.describe(task.description(engine, self.lanes, self.machine))
                    result.write(directory)
                except Exception as error:  # noqa: BLE001 - as in Training.run
                    status = Status("failed", 0, failure_reason(error))
                    with suppress(OSError):
                        directory.write_status(status)
                    yield task, None, status
                else:
                    yield task, result, result.status

    def release(self) -> None:
        """Let go of the runs, which are not written."""
        for _, _, lock in self.done:
            lock.close()


@dataclass(frozen=True)
class Bundle:
    """Plain tasks that have not begun, each held for this process; those of ``left`` are not, and are run alone."""

    tasks: Sequence[Task]
    locks: Mapping[int, ExitStack]
    left: Sequence[Task]

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Bundle:
        """Hold what can be held."""
        locks = {task.number: lock for task in tasks if (lock := _lock_new(task)) is not None}
        ready = [task for task in tasks if task.number in locks]
        return cls(ready, locks, [task for task in tasks if task.number not in locks])

    def train(
        self,
        engine: BundlingEngine,
        slot: RunSlot,
        machine: Mapping[str, Any],
        tell: Callable[[str], None],
        stop: Event,
        sizes: BundleSizes,
    ) -> TrainedBundle:
        """Train them in one call.

        Args:
            machine: description of the machine that the place is on.
            tell: called with what happens to all of them.
            stop: as for ``BundlingEngine.train_bundle``.
            sizes: is told how long it took.
        """
        results: Sequence[BundledResult | None] = []
        with suppress(Exception):  # what it cannot do may be done one by one
            runs = [Bundled(task.job(slot, on_notice=tell), task.rules) for task in self.tasks]
            results = engine.train_bundle(runs, slot, stop) if runs else []
        finished = [each.seconds for each in results if each is not None and each.status.status == "finished"]
        sizes.ended(finished, len(results), len(self.tasks))
        done = [
            (task, result, self.locks[task.number])
            for task, result in zip(self.tasks, results, strict=False)
            if result is not None
        ]
        numbers = {task.number for task, *_ in done}
        left = [task for task in self.tasks if task.number not in numbers]
        for task in left:
            self.locks[task.number].close()
        return TrainedBundle(done, [*self.left, *left], machine, slot.lanes)

    def release(self) -> None:
        """Let go of the runs, which are not trained."""
        for lock in self.locks.values():
            lock.close()


def _lock_new(task: Task) -> ExitStack | None:
    """Hold a run that has not begun; None if it has, or is held elsewhere."""
    directory = RunDirectory(task.folder)
    with ExitStack() as lock, suppress(Exception):  # met again, and said, where the run is tried by itself
        if not directory.status().done:
            lock.enter_context(directory.locked())
            if not (directory.status().done or directory.evaluations() or directory.snapshots()):
                return lock.pop_all()
    return None
