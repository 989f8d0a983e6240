"""PyTorch as an engine: reads the same nets, solvers, data and specs as Caffe, and is held to it by tests."""

from __future__ import annotations

import importlib.util
import json
import math
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from lrbench.data import Prepared
from lrbench.engines.base import Engine, NetJob, Session, TestOutputs, Timing, TrainResult, Usage
from lrbench.engines.bound_net import BoundNet, bind
from lrbench.engines.process.client import WorkerClient, read_outputs
from lrbench.engines.process.exit_reason import OutOfMemory
from lrbench.engines.torch.group import LanePool
from lrbench.errors import EngineUnavailable, NetError, SpecError
from lrbench.nets import NetParameter, write_message

NET, LOG_NAME = "net.prototxt", "torch.log"
CUBLAS = "CUBLAS_WORKSPACE_CONFIG=:4096:8"
"""Without it cuBLAS does not repeat itself, and PyTorch refuses it in deterministic mode."""

PoolKey = tuple[int, int, int, bytes, str]
"""The device and number of a session, its lanes, its net, and what its worker is opened with."""
LEAST_GAIN = 1.1
"""Twice the lanes have to make so many times the iterations a second, or they are not worth their memory.

A smaller step, to as many lanes as there are runs, has to gain as much for its size.
"""
SHARE_OF_MEMORY = 0.8
"""Share of the free memory that may be used."""


class TorchEngine(Engine[NetJob]):
    """Sessions in processes of the Python that LRBench runs in; one process trains several runs of a workload."""

    has_lanes = True
    isolated = True

    def __init__(self) -> None:
        self._pools: dict[PoolKey, LanePool] = {}
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """PyTorch's version, without loading it."""
        if importlib.util.find_spec("torch") is None:
            raise EngineUnavailable("PyTorch is not installed", remedy="type: pip install 'lrbench[torch]'")
        return {"name": "torch", "version": version("torch"), "python": platform.python_version()}

    def check(self, job: NetJob) -> None:
        """Refuse what only Caffe has, a GPU that is not there, and a net with layers that are not supported.

        Raises:
            EngineUnavailable, SpecError or NetError.
        """
        import torch

        from lrbench.engines.torch.session_inputs import Model

        if job.engine.driver != "stepping":
            raise SpecError(f"the engine torch has no driver {job.engine.driver!r}", remedy="leave engine.driver out")
        if job.engine.device == "gpu" and job.device_id >= torch.cuda.device_count():
            raise EngineUnavailable(
                f"PyTorch sees {torch.cuda.device_count()} GPUs, so none of number {job.device_id}",
                remedy="set engine.device to cpu, or engine.device_ids",
            )
        net = bind(job).net
        try:
            Model.of(net, job.data, (job.batch_size, job.test_batch_size))
        except NetError as error:
            raise error.at(job.net_where) from error

    def check_momentum(self, job: NetJob) -> None:
        """Do nothing: the momentum of each iteration is set whatever the solver and the device."""

    def check_layers(self, net: NetParameter, where: str) -> None:
        """Refuse a layer type that this engine does not have."""
        from lrbench.engines.torch.net import check_layer_types

        try:
            check_layer_types(net)
        except NetError as error:
            raise error.at(where) from error

    def time(self, job: NetJob) -> Timing:
        """Start a worker and let it run a few rounds of the job's lanes."""
        self._end_idle()
        started = time.perf_counter()
        with _worker(job) as worker:
            opened = time.perf_counter() - started
            answer = worker.ask("time", count=job.lanes, solver=job.solver.model_dump(exclude_unset=True))
        return Timing(opened, answer["iteration_seconds"], answer["test_batch_seconds"] * job.test_batches)

    def choose_lanes(self, job: NetJob, most: int) -> tuple[int, str]:
        """Try 1, 2, 4, ... lanes in a worker of their own."""
        self._end_idle()
        with _worker(job) as worker:

            def attempt(count: int) -> Trial:
                told = worker.ask("time", count=count, solver=job.solver.model_dump(exclude_unset=True))
                return Trial(count, told["iteration_seconds"], told["used_bytes"], told["free_bytes"])

            return choose_lanes(attempt, most)

    def open(self, job: NetJob) -> Session:
        """Add a lane to the worker of the job's session, which is started for the first."""
        bound = bind(job)
        opened = opening(job, bound)
        net = bound.net.SerializeToString(deterministic=True)
        key = (job.device_id, job.session, job.lanes, net, json.dumps(opened))
        self._end_idle(key)
        with self._lock:
            pool = self._pools.setdefault(key, LanePool(partial(start_worker, opened=opened), job.lanes))
        return TorchSession(job, bound, pool)

    def _end_idle(self, key: PoolKey | None = None) -> None:
        """End idle workers, which hold memory: all of them, or with a key those of its place for other workloads."""
        with self._lock:
            place = None if key is None else key[:2]
            idle = [pool for other, pool in self._pools.items() if place in (None, other[:2]) and other != key]
        for pool in idle:
            pool.end_idle()


class TorchSession(Session):
    """One lane of a worker process: a net and its solver, on data and a device that it may share with other runs.

    The wall time of its training is that of all lanes with which it is trained, the processor time its share of
    theirs, the memory that of the whole process.
    """

    def __init__(self, job: NetJob, bound: BoundNet, pool: LanePool) -> None:
        self._job, self._bound = job, bound
        write_message(job.folder / NET, bound.net)
        self._group, self._lane = pool.join(job)

    @property
    def shared(self) -> int:
        """Number of runs that the worker trains now."""
        return self._group.seats

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Train together with the other lanes, once all of them are ready to be trained."""
        return self._group.train(self._lane, rates)

    def evaluate(self) -> TestOutputs:
        """Run the whole test set in one request."""
        return read_outputs(
            self._group.ask("evaluate", self._lane, batches=self._job.test_batches, blobs=self._bound.test_blobs)
        )

    def save(self, folder: Path) -> None:
        """Have the worker write its files into the new folder."""
        folder.mkdir(parents=True)
        self._group.ask("save", self._lane, folder=str(folder.resolve()))

    def restore(self, folder: Path, evaluations: int) -> None:
        """Restore weights, solver state, iteration and the state of the generator that Dropout draws from."""
        self._group.ask("restore", self._lane, folder=str(folder.resolve()))

    def usage(self) -> Usage:
        """The lane's share of the worker's processor time, and the worker's memory."""
        answer = self._group.ask("usage", self._lane)
        return Usage(answer["cpu_seconds"], answer["peak_memory_bytes"])

    def processes(self) -> list[int]:
        """The worker's process number, while it lives."""
        return self._group.processes()

    def abort(self) -> None:
        """Kill the worker, and with it all lanes; a call under way raises EngineFailed."""
        self._group.abort()

    def close(self) -> None:
        """Leave the worker, which ends with its last lane."""
        self._group.remove(self._lane)


@contextmanager
def _worker(job: NetJob) -> Iterator[WorkerClient]:
    """A worker with nothing but the job's net and data."""
    bound = bind(job)
    write_message(job.folder / NET, bound.net)
    worker = start_worker(job.folder, opening(job, bound))
    try:
        yield worker
    finally:
        worker.close()


def opening(job: NetJob, bound: BoundNet) -> dict[str, Any]:
    """Arguments of the request that opens a worker: all that lanes have in common beside the net."""
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
    """Start a worker in a run's folder, which has its net there, and open it with what ``opening`` gave."""
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


@dataclass(frozen=True)
class Trial:
    """Measurement of a few rounds of some lanes: seconds a round; bytes used, and still free."""

    lanes: int
    round_seconds: float
    used_bytes: int
    free_bytes: int

    @property
    def speed(self) -> float:
        """Iterations per second of all lanes together."""
        return self.lanes / self.round_seconds


def choose_lanes(attempt: Callable[[int], Trial], most: int) -> tuple[int, str]:
    """Double the lanes as long as that pays and there is memory; gives their number, and why in a few words.

    Args:
        attempt: tries a number of lanes; may raise OutOfMemory for more than one.
        most: lanes that there are runs for.
    """
    best = attempt(1)
    budget = SHARE_OF_MEMORY * (best.used_bytes + best.free_bytes)
    lane_bytes = float(best.used_bytes)  # too much, as it holds the data, too; known better from two lanes on
    while best.lanes < most:
        count = min(2 * best.lanes, most)
        needed = best.used_bytes + (count - best.lanes) * lane_bytes
        if needed > budget:
            return best.lanes, f"{count} would need about {_size(needed)} of memory, and {_size(budget)} may be used"
        try:
            found = attempt(count)
        except OutOfMemory:
            return best.lanes, f"there is too little memory for {count}"
        gain = found.speed / best.speed
        if gain < LEAST_GAIN ** math.log2(count / best.lanes):
            return best.lanes, f"{count} would make {gain:.2f} times as many iterations a second"
        lane_bytes = (found.used_bytes - best.used_bytes) / (found.lanes - best.lanes)
        best = found
    return best.lanes, "there are no more runs" if most > 1 else "there is one run"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
