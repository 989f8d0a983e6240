"""Reads Caffe's training log, whether LRBench had it written or not.

What follows a line that ends in ``parameters:`` is a message in protobuf's text format, up to the next line with a time
stamp, or up to where glog cuts a message that is too long.
"""

from __future__ import annotations

import codecs
import io
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.engines.caffe.log_columns import Displays, Tests
from lrbench.engines.caffe.log_lines import LineReader
from lrbench.engines.caffe.log_sessions import Sessions, Snapshot
from lrbench.errors import ResultsError
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.text import merge_whole_fields
from lrbench.storage import open_regular

LONGEST_LINE = 1 << 16  # characters; a file without line ends must not fill the memory
LONGEST_BLOCK = 1 << 24  # bytes; a net of a thousand layers takes less than one million
LONGEST_MESSAGE = 29_999  # bytes, with its stamp and line end; glog cuts what is longer

_DISPLAY = re.compile(r"Iteration (\d{1,15})(?: \([^)]*\))?, loss = ([^\s,]+)")
_RATE = re.compile(r"Iteration (\d{1,15}), lr = ([^\s,]+)")
_TEST = re.compile(r"Iteration (\d{1,15}), Testing net(?: \(#(\d{1,9}))?")
_TEST_OUTPUT = re.compile(r" *Test net output #\d+: (.+?) = ([^\s,]+)")
_UNNAMED_SCORE = re.compile(r" *Test score #\d+: ")
_SNAPSHOT = re.compile(
    r"Snapshotting (?:solver state )?to (?:binary proto file |HDF5 file )?"
    r"(.+_iter_(\d{1,15})\.(?:caffemodel|solverstate)(?:\.h5)?)$"
)
_RESUMED = ("Resuming from", "Restoring previous solver status from", "SGDSolver: restoring history")
_STATE = re.compile(r"_iter_(\d{1,15})\.solverstate")
_SOLVER_BLOCK = "Initializing solver from parameters:"
_NET_BLOCK = "Initializing net from parameters:"


@dataclass
class _Block:
    """The lines of a message in protobuf's text format; ``size`` is in bytes, with the line before them."""

    of_solver: bool
    size: int
    lines: list[str] = field(default_factory=list)

    def append(self, line: str) -> None:
        if self.size < LONGEST_BLOCK:
            self.lines.append(line)
            self.size += len(line.encode()) + 1

    @property
    def cut(self) -> bool:
        """Whether glog cut the message, so that its last line may not be whole."""
        return self.size >= LONGEST_MESSAGE


class CaffeLog:
    """Parsed content of a training log, fed line by line as it grows.

    A log may hold several sessions of Caffe: a training that was resumed, or trainings one after the other. What it
    says of the last training counts; see :class:`~lrbench.engines.caffe.log_sessions.Sessions`.

    Attributes:
        solver: Caffe's resolved solver settings; None until they were logged.
        solver_whole: whether these are all of them; if not, a setting that is not there is unknown.
        net_texts: the nets as Caffe resolved them, in prototxt: the training net, then the test nets.
        nets_whole: whether these are the whole nets; glog cuts long ones.
        sessions: what was shown iteration by iteration; ``displays``, ``tests`` and ``snapshots`` are its lists, in the
            order of the log.
        finished: Caffe said "Optimization Done." and had not been asked to stop early.
        stopped: Caffe was asked to stop early, by a signal.
        fatal: the first fatal message and its place, None when there is none.
        unnamed_scores: whether outputs of a test net were logged by number alone, as Caffe did until 2014.
        lines: how many lines of glog there were.
    """

    def __init__(self) -> None:
        self.solver: SolverParameter | None = None
        self.solver_whole = True
        self.net_texts: list[str] = []
        self.nets_whole = True
        self.sessions = Sessions()
        self.displays: Displays = self.sessions.displays
        self.tests: Tests = self.sessions.tests
        self.snapshots: list[Snapshot] = self.sessions.snapshots
        self.finished = False
        self.stopped = False
        self.fatal: str | None = None
        self.unnamed_scores = False
        self.lines = 0
        self._reader = LineReader()
        self._block: _Block | None = None
        self._rate: tuple[int, float] | None = None

    @property
    def iteration(self) -> int:
        """Highest iteration that a display, test or snapshot shows; 0 without any."""
        shown = [int(self.displays.iterations.max())] if self.displays else []
        shown += [int(self.tests.iterations.max())] if self.tests else []
        return max(shown + [snapshot.iteration for snapshot in self.snapshots], default=0)

    def feed(self, line: str) -> None:
        """Take the next line, with or without its line end."""
        entry = self._reader.read(line)
        if isinstance(entry, str):
            if self._block is not None:
                self._block.append(entry)
            return
        self._end_block()
        self.lines += 1
        if entry.severity == "F":
            self.fatal = self.fatal or f"{entry.message} ({entry.place})"
        elif entry.message.startswith(("Iteration ", " ", "Test score")):
            self._take_numbers(entry.message, entry.seconds)
        elif entry.message.startswith((_SOLVER_BLOCK, _NET_BLOCK)):
            self._block = _Block(entry.message.startswith(_SOLVER_BLOCK), entry.size)
        else:
            self._take_event(entry.message, entry.seconds)

    def _take_event(self, message: str, clock: float) -> None:
        if message.startswith("Solving "):
            self.sessions.solve(clock)
        elif message.startswith("Optimization stopped early"):
            self.stopped = True
            self.sessions.announce()
        elif message.startswith("Optimization Done"):
            self.finished = not self.stopped
            self.sessions.announce()
        elif match := _SNAPSHOT.match(message):
            self.sessions.save(int(match[2]), match[1], clock)
        elif message.startswith(_RESUMED):
            state = _STATE.search(message)
            self.sessions.resume(int(state[1]) if state else None)

    def _take_numbers(self, message: str, clock: float) -> None:
        if match := _DISPLAY.match(message):
            self.finished, self.stopped = False, False
            iteration = int(match[1])
            rate = self._rate[1] if self._rate is not None and self._rate[0] == iteration else None
            self._rate = None
            self.displays.append(iteration, _number(match[2]), rate, self.sessions.show(iteration, clock))
        elif match := _RATE.match(message):
            # The rate of the display before it, or, in Caffe of 2014, of the one that follows.
            if not self.displays.rate_last(int(match[1]), _number(match[2])):
                self._rate = (int(match[1]), _number(match[2]))
        elif match := _TEST.match(message):
            self.finished, self.stopped = False, False
            seconds = self.sessions.show(int(match[1]), clock, testing=True)
            self.tests.append(int(match[1]), int(match[2] or 0), seconds)
        elif match := _TEST_OUTPUT.match(message):
            self.sessions.show_output(match[1], _number(match[2]), clock)
        elif _UNNAMED_SCORE.match(message):
            self.unnamed_scores = True

    def _end_block(self) -> None:
        if self._block is None:
            return
        block, self._block = self._block, None
        if not block.of_solver:
            self.net_texts.append("\n".join(block.lines))
            self.nets_whole = self.nets_whole and not block.cut
            return
        solver = SolverParameter()
        # Builds of Caffe have solver settings of their own: they are passed over.
        whole = merge_whole_fields("\n".join(block.lines[:-1] if block.cut else block.lines), solver)
        self.solver, self.solver_whole = solver if solver.ListFields() else None, whole and not block.cut
        self.net_texts.clear()
        self.nets_whole = True
        self.finished, self.stopped, self.fatal = False, False, None
        self.sessions.announce(fresh=True)


def read_log(path: Path) -> CaffeLog:
    """Read a training log, whole or as far as it is written.

    Raises:
        ResultsError: it cannot be read, or it is no training log of Caffe.
    """
    log = CaffeLog()
    try:
        with open_regular(path) as binary:
            file = io.TextIOWrapper(binary, encoding=_encoding(binary.peek(2)[:2]), errors="replace", newline="\n")
            for line in iter(lambda: file.readline(LONGEST_LINE), ""):
                log.feed(line)
    except OSError as error:
        raise ResultsError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if log.solver is None and not log.displays and not log.tests and not log.fatal:
        raise ResultsError(
            "is no training log of Caffe", where=str(path), remedy="give what `caffe train` wrote to standard error"
        )
    return log


def _encoding(start: bytes) -> str:
    """The encoding of a log that begins so; PowerShell writes UTF-16."""
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if b"\0" in start:
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def _number(text: str) -> float:
    try:
        return float(text)  # takes -nan, too
    except ValueError:
        return math.nan
