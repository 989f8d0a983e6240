"""Jobs for engines, small enough to train in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from lrbench import testing
from lrbench.data import Prepared
from lrbench.engines.base import NetJob
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.engines.caffe.environment import CaffeEnvironment
from lrbench.spec.sections import EngineSettings

MakeJob = Callable[..., NetJob]


@pytest.fixture(scope="session")
def caffe(caffe_environment: CaffeEnvironment) -> CaffeEngine:
    """Real Caffe."""
    return CaffeEngine(caffe_environment)


@pytest.fixture
def make_job(tmp_path: Path, digits: Prepared) -> MakeJob:
    """Makes a job of a thin LeNet on digits, 60 iterations at batch 32, in a folder of its own."""

    def make(
        name: str = "run",
        *,
        driver: Literal["stepping", "native"] = "stepping",
        solver: dict[str, Any] | None = None,
        **changes: Any,
    ) -> NetJob:
        solver = solver or {"type": "SGD", "momentum": 0.9}
        data = changes.pop("data", digits)
        return testing.make_job(tmp_path / name, data, solver, **{"engine": EngineSettings(driver=driver)} | changes)

    return make
