"""The stepping driver: a worker inside Caffe's own Python sets the rate of every iteration; any policy works."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from lrbench.engines.base import Job, Session, Stretch, TestOutputs, Timing, Usage
from lrbench.engines.caffe.environment import CaffeEnvironment
from lrbench.engines.caffe.files import bind, write_run_files
from lrbench.engines.caffe.solver import stepping_solver
from lrbench.engines.caffe.start import start_worker
from lrbench.errors import EngineFailed
from lrbench.nets import write_message
from lrbench.nets.caffe_pb2 import NetParameter, SolverState
from lrbench.storage import sync

STEPPING_SOLVER = "solver.stepping.prototxt"
INCOMING = "snapshots/incoming/net"
TIMED_PASSES = 5
FULL_BYTES = 1 << 20
WEIGHTS, STATE = "net.caffemodel", "net.solverstate"


class SteppingSession(Session):
    """One solver in one worker process."""

    def __init__(self, job: Job, environment: CaffeEnvironment) -> None:
        self._job = job
        self._bound = bind(job)
        write_run_files(job, self._bound)
        write_message(job.folder / STEPPING_SOLVER, stepping_solver(job, INCOMING))
        self._incoming = job.folder / INCOMING
        shutil.rmtree(self._incoming.parent, ignore_errors=True)
        self._incoming.parent.mkdir(parents=True)
        self._worker = start_worker(environment, job)
        try:
            self._worker.ask("open", solver=STEPPING_SOLVER, iter_size=job.solver.iter_size,
                             device=job.engine.device, device_id=job.device_id)
        except BaseException:
            self._worker.close()
            raise

    def train(self, rates: NDArray[np.float64]) -> Stretch:
        """One ``solver.step`` over all rates; the worker's callbacks set each."""
        answer = self._worker.ask("train", rates.astype("<f8").tobytes(), on_progress=self._job.on_progress)
        done = answer["iterations"]
        return Stretch(done, answer["loss_sum"] / done, answer["seconds"], answer["finite"])

    def evaluate(self) -> TestOutputs:
        """The test net shares the training net's weights."""
        return self._worker.evaluate(self._bound.test_blobs, self._job.test_batches)

    def save(self, folder: Path) -> None:
        """Caffe's snapshot, read back to be sure that it is whole, then moved to ``folder`` at once."""
        try:
            iteration = self._worker.ask("save")["iteration"]
        except EngineFailed as error:
            raise EngineFailed(f"{error}; it was writing a snapshot{self._free_space()}") from error
        weights = self._incoming.with_name(f"net_iter_{iteration}.caffemodel")
        state = self._incoming.with_name(f"net_iter_{iteration}.solverstate")
        try:
            NetParameter.FromString(weights.read_bytes())
            SolverState.FromString(state.read_bytes())
        except (OSError, DecodeError) as error:
            raise EngineFailed(f"Caffe's snapshot at iteration {iteration} is not whole ({error}){self._free_space()}",
                               where=str(self._job.folder)) from error
        staging = self._incoming.parent / "staging"
        staging.mkdir()
        for source, name in ((weights, WEIGHTS), (state, STATE)):
            sync(source)
            source.rename(staging / name)
        sync(staging)
        staging.rename(folder)
        sync(folder.parent)

    def _free_space(self) -> str:
        free = shutil.disk_usage(self._job.folder).free
        return f"; the disk is full ({free} bytes free)" if free < FULL_BYTES else ""

    def restore(self, folder: Path, evaluations: int) -> None:
        """Give Caffe the snapshot under the names it was written with, then replay what only memory held."""
        state = SolverState.FromString((folder / STATE).read_bytes())
        prefix = f"{self._incoming}_iter_{state.iter}"
        shutil.copyfile(folder / WEIGHTS, f"{prefix}.caffemodel")
        shutil.copyfile(folder / STATE, f"{prefix}.solverstate")
        random_test = self._bound.random_test_layers
        self._worker.ask(
            "restore", state=f"{INCOMING}_iter_{state.iter}.solverstate",
            replay_train=self._bound.replay_layers, replay_test=random_test,
            test_batches=evaluations * self._job.test_batches if random_test else 0,
        )
        for suffix in ("caffemodel", "solverstate"):
            Path(f"{prefix}.{suffix}").unlink()

    def time(self, start_seconds: float) -> Timing:
        """A few passes, training nothing."""
        answer = self._worker.ask("time", repeat=TIMED_PASSES)
        return Timing(start_seconds, answer["iteration_seconds"], answer["test_batch_seconds"])

    def usage(self) -> Usage:
        """Of the worker."""
        return self._worker.usage()

    def abort(self) -> None:
        """Kill the worker; whatever waits for it hears of its end."""
        self._worker.kill()

    def close(self) -> None:
        """Kill the worker and remove what a snapshot in the making may have left."""
        self._worker.close()
        shutil.rmtree(self._incoming.parent, ignore_errors=True)
        (self._job.folder / STEPPING_SOLVER).unlink(missing_ok=True)
