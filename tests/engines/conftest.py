"""Jobs for engines, small enough to train in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.data import Prepared
from lrbench.engines.base import Job
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.engines.caffe.environment import CaffeEnvironment
from lrbench.nets import NetParameter, find_net, read_net
from lrbench.policies import parse_policy
from lrbench.spec.engine import EngineSettings
from lrbench.spec.model import SolverSettings

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def caffe(caffe_environment: CaffeEnvironment) -> CaffeEngine:
    """Real Caffe."""
    return CaffeEngine(caffe_environment)


@pytest.fixture
def make_job(tmp_path: Path, digits: Prepared, repository: Path) -> MakeJob:
    """Makes a job of LeNet on digits, 60 iterations at batch 32, in a folder of its own."""

    def make(
        name: str = "run",
        *,
        policy: str = "FIX(k0=0.01)",
        net: NetParameter | None = None,
        driver: str = "stepping",
        solver: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Job:
        folder = tmp_path / name
        (folder / "snapshots").mkdir(parents=True)
        settings: dict[str, Any] = {
            "net": net or read_net(find_net("lenet", repository)),
            "net_where": "net",
            "data": digits,
            "batch_size": 32,
            "test_batch_size": 100,
            "iterations": 60,
            "test_interval": 20,
            "display_interval": 1,
            "seed": 0,
            "solver": SolverSettings(**(solver or {"type": "SGD", "momentum": 0.9})),
            "policy": parse_policy(policy),
            "engine": EngineSettings(driver=driver),
            "folder": folder,
        }
        return Job(**(settings | changes))

    return make
