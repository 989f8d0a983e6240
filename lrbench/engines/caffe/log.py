"""Reads Caffe's training log, whether LRBench had it written or not.

Caffe logs through glog: ``I1123 00:00:32.905730  5712 solver.cpp:239] Iteration 10, ...``, that is severity, month and
day (some builds put the year before them), time of day, thread, place, message. What follows a line that ends in
``parameters:`` is a message in protobuf's text format, up to the next such line.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from google.protobuf import text_format

from lrbench.errors import ResultsError
from lrbench.nets.caffe_pb2 import SolverParameter

LONGEST_LINE = 1 << 16  # characters; a file without line ends must not fill the memory
LONGEST_BLOCK = 1 << 18  # lines; a net of a thousand layers takes some 30,000

_SOME_LEAP_YEAR = 4  # stands for the year where a stamp has none
_GLOG = re.compile(r"([IWEF])(\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d+)?) +\d+ ([^\]]*)\] ?(.*)")
_DISPLAY = re.compile(r"Iteration (\d{1,15})(?: \([^)]*\))?, loss = ([^\s,]+)")
_RATE = re.compile(r"Iteration (\d{1,15}), lr = ([^\s,]+)")
_TEST = re.compile(r"Iteration (\d{1,15}), Testing net \(#(\d+)\)")
_TEST_OUTPUT = re.compile(r" *Test net output #\d+: (.+?) = ([^\s,]+)")
_SNAPSHOT = re.compile(
    r"Snapshotting (?:solver state )?to (?:binary proto file |HDF5 file )?"
    r"(.+_iter_(\d{1,15})\.(?:caffemodel|solverstate)(?:\.h5)?)$"
)
_SOLVER_BLOCK = "Initializing solver from parameters:"
_NET_BLOCK = "Initializing net from parameters:"


@dataclass
class Display:
    """Training as displayed: ``loss`` is that of this iteration, or Caffe's average over the last few of them.

    ``rate`` is the learning rate of its update, None at the end of a training, where there is no update any more.
    ``seconds`` count from the log's first line.
    """

    iteration: int
    loss: float
    rate: float | None
    seconds: float


@dataclass
class Test:
    """A pass over a test set: the mean of each scalar output; ``started`` and ``ended`` in seconds from the first line.

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
    """A file that Caffe began to write, ``seconds`` after the log's first line: the one before it is whole by then.

    Caffe writes the model (``.caffemodel``) first, then the solver's state (``.solverstate``). The path is as Caffe was
    told, perhaps relative to its folder.
    """

    iteration: int
    path: str
    seconds: float


class CaffeLog:
    """What a training log says, line by line as it grows.

    Attributes:
        solver: Caffe's resolved solver settings; None until they were logged whole.
        net_texts: the nets as Caffe resolved them, in prototxt: the training net, then the test nets.
        displays, tests, snapshots: what was logged, in the order of the log. A log may hold several trainings, or one
            that was resumed; then iterations may repeat.
        training_started: when the iterations began, in seconds from the first line.
        finished: Caffe said "Optimization Done." and had not been asked to stop early.
        stopped: Caffe was asked to stop early, by a signal.
        fatal: the first fatal message and its place, None when there is none.
        lines: how many lines of glog there were.
    """

    def __init__(self) -> None:
        self.solver: SolverParameter | None = None
        self.net_texts: list[str] = []
        self.displays: list[Display] = []
        self.tests: list[Test] = []
        self.snapshots: list[Snapshot] = []
        self.training_started: float | None = None
        self.finished = False
        self.stopped = False
        self.fatal: str | None = None
        self.lines = 0
        self._clock = _Clock()
        self._block: tuple[str, list[str]] | None = None
        self._repeated: set[str] = set()

    @property
    def iteration(self) -> int:
        """How far the training had come by the last of its displays, tests and snapshots; 0 without any."""
        shown = [display.iteration for display in self.displays]
        shown += [test.iteration for test in self.tests]
        return max(shown + [snapshot.iteration for snapshot in self.snapshots], default=0)

    def feed(self, line: str) -> None:
        """Take the next line, with or without its line end."""
        line = line.rstrip("\r\n")
        match = _GLOG.match(line)
        if match is None:
            if self._block is not None and len(self._block[1]) < LONGEST_BLOCK:
                self._block[1].append(line)
            return
        self._end_block()
        self.lines += 1
        severity, year, month, day, hour, minute, second, place, message = match.groups()
        clock_time = 3600 * int(hour) + 60 * int(minute) + float(second)
        seconds = self._clock.seconds(int(year) if year else None, (int(month), int(day)), clock_time)
        if severity == "F":
            self.fatal = self.fatal or f"{message} ({place})"
        elif message.startswith(("Iteration ", " ")):
            self._take_numbers(message, seconds)
        else:
            self._take_event(message, seconds)

    def _take_event(self, message: str, seconds: float) -> None:
        if message.startswith((_SOLVER_BLOCK, _NET_BLOCK)):
            self._block = (message, [])
        elif message.startswith("Solving "):
            self.training_started = seconds
        elif message.startswith("Optimization stopped early"):
            self.stopped = True
        elif message.startswith("Optimization Done"):
            self.finished = not self.stopped
        elif match := _SNAPSHOT.match(message):
            self.snapshots.append(Snapshot(int(match[2]), match[1], seconds))

    def _take_numbers(self, message: str, seconds: float) -> None:
        if match := _TEST_OUTPUT.match(message):
            self._take_output(match[1], _number(match[2]), seconds)
        elif match := _DISPLAY.match(message):
            self.displays.append(Display(int(match[1]), _number(match[2]), None, seconds))
        elif match := _RATE.match(message):
            if self.displays and self.displays[-1].iteration == int(match[1]):
                self.displays[-1].rate = _number(match[2])
        elif match := _TEST.match(message):
            self._repeated.clear()
            self.tests.append(Test(int(match[1]), int(match[2]), seconds, seconds))

    def _take_output(self, name: str, value: float, seconds: float) -> None:
        if not self.tests:
            return
        test = self.tests[-1]
        test.ended = max(test.ended, seconds)
        if name in test.outputs:
            del test.outputs[name]
            self._repeated.add(name)
        elif name not in self._repeated:
            test.outputs[name] = value

    def _end_block(self) -> None:
        if self._block is None:
            return
        header, lines = self._block
        self._block = None
        if header.startswith(_NET_BLOCK):
            self.net_texts.append("\n".join(lines))
            return
        solver = SolverParameter()
        try:
            # Builds of Caffe have solver settings of their own: they are passed over.
            text_format.Parse("\n".join(lines), solver, allow_unknown_field=True)
        except text_format.ParseError:
            return
        self.solver = solver
        self.net_texts.clear()
        self.finished, self.stopped, self.fatal = False, False, None


class _Clock:
    """Seconds since the first time stamp, over midnight, New Year and leap days, though most stamps have no year."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._date: date | None = None
        self._days = 0

    def seconds(self, year: int | None, month_day: tuple[int, int], time_of_day: float) -> float:
        with contextlib.suppress(ValueError):  # no such day: a damaged line, taken for one of the day before it
            today = date(year or _SOME_LEAP_YEAR, *month_day)
            self._days += 0 if self._date is None else _days_between(self._date, today)
            self._date = today
        moment = 86400.0 * self._days + time_of_day
        if self._first is None:
            self._first = moment
        return moment - self._first


def _days_between(earlier: date, later: date) -> int:
    """Days from one stamp to the next; a few may be negative, since threads log in no strict order."""
    days = (later - earlier).days
    if _SOME_LEAP_YEAR not in (earlier.year, later.year):
        return days
    # Without a year: the nearest day of that name, and 29 February happened only if it was logged.
    names = ((earlier.month, earlier.day), (later.month, later.day))
    if sorted(names) == [(2, 28), (3, 1)]:
        return 1 if days > 0 else -1
    return (days + 183) % 366 - 183


def read_log(path: Path) -> CaffeLog:
    """Read a training log, whole or as far as it is written.

    Raises:
        ResultsError: it cannot be read, or it is no training log of Caffe.
    """
    log = CaffeLog()
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in iter(lambda: file.readline(LONGEST_LINE), ""):
                log.feed(line)
    except OSError as error:
        raise ResultsError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if log.solver is None and not log.displays and not log.tests and not log.fatal:
        raise ResultsError(
            "is no training log of Caffe", where=str(path), remedy="give what `caffe train` wrote to standard error"
        )
    return log


def _number(text: str) -> float:
    try:
        return float(text)  # takes -nan, too
    except ValueError:
        return math.nan
