"""What a training log shows iteration by iteration, over the sessions that it holds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Display:
    """Training as displayed: ``loss`` is that of this iteration, or Caffe's average over the last few of them.

    ``rate`` is the learning rate of its update, None at the end of a training, where there is no update any more.
    ``seconds`` count from the log's first line, without the time between sessions.
    """

    iteration: int
    loss: float
    rate: float | None
    seconds: float


@dataclass
class Test:
    """A pass over a test set: the mean of each scalar output; ``started`` and ``ended`` are seconds as in ``Display``.

    ``net`` is the number of the test net. An output with more than one value, such as softmax probabilities, is
    left out: Caffe prints its mean over the batches for each sample's place in the batch, which says nothing.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    iteration: int
    net: int
    started: float
    ended: float
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
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


class Sessions:
    """Displays, tests and snapshots of all sessions as those of one training.

    A session that resumes a training at an iteration replaces what was logged from there on before, a session that
    begins a training replaces everything. Where iterations go back without a word, nothing is replaced. The time from
    the last thing that is kept of a session to the first iteration of the next one is left out of the seconds.

    Attributes:
        first_iteration: where the first session begins.
        training_started: when its iterations began; None where the log does not say.
    """

    def __init__(self) -> None:
        self.displays: list[Display] = []
        self.tests: list[Test] = []
        self.snapshots: list[Snapshot] = []
        self.first_iteration = 0
        self.training_started: float | None = None
        self._start: _Start | None = _Start()
        self._last = 0
        self._pause = 0.0

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
        return self.seconds(clock)

    def _begin(self, start: _Start, iteration: int, seconds: float, testing: bool) -> None:
        origin = start.iteration
        if origin is None:
            origin = 0 if start.fresh else self._resumed_at(start, iteration)
        if start.announced:
            self._forget(origin)
        ended = self._ended(origin)
        if ended is None:
            self.first_iteration, self.training_started = origin, start.solving
            return
        tested_first = testing and iteration == origin
        self._pause += (seconds if tested_first or start.solving is None else start.solving) - ended

    def _resumed_at(self, start: _Start, iteration: int) -> int:
        """Where a session begins that does not say so: at the last snapshot before what it shows first."""
        saved = [snapshot.iteration for snapshot in self.snapshots if snapshot.iteration <= iteration]
        return max(saved) if saved and start.announced else iteration

    def _forget(self, origin: int) -> None:
        """Drop what a session that begins there replaces; what was measured at its snapshot stays."""
        self.displays[:] = [display for display in self.displays if display.iteration < origin]
        self.tests[:] = [test for test in self.tests if test.iteration <= origin > 0]
        self.snapshots[:] = [snapshot for snapshot in self.snapshots if snapshot.iteration <= origin > 0]

    def _ended(self, origin: int) -> float | None:
        """When the training had come to that iteration, by the last that was logged up to there."""
        moments = [display.seconds for display in self.displays if display.iteration <= origin]
        moments += [test.ended for test in self.tests if test.iteration <= origin]
        moments += [snapshot.seconds for snapshot in self.snapshots if snapshot.iteration <= origin]
        return max(moments, default=None)
