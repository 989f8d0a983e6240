"""Caffe as an engine: two drivers behind one interface."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.data.order import in_order
from lrbench.data.store import release_dead_readers
from lrbench.engines.base import Engine, NetJob, Session, Timing
from lrbench.engines.bound_net import bind
from lrbench.engines.caffe.environment import CUDA_HINT, CaffeEnvironment, probe, probe_gpu
from lrbench.engines.caffe.native import NativeSession
from lrbench.engines.caffe.schedule import NATIVE_NAMES, native_schedule
from lrbench.engines.caffe.stepping import SteppingSession
from lrbench.errors import EngineUnavailable, SpecError
from lrbench.nets.caffe_pb2 import NetParameter
from lrbench.nets.refusals import unknown_type


@dataclass(frozen=True)
class CaffeEngine(Engine[NetJob]):
    """Sessions of the Caffe installed here.

    Attributes:
        environment: the Caffe that trains on the CPU.
        find_gpu_environment: finds the Caffe that trains on GPUs, once a run needs it; None takes ``environment``.
        data: the folder for LMDBs in the order of a seed; None: the folder of the run.
    """

    environment: CaffeEnvironment
    find_gpu_environment: Callable[[], CaffeEnvironment] | None = None
    data: Path | None = None
    isolated = True

    def _environment(self, job: NetJob) -> CaffeEnvironment:
        if job.engine.device == "gpu" and self.find_gpu_environment is not None:
            return self.find_gpu_environment()
        return self.environment

    def describe(self) -> dict[str, Any]:
        """Caffe's version and that of its Python."""
        info = probe(self.environment)
        return {"name": "caffe", "version": info.version, "python": info.python_version}

    def check(self, job: NetJob) -> None:
        """Refuse a GPU that this Caffe cannot use, policies that the driver cannot take, and a net that is not fit.

        Raises:
            EngineUnavailable, SpecError or NetError.
        """
        environment = self._environment(job)
        if job.engine.device == "gpu" and (found := probe_gpu(environment, job.device_id)) is not None:
            raise EngineUnavailable(
                f"Caffe cannot use GPU {job.device_id}: {found}", where=environment.origin, remedy=CUDA_HINT
            )
        if job.engine.driver == "native":
            self._check_native(job)
        if job.solver.momentum_policy is not None:
            self.check_momentum(job)
        self.check_layers(bind(job).net, job.net_where)

    def check_momentum(self, job: NetJob) -> None:
        """Refuse a momentum policy but for SGD on the CPU with the stepping driver, which has the updates to add it to.

        Raises:
            SpecError: Caffe's other solvers and ``caffe train`` keep the momentum they begin with.
        """
        engine, solver = job.engine, job.solver
        if solver.type != "SGD" or engine.driver != "stepping" or engine.device != "cpu":
            given = f"{solver.type}, {engine.driver} driver, {engine.device}"
            raise SpecError(
                f"the momentum is {solver.momentum}, which Caffe takes for SGD with the stepping driver on the CPU "
                f"alone, but this is {given}",
                remedy="set solver.momentum to a number, or train with torch",
            )

    def check_layers(self, net: NetParameter, where: str) -> None:
        """Refuse a layer type that this build of Caffe does not have."""
        known = probe(self.environment).layers
        for layer in net.layer:
            if layer.type not in known:
                raise unknown_type(layer, known).at(where)

    def _check_native(self, job: NetJob) -> None:
        environment = self._environment(job)
        if environment.tool is None:
            raise EngineUnavailable(
                "there is no `caffe` program beside this pycaffe",
                where=environment.origin,
                remedy="set engine.driver to stepping",
            )
        if job.policy.closed_loop:
            raise SpecError(
                f"{job.policy.text} reacts to evaluations, but `caffe train` takes a policy whole",
                remedy="set engine.driver to stepping, which takes any policy",
            )
        if native_schedule(job.policy, job.iterations) is None:
            raise SpecError(
                f"{job.policy.text} has no native form in Caffe, which knows {', '.join(NATIVE_NAMES)} (whole l, "
                "gamma >= 0, POLY over the whole run)",
                remedy="set engine.driver to stepping, which takes any policy",
            )

    def time(self, job: NetJob) -> Timing:
        """Start a worker and let it run a few forward and backward passes."""
        started = time.perf_counter()
        session = SteppingSession(job, self._environment(job))
        try:
            opened = time.perf_counter() - started
            return session.time(opened)
        finally:
            session.close()

    def _in_order(self, job: NetJob) -> NetJob:
        """Return the job with data that Caffe, which reads them in sequence, reads in the order that the job wants."""
        if job.order == "as stored":
            return job
        return replace(job, data=in_order(job.data, job.seed, self.data or job.folder, job.on_notice))

    def open(self, job: NetJob) -> Session:
        """Start the driver that the job asks for."""
        job = self._in_order(job)
        for folder in (job.data.train, job.data.test):
            release_dead_readers(folder)
        if job.engine.driver == "native":
            return NativeSession(job, self._environment(job))
        return SteppingSession(job, self._environment(job))
