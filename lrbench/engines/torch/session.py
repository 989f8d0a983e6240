"""A PyTorch session: one run, in a child process that trains it as Caffe would, beside others or alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from lrbench.data import Prepared
from lrbench.engines.base import Job, Session, TestOutputs, TrainResult, Usage
from lrbench.engines.bound_net import BoundNet
from lrbench.engines.process.client import WorkerClient, read_outputs
from lrbench.engines.torch.group import LanePool
from lrbench.nets import write_message

NET, LOG_NAME = "net.prototxt", "torch.log"
CUBLAS = "CUBLAS_WORKSPACE_CONFIG=:4096:8"
"""Without it cuBLAS does not repeat itself, and PyTorch refuses it in deterministic mode."""


class TorchSession(Session):
    """One lane of a worker process: a net and its solver, on data and a device that it may share with other runs.

    The wall time of its training is that of all lanes with which it is trained, the processor time its share of
    theirs, the memory that of the whole process.
    """

    def __init__(self, job: Job, bound: BoundNet, pool: LanePool) -> None:
        self._job, self._bound = job, bound
        write_message(job.folder / NET, bound.net)
        self._group, self._lane = pool.join(job)

    @property
    def shared(self) -> int:
        """How many runs the worker trains now."""
        return self._group.seats

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Together with the other lanes, once all of them are ready to be trained."""
        return self._group.train(self._lane, rates)

    def evaluate(self) -> TestOutputs:
        """The whole test set in one request."""
        return read_outputs(
            self._group.ask("evaluate", self._lane, batches=self._job.test_batches, blobs=self._bound.test_blobs)
        )

    def save(self, folder: Path) -> None:
        """The worker writes its files there."""
        folder.mkdir(parents=True)
        self._group.ask("save", self._lane, folder=str(folder.resolve()))

    def restore(self, folder: Path, evaluations: int) -> None:
        """Weights, solver state, iteration and the state of the generator that Dropout draws from."""
        self._group.ask("restore", self._lane, folder=str(folder.resolve()))

    def usage(self) -> Usage:
        """The lane's share of the worker's processor time, and the worker's memory."""
        answer = self._group.ask("usage", self._lane)
        return Usage(answer["cpu_seconds"], answer["peak_memory_bytes"])

    def processes(self) -> list[int]:
        """The worker."""
        return self._group.processes()

    def abort(self) -> None:
        """Kill the worker, and with it all lanes; whatever waits for it hears of its end."""
        self._group.abort()

    def close(self) -> None:
        """Leave the worker, which ends with its last lane."""
        self._group.remove(self._lane)


def opening(job: Job, bound: BoundNet) -> dict[str, Any]:
    """What a worker is told to open: all that lanes have in common beside the net."""
    return {
        "data": TypeAdapter(Prepared).dump_python(job.data, mode="json"),
        "batch_size": job.batch_size,
        "test_batch_size": job.test_batch_size,
        "threads": job.threads,
        "loss": bound.train_loss,
        "device": f"cuda:{job.device_id}" if job.engine.device == "gpu" else "cpu",
        "precision": job.engine.precision,
        "deterministic": job.engine.deterministic,
    }


def start_worker(folder: Path, opened: dict[str, Any]) -> WorkerClient:
    """A worker in a run's folder, which has its net there, with what ``opening`` gave."""
    # glibc gives large blocks back to the system and takes them anew, page by page, at each iteration, unless told;
    # and in huge pages, where it can (since 2.35), they take less time to reach.
    keep = [
        "MALLOC_MMAP_MAX_=0",
        f"MALLOC_TRIM_THRESHOLD_={2**63 - 1}",
        f"MALLOC_TOP_PAD_={64 << 20}",
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
    ]
    counts = [f"{name}={opened['threads']}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]
    python = [sys.executable, "-m", "lrbench.engines.torch.worker"]
    command = ["setpriv", "--pdeathsig", "KILL", "env", *keep, *counts, CUBLAS, *python]
    worker = WorkerClient("PyTorch", command, folder / LOG_NAME)
    try:
        worker.ask("open", net=NET, **opened)
    except BaseException:
        worker.close()
        raise
    return worker
