"""LRBench's end of the pipes: starts the child, sends requests, reads answers, and says why it died."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.engines.base import TestOutputs
from lrbench.engines.process.exit_reason import OutOfMemory, WorkerDied, exit_error
from lrbench.errors import EngineFailed

CLOSE_SECONDS = 10


class WorkerClient:
    """One child process, which works in the folder of its log and appends to it.

    Args:
        name: what messages call it, such as "Caffe".
        command: the whole command; the child should die with this process.
        log: where its standard error goes.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self._name = name
        self._log_to(log)
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                cwd=log.parent,
                start_new_session=True,  # Ctrl-C in the terminal is for LRBench, which then ends its children
            )

    def _log_to(self, log: Path) -> None:
        self._log_path, self._log_start = log, log.stat().st_size if log.exists() else 0

    def move(self, folder: Path) -> None:
        """Go on in another folder, with a log of the same name there.

        Raises:
            As for ``ask``.
        """
        self._log_to(folder / self._log_path.name)
        self.ask("move", log=str(self._log_path.resolve()))

    def ask(
        self,
        operation: str,
        payload: bytes = b"",
        *,
        on_progress: Callable[[dict[str, Any]], None] = lambda event: None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Args:
            on_progress: receives what the worker tells meanwhile.

        Raises:
            WorkerDied: it did so, now or before.
            OutOfMemory: it died of that, or answered so.
            EngineFailed: it answered with an error.
        """
        request = {"op": operation, **arguments, "bytes": len(payload)}
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n" + payload)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._exit_error() from error
        while True:
            answer = self._read()
            if answer.get("event") != "progress":
                break
            on_progress(answer)
        if "error" in answer:
            kind = OutOfMemory if answer["out_of_memory"] else EngineFailed
            raise kind(
                f"{self._name} refused to {operation.replace('_', ' ')}: {answer['error']}", where=str(self._log_path)
            )
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._exit_error()
        answer: dict[str, Any] = json.loads(line)
        size = answer["bytes"]
        answer["bytes"] = self._process.stdout.read(size)
        if len(answer["bytes"]) != size:
            raise self._exit_error()
        return answer

    def evaluate(self, blobs: dict[str, str], batches: int) -> TestOutputs:
        """Run the test set; ``blobs`` names the probabilities, label, loss and perhaps scores blobs."""
        return read_outputs(self.ask("evaluate", batches=batches, blobs=blobs))

    @property
    def alive(self) -> bool:
        """Whether the worker has not ended."""
        return self._process.poll() is None

    def processes(self) -> list[int]:
        """The worker's number, from any thread, unless it is known to have ended."""
        return [self._process.pid] if self._process.returncode is None else []

    def kill(self) -> None:
        """End the worker at once, from any thread; a request under way fails."""
        self._process.kill()

    def close(self) -> None:
        """End the worker and give back its pipes."""
        self.kill()
        self._process.wait(timeout=CLOSE_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # unsent bytes for a dead worker

    def _exit_error(self) -> EngineFailed:
        try:
            status = self._process.wait(timeout=CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return WorkerDied(f"{self._name}'s process closed its pipes")
        return exit_error(self._name, self._log_path, self._log_start, status)


def read_outputs(answer: dict[str, Any]) -> TestOutputs:
    """Read the outputs from a worker's answer to ``evaluate``."""
    rows, columns = answer["rows"], answer["columns"]
    if answer["labels"] != rows:
        raise EngineFailed(
            f"the net gives {rows} rows of probabilities for {answer['labels']} labels; "
            "LRBench measures nets that classify each sample once"
        )
    probabilities, labels, scores = np.split(
        np.frombuffer(answer["bytes"], dtype="<f4"), [rows * columns, rows * (columns + 1)]
    )
    return TestOutputs(
        probabilities=probabilities.reshape(rows, columns),
        labels=labels.astype(np.int64),
        loss=answer["loss"],
        seconds=answer["seconds"],
        scores=scores.reshape(rows, columns) if len(scores) else None,
    )
