"""An engine that trains nothing, for the runner's and the executor's own tests: exact, instant, and able to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import Engine, NetJob, Session, TestOutputs, Timing, TrainResult, Usage
from lrbench.errors import EngineFailed


class FakeSession(Session):
    """Its whole state is the sum of all rates so far; accuracy rises with it."""

    def __init__(self, job: NetJob, engine: FakeEngine) -> None:
        self.job, self.engine = job, engine
        self.resumable = engine.resumable
        self.iteration, self.total = 0, 0.0
        self.rates: list[float] = []
        self.aborted = threading.Event()

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        self.engine.before_train(self)
        if self.aborted.is_set():
            raise EngineFailed("aborted")
        bad = np.flatnonzero(rates > self.engine.diverges_above)
        done = int(bad[0]) + 1 if bad.size else len(rates)
        self.rates += rates[:done].tolist()
        self.engine.rates.setdefault(self.job.folder.name, []).extend(rates[:done].tolist())
        self.iteration += done
        self.total += float(rates[:done].sum())
        return TrainResult(done, float("nan") if bad.size else 1 / (1 + self.total), 0.5, not bad.size)

    def evaluate(self) -> TestOutputs:
        count = self.engine.samples or self.job.data.test_count
        right = min(count, round(count * self.total))
        labels = np.arange(count) % 2
        told = np.where(np.arange(count) < right, labels, 1 - labels)
        probabilities = np.where(told[:, None] == np.arange(2), 0.9, 0.1).astype(np.float32)
        return TestOutputs(probabilities, labels.astype(np.int64), 1 / (1 + self.total), 0.25)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps([self.iteration, self.total]))

    def restore(self, folder: Path, evaluations: int) -> None:
        self.iteration, self.total = json.loads((folder / "state.json").read_text())
        self.engine.restored.append((self.iteration, evaluations))

    def usage(self) -> Usage:
        return Usage(1.0, 1000)

    def abort(self) -> None:
        self.aborted.set()

    def close(self) -> None:
        self.engine.closed += 1


class FakeEngine(Engine[NetJob]):
    """Opens fake sessions; ``before_train`` may raise or wait."""

    isolated = True

    def __init__(
        self,
        before_train: Callable[[FakeSession], None] = lambda session: None,
        *,
        diverges_above: float = np.inf,
        resumable: bool = True,
        samples: int | None = None,
    ) -> None:
        self.before_train = before_train
        self.diverges_above = diverges_above
        self.resumable = resumable
        self.samples = samples
        """Number of test samples; None: those of the data set."""
        self.rates: dict[str, list[float]] = {}
        self.restored: list[tuple[int, int]] = []
        self.opened = self.closed = 0

    def describe(self) -> dict[str, Any]:
        return {"name": "fake", "version": "1"}

    def check(self, job: NetJob) -> None:
        """Takes anything."""

    def time(self, job: NetJob) -> Timing:
        return Timing(1.0, 0.1, 0.2)

    def open(self, job: NetJob) -> FakeSession:
        self.opened += 1
        return FakeSession(job, self)
