"""Executors by name: LRBench's own and those of other packages, and how many sessions they suggest."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints

import psutil
import pytest
from factories.fake_engine import FakeEngine

from lrbench.engines.site import Site
from lrbench.errors import UsageError
from lrbench.executors import registry
from lrbench.executors.local import SESSION_BYTES, LocalExecutor
from lrbench.executors.registry import open_executor
from lrbench.executors.setup import sessions_at_once
from lrbench.spec.reading import read_experiment

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 20, test_interval: 10}
solver: SGD
policies: [FIX(k0=0.01)]
"""


class Elsewhere(LocalExecutor):
    """An executor of another package."""

    def __init__(self, address, make_site):
        self.name = f"elsewhere at {address}"


def no_site(consent) -> Site:
    raise AssertionError


@pytest.fixture
def experiment(tmp_path):
    def read(text=""):
        (tmp_path / "spec.yaml").write_text(SPEC + text)
        return read_experiment(tmp_path / "spec.yaml")

    return read


def test_executors_are_found_by_name(monkeypatch):
    assert isinstance(open_executor("local", no_site), LocalExecutor)
    entries = EntryPoints([EntryPoint("elsewhere", f"{__name__}:Elsewhere", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: entries.select(**wanted))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Elsewhere.__module__])
    assert open_executor("elsewhere://host:1", no_site).name == "elsewhere at host:1"
    with pytest.raises(
        UsageError, match=r"^--executor is loca, but there is no executor 'loca'; did you mean local\?$"
    ):
        open_executor("loca", no_site)


def test_the_local_one_takes_no_address():
    with pytest.raises(UsageError, match=r"--executor is local://x, but local takes no address; remove it"):
        open_executor("local://x", no_site)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"needs Ray, which is not installed; type: pip install 'lrbench\[ray\]'"):
        open_executor("ray", no_site)


@pytest.mark.parametrize(
    ("cores", "free", "threads", "jobs"), [(8, 64, 1, 8), (8, 64, 3, 2), (8, 2, 1, 2), (2, 64, 4, 1), (4, 0, 1, 1)]
)
def test_as_many_sessions_as_cores_and_memory_allow(monkeypatch, experiment, cores, free, threads, jobs):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)))
    memory = psutil.virtual_memory()._replace(available=free * SESSION_BYTES)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert LocalExecutor().suggest_jobs(experiment(), threads)[0] == jobs
    gpus = experiment("engine: {name: torch, device: gpu, device_ids: [0, 2]}\n")
    assert LocalExecutor().suggest_jobs(gpus, threads) == (2, "one a GPU")


@pytest.mark.parametrize(
    ("text", "jobs"),
    [("", 4), ("stopping: {max_train_seconds: 5}\n", 1)],
)
def test_one_session_where_seconds_decide(monkeypatch, experiment, text, jobs):
    monkeypatch.setattr(LocalExecutor, "suggest_jobs", lambda self, experiment, threads: (4, "4 cores"))
    said: list[str] = []
    found = sessions_at_once(experiment(text), FakeEngine(), LocalExecutor(), None, 1, said.append)
    assert found == jobs
    why = "4 cores" if jobs == 4 else "judged by seconds"
    assert said == [f"sessions at a time: {jobs} ({why}), with 1 BLAS thread each; -j sets another number"]
    assert sessions_at_once(experiment(text), FakeEngine(), LocalExecutor(), 3, 1, said.append) == 3
    assert len(said) == 1
    lanes = experiment("engine: {name: torch, lanes: 3}\n")
    counts = [
        sessions_at_once(lanes, FakeEngine(), LocalExecutor(), None, 1, said.append, runs) for runs in (2, 6, 100)
    ]
    assert counts == [1, 2, 4]
    assert said[1].startswith("sessions at a time: 1 (2 runs in 3 lanes), ")
