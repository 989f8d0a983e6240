"""PyTorch as an engine: reads the same nets, solvers, data and specs as Caffe, and is held to it by tests."""

from __future__ import annotations

import importlib.util
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lrbench.engines.base import Engine, Job, Session, Timing
from lrbench.errors import EngineUnavailable, SpecError


@dataclass(frozen=True)
class TorchEngine(Engine):
    """Sessions in processes of the Python that LRBench runs in."""

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

        from lrbench.engines.bound import bind
        from lrbench.engines.torch.model import Model

        if job.engine.driver != "stepping":
            raise SpecError(f"the engine torch has no driver {job.engine.driver!r}", remedy="leave engine.driver out")
        if job.engine.device == "gpu" and job.device_id >= torch.cuda.device_count():
            raise EngineUnavailable(f"PyTorch sees {torch.cuda.device_count()} GPUs, so none of number {job.device_id}",
                                    remedy="set engine.device to cpu, or engine.device_ids")
        Model.of(bind(job).net, job.data, (job.batch_size, job.test_batch_size))

    def time(self, job: Job) -> Timing:
        """Start a worker and let it run a few forward and backward passes."""
        from lrbench.engines.torch.session import TorchSession

        started = time.perf_counter()
        session = TorchSession(job)
        try:
            return session.time(time.perf_counter() - started)
        finally:
            session.close()

    def open(self, job: Job) -> Session:
        """Start a worker."""
        from lrbench.engines.torch.session import TorchSession

        return TorchSession(job)
