"""The lines of a log that glog wrote: time stamps, and what other programs put before each line.

glog writes ``I1123 00:00:32.905730  5712 solver.cpp:239] Iteration 10, ...``: severity, month and day (some builds put
the year before them), time of day, thread, place, message.
"""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import NamedTuple

_SOME_LEAP_YEAR = 4  # stands for the year where a stamp has none
_GLOG = re.compile(r"([IWEF])(\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d+)?) +\d+ ([^\]]*)\] ?(.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Entry(NamedTuple):
    """A line with a time stamp.

    Attributes:
        seconds: from the first such line.
        size: characters of the line, from its stamp to its line end.
    """

    severity: str
    seconds: float
    place: str
    message: str
    size: int


class LineReader:
    """Reads the lines of one log in their order.

    ``mpirun``, containers and terminals put a rank, a time or colours before each line. What stands before a stamp is
    taken off the lines without a stamp that follow, whatever its numbers are.
    """

    def __init__(self) -> None:
        self._clock = _Clock()
        self._before = ""
        self._prefix: re.Pattern[str] | None = None

    def read(self, line: str) -> Entry | str:
        """The entry of a line with a stamp; the text of any other, without its prefix and line end."""
        line = line.rstrip("\r\n")
        if "\x1b" in line:
            line = _COLOUR.sub("", line)
        match = _GLOG.search(line)
        if match is None:
            prefix = self._prefix.match(line) if self._prefix else None
            return line[prefix.end() :] if prefix else line
        before = line[: match.start()]
        if before != self._before:
            self._before = before
            self._prefix = re.compile(re.sub(r"\d+", r"\\d+", re.escape(before))) if before else None
        severity, year, month, day, hour, minute, second, place, message = match.groups()
        clock_time = 3600 * int(hour) + 60 * int(minute) + float(second)
        seconds = self._clock.seconds(int(year) if year else None, (int(month), int(day)), clock_time)
        return Entry(severity, seconds, place, message, len(line) - match.start() + 1)


class _Clock:
    """Seconds since the first time stamp, over midnight, New Year and leap days, though most stamps have no year."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._stamp: tuple[int | None, tuple[int, int]] | None = None
        self._date: date | None = None
        self._days = 0

    def seconds(self, year: int | None, month_day: tuple[int, int], time_of_day: float) -> float:
        if (year, month_day) != self._stamp:
            self._stamp = (year, month_day)
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
