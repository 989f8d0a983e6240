"""The stepping driver: a worker inside Caffe's own Python sets the rate of every iteration; any policy works."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from lrbench.engines.base import NetJob, Progress, Session, TestOutputs, Timing, TrainResult, Usage
from lrbench.engines.bound_net import bind
from lrbench.engines.caffe.environment import CaffeEnvironment
from lrbench.engines.caffe.run_folder import start_worker, stepping_solver, write_run_files
from lrbench.errors import EngineFailed
from lrbench.nets import write_message
from lrbench.nets.caffe_pb2 import NetParameter, SolverState
from lrbench.storage import read_regular

STEPPING_SOLVER = "solver.stepping.prototxt"
INCOMING = "snapshots/incoming/net"
INCOMING_VELOCITY = "snapshots/incoming/velocity.npy"
FULL_BYTES = 1 << 20
TIMED_PASSES = 5
WEIGHTS, STATE, VELOCITY = "net.caffemodel", "net.solverstate", "velocity.npy"


class SteppingSession(Session):
    """One solver in one worker process; the test net shares the training net's weights."""

    def __init__(self, job: NetJob, environment: CaffeEnvironment) -> None:
        bound = bind(job)
        write_run_files(job, bound)
        write_message(job.folder / STEPPING_SOLVER, stepping_solver(job, INCOMING))
        self._incoming = job.folder / INCOMING
        shutil.rmtree(self._incoming.parent, ignore_errors=True)
        self._incoming.parent.mkdir(parents=True)
        self._job, self._bound, self._worker = job, bound, start_worker(environment, job)
        try:
            self._worker.ask(
                "open",
                job.momenta_bytes,
                solver=STEPPING_SOLVER,
                iter_size=job.solver.iter_size,
                loss=bound.train_loss,
                device=job.engine.device,
                device_id=job.device_id,
            )
        except BaseException:
            self._worker.close()
            raise

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Train in one request; the worker sets the rate of each iteration."""
        answer = self._worker.ask("train", rates.astype("<f8").tobytes(), on_progress=self._tell)
        done = answer["iterations"]
        return TrainResult(done, answer["loss_sum"] / done, answer["seconds"], answer["finite"])

    def _tell(self, event: dict[str, Any]) -> None:
        self._job.on_progress(Progress(event["iteration"], event["loss"], event["rate"]))

    def evaluate(self) -> TestOutputs:
        """Run the whole test set in one request."""
        return self._worker.evaluate(self._bound.test_blobs, self._job.test_batches)

    def time(self, start_seconds: float) -> Timing:
        """Time a few passes, training nothing."""
        answer = self._worker.ask("time", repeat=TIMED_PASSES)
        return Timing(start_seconds, answer["iteration_seconds"], answer["test_batch_seconds"] * self._job.test_batches)

    def usage(self) -> Usage:
        """Processor seconds and peak memory of the worker."""
        answer = self._worker.ask("usage")
        return Usage(answer["cpu_seconds"], answer["peak_memory_bytes"])

    def processes(self) -> list[int]:
        """The worker's process number, while it lives."""
        return self._worker.processes()

    def abort(self) -> None:
        """Kill the worker; a call under way raises EngineFailed."""
        self._worker.kill()

    def save(self, folder: Path) -> None:
        """Caffe's snapshot, read back to be sure that it is whole, then moved to ``folder``."""
        try:
            iteration = self._worker.ask("save", velocity=INCOMING_VELOCITY)["iteration"]
        except EngineFailed as error:
            raise EngineFailed(f"{error}; it was writing a snapshot{self._free_space(str(error))}") from error
        weights = self._incoming.with_name(f"net_iter_{iteration}.caffemodel")
        state = self._incoming.with_name(f"net_iter_{iteration}.solverstate")
        try:
            NetParameter.FromString(weights.read_bytes())
            SolverState.FromString(state.read_bytes())
        except (OSError, DecodeError) as error:
            raise EngineFailed(
                f"Caffe's snapshot at iteration {iteration} is not whole ({error}){self._free_space()}",
                where=str(self._job.folder),
            ) from error
        folder.mkdir(parents=True)
        weights.rename(folder / WEIGHTS)
        state.rename(folder / STATE)
        if self._job.solver.momentum_policy is not None:
            (self._job.folder / INCOMING_VELOCITY).rename(folder / VELOCITY)

    def _free_space(self, error: str = "") -> str:
        """Name a full disk as the reason; where Caffe could not write, other runs may have freed space since."""
        free = shutil.disk_usage(self._job.folder).free
        if free < FULL_BYTES:
            return f"; the disk is full ({free} bytes free)"
        return (
            f"; the disk is full or refused the write ({free} bytes free now)" if "SerializeToOstream" in error else ""
        )

    def restore(self, folder: Path, evaluations: int) -> None:
        """Give Caffe the snapshot under the names it was written with, then replay what only memory held."""
        state = SolverState.FromString(read_regular(folder / STATE))
        prefix = f"{self._incoming}_iter_{state.iter}"
        shutil.copyfile(folder / WEIGHTS, f"{prefix}.caffemodel")
        shutil.copyfile(folder / STATE, f"{prefix}.solverstate")
        self._worker.ask(
            "restore",
            state=f"{INCOMING}_iter_{state.iter}.solverstate",
            velocity=str((folder / VELOCITY).resolve()),
            replay=self._bound.replay_layers,
        )
        for suffix in ("caffemodel", "solverstate"):
            Path(f"{prefix}.{suffix}").unlink()

    def close(self) -> None:
        """Kill the worker and remove what a snapshot in the making may have left."""
        self._worker.close()
        shutil.rmtree(self._incoming.parent, ignore_errors=True)
        (self._job.folder / STEPPING_SOLVER).unlink(missing_ok=True)
