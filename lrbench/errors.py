"""Every error that a user can cause, each a class with the exit code it ends the program with.

A message says what was received, where, the rule it breaks and the remedy, in one line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrbench.urls import hide_secrets

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 2000
NO_MEMORY = "not enough memory; free some, raise the limit (ulimit -v), or give less at a time"


def plain(text: str) -> str:
    """One line, of ``LONGEST`` characters at most, that cannot steer a terminal, whoever wrote the text.

    Control characters are left out, as are those that turn the direction of writing or join invisibly.
    """
    one_line = " ".join(text[:LONGEST].split())
    if one_line.isprintable():
        return one_line
    return "".join(character for character in one_line if character.isprintable())


def path_text(path: Path) -> str:
    """Return the path as text that can be encoded, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="replace")


def printable_json(content: bytes) -> bytes:
    """Escape every character of a JSON text that could steer a terminal, such as ``\\u009b``.

    JSON's own rules escape only the first 32 characters.
    """
    if content.isascii() and b"\x7f" not in content:
        return content
    import unicodedata  # only here, as every command loads this module

    def escaped(match: re.Match[str]) -> str:
        if unicodedata.category(match[0])[0] != "C":
            return match[0]
        units = match[0].encode("utf-16-be")
        return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))

    return re.sub(r"[^\n -~]", escaped, content.decode()).encode()


class LRBenchError(Exception):
    """Something went wrong that the user should read about in one line.

    Args:
        message: what was received and the rule it breaks.
        where: the place, such as ``spec.yaml:12`` or ``lenet.prototxt: layer "conv1"``.
        remedy: what to do about it.

    All three may quote anybody's text, such as a layer's name: they are kept as ``plain`` gives them. The URLs of the
    first two are kept without user, password and settings.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.message = hide_secrets(plain(message))
        self.where = None if where is None else hide_secrets(plain(where))
        self.remedy = None if remedy is None else plain(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.remedy}" if self.remedy else text

    def at(self, where: str) -> LRBenchError:
        """Return the error with its place, or with that place put before the one it has."""
        placed = f"{where}: {self.where}" if self.where else where
        return type(self)(self.message, where=placed, remedy=self.remedy)


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put a place before the one that any LRBenchError raised inside has."""
    try:
        yield
    except LRBenchError as error:
        raise error.at(where) from None


class UsageError(LRBenchError):
    """Bad input: an argument, a file or a setting of the user's."""

    exit_code = 2


class PolicyError(UsageError):
    """A policy that does not parse, or has an impossible value."""


class SpecError(UsageError):
    """An experiment spec that does not say what to run."""


class DataError(UsageError):
    """A data set that is absent, cut short, altered or does not fit."""


class NetError(UsageError):
    """A net that is missing, malformed or lacks what training needs."""


class ResultsError(UsageError):
    """A results folder that cannot be read or written."""


class DatabaseError(UsageError):
    """A policy database that cannot be reached, read or written, or is of another version."""


class EngineUnavailable(UsageError):
    """The engine that the spec asks for is absent or broken on this machine."""


class EngineFailed(LRBenchError):
    """The engine died or refused while it trained: that run has failed."""


class Interrupted(LRBenchError):
    """The user, or the batch system, asked to stop."""

    exit_code = 130


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``did you mean A or B?`` with the known names nearest to an unknown one, whatever its case; else empty."""
    from difflib import get_close_matches

    by_case = {candidate.lower(): candidate for candidate in known}
    wanted = str(name).lower()
    cutoff = 0.6 if len(wanted) > 2 else 0.5  # k0 is near to ko, though half of it is wrong
    near = [wanted] if wanted in by_case else get_close_matches(wanted, by_case, n=3, cutoff=cutoff)
    if len(wanted) > 3:
        near += [candidate for candidate in by_case if candidate.startswith(wanted) and candidate not in near]
    return f"did you mean {' or '.join(by_case[match] for match in near[:3])}?" if near else ""
