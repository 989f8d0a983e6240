"""Bundles on a worker: the training loop runs there, with run directories that need not outlive the worker."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lrbench.engines.base import Engine
from lrbench.executors.bundles import Bundled, BundledResult
from lrbench.executors.ray.transfer import Changes, Files, FolderChanges, apply_changes
from lrbench.runner import Observer, Training
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.files import EVALUATIONS
from lrbench.runs.status import Status
from lrbench.storage import atomic_write

MOST_BYTES = 16 << 20
LONGEST_SECONDS = 5.0
"""Duration after which a bundle ends, and a run of it that has an evaluation more is given up."""


@dataclass
class _Content:
    status: Status = field(default_factory=lambda: Status("pending"))
    facts: Mapping[str, Any] = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)


@dataclass(frozen=True)
class BriefDirectory(RunDirectory):
    """Run directory of a worker: only what engines write and snapshots are on its disk, and nothing waits for that."""

    content: _Content = field(default_factory=_Content)

    def status(self) -> Status:
        return self.content.status

    def write_status(self, status: Status) -> None:
        self.content.status = status

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.content.facts

    def note(self, facts: Mapping[str, Any]) -> None:
        self.content.facts = facts

    def evaluations(self) -> list[Evaluation]:
        return list(self.content.evaluations)

    def append(self, evaluation: Evaluation) -> None:
        self.content.evaluations.append(evaluation)

    def keep(self, evaluations: Sequence[Evaluation]) -> None:
        self.content.evaluations = list(evaluations)

    @contextmanager
    def new_snapshot(self, iteration: int) -> Iterator[Path]:
        yield self.snapshot(iteration)

    def _delete(self, snapshots: list[Path]) -> None:
        for path in snapshots:
            shutil.rmtree(path)


@dataclass(frozen=True)
class Returned(BundledResult):
    """Result of a run of a bundle as a worker sends it.

    Attributes:
        snapshots: by iteration.
    """

    status: Status
    evaluations: Sequence[Evaluation]
    notices: Sequence[str]
    facts: Mapping[str, Any]
    changes: Changes
    snapshots: Mapping[int, Files]
    seconds: float

    @property
    def size(self) -> int:
        """Number of bytes of the files."""
        saved = sum(sum(files.sizes.values()) for files in self.snapshots.values())
        return saved + sum(len(content) for _, content in self.changes.values())

    def write(self, directory: RunDirectory) -> None:
        if self.facts:
            directory.note(self.facts)
        apply_changes(self.changes, directory.path)
        for iteration, files in self.snapshots.items():
            with directory.new_snapshot(iteration) as folder:
                files.write(folder, _absent)
        lines = b"".join(evaluation.line() for evaluation in self.evaluations)
        atomic_write(directory.path / EVALUATIONS, lines, sync_name=False)  # the status syncs its name
        directory.write_status(self.status)


def _absent(file: str, offset: int, count: int) -> bytes:
    raise AssertionError(f"{file} is to be read at {offset}, but it came with the bundle")


def train_runs(engine: Engine[Any], runs: Sequence[Bundled], folder: Path) -> list[Returned | None]:
    """Train runs in a folder of this machine, one after the other.

    Returns:
        The results of the first runs, None for one that fails. It ends where that takes too long or grows too large.
    """
    returned: list[Returned | None] = []
    ends = time.monotonic() + LONGEST_SECONDS
    size = 0
    for number, run in enumerate(runs):
        result = _train(engine, run, folder / str(number), ends)
        if result == "too much":
            break
        returned.append(result)
        size += 0 if result is None else result.size
        if size > MOST_BYTES or time.monotonic() > ends:
            break
    return returned


def _train(engine: Engine[Any], run: Bundled, folder: Path, ends: float) -> Returned | Literal["too much"] | None:
    """Train a run; None where it fails, "too much" where it takes too long or a snapshot is too large to be sent so."""
    begun = time.monotonic()
    notices: list[str] = []
    directory = BriefDirectory(folder)
    folder.mkdir()
    training = Training(
        engine,
        replace(run.job, folder=folder, on_notice=notices.append),
        directory,
        run.rules,
        Observer(),
        threading.Event(),
        pause=lambda evaluations: "the bundle takes too long" if time.monotonic() > ends else None,
    )
    status = training.run()
    snapshots = {iteration: Files.of(path) for iteration, path in directory.snapshots()}
    changes, found = FolderChanges(folder).of_all(), directory.content
    shutil.rmtree(folder)
    if status.status == "failed":
        return None
    if not status.done or not all(files.contents for files in snapshots.values()):
        return "too much"
    seconds = time.monotonic() - begun
    return Returned(status, found.evaluations, notices, found.facts, changes, snapshots, seconds)
