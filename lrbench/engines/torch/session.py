"""A PyTorch session: one run in a child process, which trains it as Caffe would."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pydantic import TypeAdapter

from lrbench.data import Prepared
from lrbench.engines.base import Job
from lrbench.engines.bound import bind
from lrbench.engines.process.client import WorkerClient
from lrbench.engines.process.session import ProcessSession
from lrbench.nets import write_message
from lrbench.storage import put_in_place

NET, LOG_NAME = "net.prototxt", "torch.log"
STAGING = "snapshots/staging"


class TorchSession(ProcessSession):
    """One net, its solver and its data in a worker process."""

    def __init__(self, job: Job) -> None:
        bound = bind(job)
        write_message(job.folder / NET, bound.net)
        self._staging = job.folder / STAGING
        shutil.rmtree(self._staging, ignore_errors=True)
        super().__init__(job, bound, _start(job))
        try:
            self._worker.ask(
                "open", net=NET, solver=job.solver.model_dump(exclude_unset=True), seed=job.seed,
                data=TypeAdapter(Prepared).dump_python(job.data, mode="json"),
                batch_size=job.batch_size, test_batch_size=job.test_batch_size, threads=job.threads,
                loss=bound.train_loss,
                device=f"cuda:{job.device_id}" if job.engine.device == "gpu" else "cpu")
        except BaseException:
            self._worker.close()
            raise

    def save(self, folder: Path) -> None:
        """The worker writes its files beside, and they are put in place together."""
        self._staging.mkdir(parents=True)
        self._worker.ask("save", folder=STAGING)
        put_in_place(self._staging, folder)

    def restore(self, folder: Path, evaluations: int) -> None:
        """Weights, solver state, iteration and the state of the generator that Dropout draws from."""
        self._worker.ask("restore", folder=str(folder.resolve()))

    def close(self) -> None:
        """Kill the worker and remove what a snapshot in the making may have left."""
        super().close()
        shutil.rmtree(self._staging, ignore_errors=True)


def _start(job: Job) -> WorkerClient:
    # glibc gives large blocks back to the system and takes them anew, page by page, at each iteration, unless told.
    keep = ["MALLOC_MMAP_MAX_=0", f"MALLOC_TRIM_THRESHOLD_={2**63 - 1}", f"MALLOC_TOP_PAD_={64 << 20}"]
    counts = [f"{name}={job.threads}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]
    python = [sys.executable, "-m", "lrbench.engines.torch.worker"]
    command = ["setpriv", "--pdeathsig", "KILL", "env", *keep, *counts, *python]
    return WorkerClient("PyTorch", command, job.folder / LOG_NAME)
