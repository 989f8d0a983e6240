"""Displays, tests and snapshots of a training log, over the sessions that it holds."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log_columns import Displays, Tests


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that Caffe began to write at ``seconds``, counted as in ``Display``: the one before it is whole by then.

    Caffe writes the model (``.caffemodel``) first, then the solver's state (``.solverstate``). The path is as Caffe was
    told, perhaps relative to its folder.
    """

    iteration: int
    path: str
    seconds: float


@dataclass
class _Start:
    """A session that has shown no iteration yet.

    Attributes:
        fresh: whether it begins a training, as far as the log says.
        iteration: where it resumes a training, None where the log does not say.
        solving: when its iterations began, None where the log does not say.
        announced: whether a line of the log says that it is another session.
    """

    fresh: bool = False
    iteration: int | None = None
    solving: float | None = None
    announced: bool = True


class _Course:
    """When a training had come to each iteration, by the latest of what was shown up to there."""

    def __init__(self, iterations: NDArray[np.int64], seconds: NDArray[np.float64]) -> None:
        order = np.argsort(iterations, kind="stable")
        self._iterations = array("q", iterations[order].tobytes())
        self._seconds = array("d", np.maximum.accumulate(seconds[order]).tobytes())

    def show(self, iteration: int, seconds: float) -> None:
        """Take what was shown of an iteration."""
        start = end = bisect_right(self._iterations, iteration)
        if start and self._seconds[start - 1] >= seconds:
            return
        while end < len(self._seconds) and self._seconds[end] <= seconds:
            end += 1
        self._iterations[start:end] = array("q", [iteration])
        self._seconds[start:end] = array("d", [seconds])

    def until(self, iteration: int) -> float | None:
        """The seconds, None where nothing was shown up to that iteration."""
        place = bisect_right(self._iterations, iteration)
        return self._seconds[place - 1] if place else None


class Sessions:
    """Displays, tests and snapshots of all sessions as those of one training.

    A session that resumes a training at an iteration replaces what was logged from there on before, a session that
    begins a training replaces everything. Where iterations go back without a word, nothing is replaced. The time from
    the last thing that is kept of a session to the first iteration of the next one is left out of the seconds.

    Attributes:
        first_iteration: where the first session begins.
        training_started: when its iterations began, in seconds from the first line; None where the log does not say.
    """

    def __init__(self) -> None:
        self.displays = Displays()
        self.tests = Tests()
        self.snapshots: list[Snapshot] = []
        self.first_iteration = 0
        self.training_started: float | None = None
        self._start: _Start | None = _Start()
        self._last = 0
        self._pause = 0.0
        self._course: _Course | None = None  # made when it is asked for: most logs have one session

    def announce(self, *, fresh: bool = False) -> _Start:
        """The next iteration shown is the first of another session."""
        if self._start is None or fresh:
            self._start = _Start(fresh=fresh)
        return self._start

    def resume(self, iteration: int | None) -> None:
        """The session that begins goes on from a snapshot, of this iteration where it is known."""
        start = self.announce()
        start.fresh = False
        start.iteration = iteration if iteration is not None else start.iteration

    def solve(self, clock: float) -> None:
        """The iterations of a session begin at this time of the log's clock."""
        self.announce().solving = self.seconds(clock)

    def seconds(self, clock: float) -> float:
        """The log's clock without the time between sessions."""
        return clock - self._pause

    def save(self, iteration: int, path: str, clock: float) -> None:
        """A snapshot is begun."""
        self.snapshots.append(Snapshot(iteration, path, self.show(iteration, clock)))

    def show(self, iteration: int, clock: float, *, testing: bool = False) -> float:
        """The seconds at which an iteration is shown; it may be the first of a session."""
        if self._start is None and iteration < self._last:
            self._start = _Start(announced=False)
        if self._start is not None:
            self._begin(self._start, iteration, self.seconds(clock), testing)
            self._start = None
        self._last = iteration
        seconds = self.seconds(clock)
        if self._course is not None:
            self._course.show(iteration, seconds)
        return seconds

    def show_output(self, name: str, value: float, clock: float) -> None:
        """An output of the last pass, which has not ended before; where there was no pass it is of none."""
        if not self.tests:
            return
        self.tests.add_output(name, value)
        ended = self.tests.end_last(self.seconds(clock))
        if self._course is not None:
            self._course.show(int(self.tests.iterations[-1]), ended)

    def _begin(self, start: _Start, iteration: int, seconds: float, testing: bool) -> None:
        origin = start.iteration
        if origin is None and start.fresh:
            origin = 0
        elif origin is None:  # the log does not say so: it is the last snapshot before what is shown first
            saved = [snapshot.iteration for snapshot in self.snapshots if snapshot.iteration <= iteration]
            origin = max(saved) if saved and start.announced else iteration
        if start.announced:  # what the session replaces is dropped; what was measured at its snapshot stays
            self.displays.forget(origin)
            self.tests.forget(origin)
            self.snapshots[:] = [snapshot for snapshot in self.snapshots if snapshot.iteration <= origin > 0]
            self._course = None
        ended = self._ended(origin)
        if ended is None:
            self.first_iteration, self.training_started = origin, start.solving
            return
        tested_first = testing and iteration == origin
        self._pause += (seconds if tested_first or start.solving is None else start.solving) - ended

    def _ended(self, origin: int) -> float | None:
        """When the training had come to that iteration, by the last that was logged up to there."""
        if self._course is None:
            saved = [(snapshot.iteration, snapshot.seconds) for snapshot in self.snapshots]
            if not saved and not self.tests and not self.displays:
                return None
            iterations, seconds = np.array(saved).reshape(-1, 2).T
            self._course = _Course(
                np.concatenate([self.displays.iterations, self.tests.iterations, iterations.astype(np.int64)]),
                np.concatenate([self.displays.seconds, self.tests.ended, seconds]),
            )
        return self._course.until(origin)
