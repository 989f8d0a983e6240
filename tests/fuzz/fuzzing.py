"""Feeds mutated inputs to a target: each must be accepted, or refused in one line, in bounded time and memory."""

from __future__ import annotations

import random
import resource
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from fuzz.targets import Target

from lrbench.errors import LRBenchError

LEAST_ACCEPTED = 0.2
"""The share of inputs that a target has to accept: a mutation that nothing survives tests little."""
MEMORY_BYTES = 2 << 30
"""How far the process may grow while it reads one input."""


@dataclass
class Outcome:
    """What became of a target's inputs.

    Attributes:
        findings: for each kind of failure the first input that showed it, and how.
    """

    inputs: int = 0
    accepted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    findings: dict[str, tuple[Any, str]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of the inputs that were accepted."""
        return self.accepted / max(self.inputs, 1)


class TooSlow(Exception):
    """Reading an input took longer than it may."""


def feed(target: Target, folder: Path, rng: random.Random, outcome: Outcome, seconds: int) -> None:
    """Mutate one of the target's inputs, have it read within so many seconds, and note what became of it."""
    given = target.mutate(rng, rng.choice(target.seeds()))
    outcome.inputs += 1
    try:
        with _limited(seconds):
            target.read(given, folder)
        outcome.accepted += 1
    except LRBenchError as error:
        if error.exit_code != 2 or not _is_one_line(str(error)):
            _note(outcome, "not one line", given, f"exit code {error.exit_code}: {error!s}")
    except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.name}"
        _note(outcome, kind, given, "".join(traceback.format_exception(error)[-4:]))


def _is_one_line(text: str) -> bool:
    return 0 < len(text) < 6000 and text.isprintable()


def _note(outcome: Outcome, kind: str, given: Any, how: str) -> None:
    outcome.failures[kind] += 1
    outcome.findings.setdefault(kind, (given, how))


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def interrupt(_number: int, _frame: object) -> None:
        raise TooSlow(f"more than {seconds} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + MEMORY_BYTES
    previous = signal.signal(signal.SIGALRM, interrupt)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, before)
