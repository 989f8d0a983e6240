"""The PyTorch worker: trains and tests one run in a process of its own, and knows nothing of policies or metrics."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from lrbench.data import Prepared
from lrbench.engines.process.server import Message, Reply, serve, usage
from lrbench.engines.torch.training import Source, Training
from lrbench.spec.model import SolverSettings

PROGRESS_SECONDS = 0.5


class Worker:
    """Answers requests about one training."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._training: Training | None = None

    @property
    def training(self) -> Training:
        """The training, once it is open."""
        if self._training is None:
            raise RuntimeError("nothing is open")
        return self._training

    def do_open(self, request: Message, _payload: bytes) -> Message:
        """Read net and data, and draw the initial weights."""
        torch.set_num_threads(request["threads"])
        torch.use_deterministic_algorithms(True, warn_only=True)
        data = TypeAdapter(Prepared).validate_python(request["data"])
        self._training = Training.open(
            Source(Path(request["net"]), (request["batch_size"], request["test_batch_size"]), request["loss"]), data,
            SolverSettings(**request["solver"]), request["seed"], torch.device(request["device"]))
        return {}

    def do_train(self, _request: Message, payload: bytes) -> Message:
        """One iteration for each float64 rate of the payload, up to the first loss that is not finite."""
        rates = np.frombuffer(payload, dtype="<f8")
        told = [time.monotonic()]

        def progress(loss: float, rate: float) -> None:
            if time.monotonic() - told[0] >= PROGRESS_SECONDS:
                told[0] = time.monotonic()
                self._reply({"event": "progress", "iteration": self.training.iteration, "loss": loss, "rate": rate})

        started = time.perf_counter()
        losses, finite = self.training.train(rates, progress)
        seconds = time.perf_counter() - started
        return {"iterations": len(losses), "loss_sum": float(losses.sum()), "seconds": seconds,
                "finite": finite}

    def do_evaluate(self, request: Message, _payload: bytes) -> Message:
        """Run the whole test set; probabilities and labels follow as float32 bytes."""
        started = time.perf_counter()
        probabilities, labels, loss = self.training.evaluate(request["batches"], request["blobs"])
        seconds = time.perf_counter() - started
        return {"rows": probabilities.shape[0], "columns": probabilities.shape[1], "labels": labels.shape[0],
                "loss": loss, "seconds": seconds,
                "bytes": probabilities.astype("<f4").tobytes() + labels.astype("<f4").tobytes()}

    def do_save(self, request: Message, _payload: bytes) -> Message:
        """Write all that a resumed run needs into a folder."""
        self.training.save(Path(request["folder"]))
        return {}

    def do_restore(self, request: Message, _payload: bytes) -> Message:
        """Go on from what ``save`` wrote."""
        self.training.restore(Path(request["folder"]))
        return {}

    def do_time(self, request: Message, _payload: bytes) -> Message:
        """Seconds of an iteration at rate 0 and of a test batch; the first iteration warms up."""
        repeat = request["repeat"]
        self.training.train(np.zeros(1), lambda loss, rate: None)
        started = time.perf_counter()
        self.training.train(np.zeros(repeat), lambda loss, rate: None)
        trained = time.perf_counter()
        self.training.run_tests(repeat)
        tested = time.perf_counter()
        return {"iteration_seconds": (trained - started) / repeat, "test_batch_seconds": (tested - trained) / repeat}

    def do_usage(self, _request: Message, _payload: bytes) -> Message:
        """Processor seconds and peak memory of this process so far."""
        found: dict[str, Any] = usage()
        return found


if __name__ == "__main__":
    serve(Worker)
