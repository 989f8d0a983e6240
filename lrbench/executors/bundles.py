"""Bundles: short runs that an engine on other machines trains in one call, as a call costs as much as such a run does.

A bundle is made of runs that train from their start to their end: none begins at a prefix, keeps snapshots for others,
or is paused by a search. Their evaluations reach the driver with their end.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from lrbench.engines.base import Engine, Job
from lrbench.executors.plan import RunSlot, Task
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.stopping import StoppingRules

SHORT_SECONDS = 0.5
"""Duration of the longest run that is bundled."""
BUNDLE_SECONDS = 1.0
MOST_RUNS = 16
"""Runs of a bundle; each keeps the file of its lock open on the driver."""
MOST_BUNDLES = 32
"""Bundles at a time; there are more than places, as some are made ready, or written to disk, while others train."""


@dataclass(frozen=True)
class Bundled:
    """A run of a bundle: its job, and the rules that end it early."""

    job: Job
    rules: StoppingRules


class BundledResult(ABC):
    """Result of a run of a bundle, whose files are not in the driver's results yet."""

    status: Status
    evaluations: Sequence[Evaluation]
    notices: Sequence[str]

    @abstractmethod
    def write(self, directory: RunDirectory) -> None:
        """Write everything into the directory, the status last.

        Raises:
            OSError: it cannot be written.
        """


class BundlingEngine(Engine[Any]):
    """An engine that trains bundles."""

    @abstractmethod
    def train_bundle(self, runs: Sequence[Bundled], slot: RunSlot, stop: Event) -> Sequence[BundledResult]:
        """Train runs one after the other.

        Args:
            slot: the place to train them in.
            stop: set when the user wants everything to end.

        Returns:
            The results of the first runs, all of them unless that took too long or the engine's machine was lost.
        """


@dataclass
class BundleSizes:
    """Sizes of bundles by the durations of the runs before them.

    Attributes:
        seconds: duration of the last run that finished; None before one has.
        most: runs of a bundle; as many as came back of one that was too long or too large.
    """

    seconds: float | None = None
    most: int = MOST_RUNS

    def ended(self, seconds: float, done: int = 1, wanted: int = 1) -> None:
        """Take in how long a bundle, or a run on its own, took, and how many of its runs were done."""
        if done:
            self.seconds = seconds / done
        if done < wanted:
            self.most = done

    @property
    def next(self) -> int:
        """Number of runs of the next bundle; 1: runs are long, or their duration is not known."""
        if self.seconds is None or self.seconds > SHORT_SECONDS:
            return 1
        return min(int(BUNDLE_SECONDS / max(self.seconds, 0.001)), self.most)


def take_bundle(tasks: Iterator[Task | None], size: int) -> tuple[list[Task], Iterator[Task | None]]:
    """Take up to ``size`` tasks that can be in a bundle; return them, and an iterator over the others."""
    taken: list[Task] = []
    while len(taken) < size:
        task = next(tasks, None)
        if task is None:
            break
        if not task.is_plain:
            return taken, itertools.chain([task], tasks)
        taken.append(task)
    return taken, tasks
