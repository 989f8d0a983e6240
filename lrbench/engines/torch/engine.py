"""PyTorch as an engine: reads the same nets, solvers, data and specs as Caffe, and is held to it by tests."""

from __future__ import annotations

import importlib.util
import json
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lrbench.engines.base import Engine, Job, Session, Timing
from lrbench.errors import EngineUnavailable, NetError, SpecError

if TYPE_CHECKING:
    from lrbench.engines.process.client import WorkerClient
    from lrbench.engines.torch.group import LanePool
    from lrbench.nets.caffe_pb2 import NetParameter


class TorchEngine(Engine):
    """Sessions in processes of the Python that LRBench runs in; one process trains several runs of a workload."""

    has_lanes = True
    isolated = True

    def __init__(self) -> None:
        self._pools: dict[tuple[int, int, int, bytes, str], LanePool] = {}
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """PyTorch's version, without loading it."""
        if importlib.util.find_spec("torch") is None:
            raise EngineUnavailable("PyTorch is not installed", remedy="type: pip install 'lrbench[torch]'")
        return {"name": "torch", "version": version("torch"), "python": platform.python_version()}

    def check(self, job: Job) -> None:
        """Refuse what only Caffe has, a GPU that is not there, and a net with layers that are not supported.

        Raises:
            EngineUnavailable, SpecError or NetError.
        """
        import torch

        from lrbench.engines.bound_net import bind
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

    def check_layers(self, net: NetParameter, where: str) -> None:
        """Refuse a layer type that this engine does not have."""
        from lrbench.engines.torch.net import check_layer_types

        try:
            check_layer_types(net)
        except NetError as error:
            raise error.at(where) from error

    def time(self, job: Job) -> Timing:
        """Start a worker and let it run a few rounds of the job's lanes."""
        started = time.perf_counter()
        with _worker(job) as worker:
            opened = time.perf_counter() - started
            answer = worker.ask("time", count=job.lanes, solver=job.solver.model_dump(exclude_unset=True))
        return Timing(opened, answer["iteration_seconds"], answer["test_batch_seconds"])

    def choose_lanes(self, job: Job, most: int) -> tuple[int, str]:
        """By trials of 1, 2, 4, ... lanes in a worker of their own."""
        from lrbench.engines.torch.lane_autotune import Trial, choose_lanes

        with _worker(job) as worker:

            def attempt(count: int) -> Trial:
                told = worker.ask("time", count=count, solver=job.solver.model_dump(exclude_unset=True))
                return Trial(count, told["iteration_seconds"], told["used_bytes"], told["free_bytes"])

            return choose_lanes(attempt, most)

    def open(self, job: Job) -> Session:
        """Add a lane to the worker of the job's session, which is started for the first."""
        from lrbench.engines.bound_net import bind
        from lrbench.engines.torch.group import LanePool
        from lrbench.engines.torch.session import TorchSession, opening, start_worker

        bound = bind(job)
        opened = opening(job, bound)
        net = bound.net.SerializeToString(deterministic=True)
        key = (job.device_id, job.session, job.lanes, net, json.dumps(opened))
        with self._lock:
            pool = self._pools.setdefault(key, LanePool(partial(start_worker, opened=opened), job.lanes))
        return TorchSession(job, bound, pool)


@contextmanager
def _worker(job: Job) -> Iterator[WorkerClient]:
    """A worker with nothing but the job's net and data."""
    from lrbench.engines.bound_net import bind
    from lrbench.engines.torch.session import NET, opening, start_worker
    from lrbench.nets import write_message

    bound = bind(job)
    write_message(job.folder / NET, bound.net)
    worker = start_worker(job.folder, opening(job, bound))
    try:
        yield worker
    finally:
        worker.close()
