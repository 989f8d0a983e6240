"""What sessions in child processes have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import Job, Progress, Session, TestOutputs, Timing, TrainResult, Usage
from lrbench.engines.bound_net import BoundNet
from lrbench.engines.process.client import WorkerClient

TIMED_PASSES = 5


class ProcessSession(Session):
    """A session whose worker answers ``train``, ``evaluate``, ``time`` and ``usage``."""

    def __init__(self, job: Job, bound: BoundNet, worker: WorkerClient) -> None:
        self._job, self._bound, self._worker = job, bound, worker

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """The whole stretch in one request; the worker sets the rate of each iteration."""
        answer = self._worker.ask("train", rates.astype("<f8").tobytes(), on_progress=self._tell)
        done = answer["iterations"]
        return TrainResult(done, answer["loss_sum"] / done, answer["seconds"], answer["finite"])

    def _tell(self, event: dict[str, Any]) -> None:
        self._job.on_progress(Progress(event["iteration"], event["loss"], event["rate"]))

    def evaluate(self) -> TestOutputs:
        """The whole test set in one request."""
        return self._worker.evaluate(self._bound.test_blobs, self._job.test_batches)

    def time(self, start_seconds: float) -> Timing:
        """A few passes, training nothing."""
        answer = self._worker.ask("time", repeat=TIMED_PASSES)
        return Timing(start_seconds, answer["iteration_seconds"], answer["test_batch_seconds"])

    def usage(self) -> Usage:
        """Of the worker."""
        return self._worker.usage()

    def processes(self) -> list[int]:
        """The worker."""
        return self._worker.processes()

    def abort(self) -> None:
        """Kill the worker; whatever waits for it hears of its end."""
        self._worker.kill()

    def close(self) -> None:
        """Kill the worker."""
        self._worker.close()
