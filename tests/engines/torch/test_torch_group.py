"""Runs that share a worker process, each driven by the runner on a thread of its own: none waits in vain or is lost."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from factories.measured import measured
from factories.processes import children

from lrbench.engines.base import NetJob, Session
from lrbench.engines.torch.engine import TorchEngine
from lrbench.engines.torch.worker import out_of_memory
from lrbench.errors import EngineFailed
from lrbench.policies import parse_policy
from lrbench.runner import Observer, Training
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.stopping import StoppingRules

pytestmark = pytest.mark.usefixtures("warm_torch")
Evaluated = Callable[[Session, Evaluation], None]


class Lanes:
    """Runs jobs side by side on one engine, as the executor does; ``evaluated`` hears of every evaluation."""

    def __init__(
        self, evaluated: Evaluated = lambda session, row: None, opened: Callable[[Session], None] = lambda session: None
    ) -> None:
        self.engine, self.evaluated, self.opened = TorchEngine(), evaluated, opened
        self.sessions: dict[str, Session] = {}
        self.statuses: dict[str, Status] = {}

    def run(self, jobs: Sequence[NetJob]) -> list[Status]:
        threads = [threading.Thread(target=self._one, args=[job]) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(500)
            assert not thread.is_alive(), "a lane waits in vain"
        return [self.statuses[job.folder.name] for job in jobs]

    def _one(self, job: NetJob) -> None:
        name = job.folder.name

        def opened(session: Session[Any]) -> None:
            self.sessions[name] = session
            self.opened(session)

        observer = Observer(evaluated=lambda row: self.evaluated(self.sessions[name], row))
        directory = RunDirectory(job.folder)
        with directory.locked():
            training = Training(self.engine, job, directory, StoppingRules(), observer, threading.Event())
            self.statuses[name] = training.run(opened)


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def jobs(make_job, notices) -> Callable[..., list[NetJob]]:
    """Makes three jobs of one workload: other policies, seeds and solvers, and other lengths."""

    def make(prefix: str, lanes: int, **changes: Any) -> list[NetJob]:
        common = {"batch_size": 8, "lanes": lanes, "on_notice": notices.append, "test_interval": 10, **changes}
        return [
            make_job(f"{prefix}0", iterations=40, **common),
            make_job(f"{prefix}1", iterations=30, policy="TRI(k0=0.001, k1=0.02, l=7)", seed=1, **common),
            make_job(
                f"{prefix}2", iterations=25, solver={"type": "Adam", "momentum": 0.9}, policy="FIX(k0=0.001)", **common
            ),
        ]

    return make


@pytest.fixture(scope="module")
def found_alone() -> list[list[dict[str, Any]]]:
    return []


@pytest.fixture
def alone(jobs, found_alone: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """What each of them measures by itself; found out once."""
    if not found_alone:
        for job in jobs("alone", 1):
            assert Lanes().run([job]) == [Status("finished", job.iterations)]
            found_alone.append(measured(job.folder))
    return found_alone


def workers() -> list[psutil.Process]:
    return children(lambda child: "lrbench.engines.torch.worker" in child.cmdline())


def _wait_for_no_worker() -> None:
    deadline = time.monotonic() + 60
    while workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _ended():
    """Every worker ends soon after its last run, as does one that a test of another file has left."""
    _wait_for_no_worker()
    yield
    _wait_for_no_worker()


def test_a_worker_goes_on_with_the_next_run_which_measures_what_it_does_alone(jobs, alone):
    seen: set[tuple[int, ...]] = set()
    lanes = Lanes(lambda session, row: seen.add(tuple(session.processes())))
    for job, expected in zip(jobs("next", 1), alone, strict=True):
        assert lanes.run([job]) == [Status("finished", job.iterations)]
        assert measured(job.folder) == expected
        assert (job.folder / "torch.log").exists()
    assert len(seen) == 1


def test_a_worker_that_died_as_it_waited_is_replaced(jobs, alone):
    lanes = Lanes()
    first, second, _ = jobs("next", 1)
    lanes.run([first])
    (worker,) = workers()
    worker.kill()
    psutil.wait_procs([worker], 30)
    assert lanes.run([second]) == [Status("finished", second.iterations)]
    assert measured(second.folder) == alone[1]


def test_a_worker_ends_before_another_workload_comes_to_its_place(jobs, make_job):
    lanes = Lanes()
    lanes.run(jobs("a", 1)[:1])
    (first,) = workers()
    lanes.evaluated = lambda session, row: counted.append(len(workers()))
    counted: list[int] = []
    lanes.run(jobs("b", 1, batch_size=16)[:1])
    assert set(counted) == {1}
    assert not first.is_running()
    lanes.engine.time(jobs("c", 1)[0])
    assert workers() == []


def test_why_the_next_run_failed_stands_in_its_own_log(jobs):
    first, second, _ = jobs("next", 1)
    lanes = Lanes()
    lanes.run([first])
    lanes.evaluated = lambda session, row: os.kill(session.processes()[0], signal.SIGKILL)
    (status,) = lanes.run([second])
    assert status.reason == f"PyTorch was killed by SIGKILL; see {second.folder / 'torch.log'}"


def test_runs_of_other_lengths_share_one_worker_and_measure_what_they_do_alone(jobs, alone, notices):
    seen: set[tuple[int, ...]] = set()
    shared: list[int] = []

    def look(session: Session, evaluation: Evaluation) -> None:
        seen.add(tuple(session.processes()))
        shared.append(session.shared)

    together = jobs("together", 3)
    assert Lanes(look).run(together) == [Status("finished", job.iterations) for job in together]
    assert [measured(job.folder) for job in together] == alone
    assert len(seen) == 1
    assert (shared[0], shared[-1]) == (3, 1)
    assert notices == []


@pytest.mark.cold
def test_processor_time_is_shared_out(jobs):
    together = jobs("together", 3)
    lanes = Lanes()
    started: list[float] = []
    used: list[float] = []

    def so_far(session: Session) -> float:
        return float(sum(psutil.Process(session.processes()[0]).cpu_times()[:2]))

    lanes.opened = lambda session: started.append(so_far(session))
    lanes.evaluated = lambda session, row: used.append(so_far(session))
    lanes.run(together)
    charged = sum(RunDirectory(job.folder).evaluations()[-1].cpu_seconds for job in together)
    own = max(used) - min(started)
    assert 0.8 * own < charged < 1.2 * own


def test_a_diverging_lane_ends_alone(jobs, alone):
    together = jobs("together", 3)
    together[1] = replace(together[1], policy=parse_policy("FIX(k0=1e30)"))
    found = Lanes().run(together)
    assert [status.status for status in found] == ["finished", "diverged", "finished"], found
    assert [measured(together[number].folder) for number in (0, 2)] == [alone[0], alone[2]]


def test_a_killed_worker_costs_lanes_but_no_run(jobs, alone, notices):
    killed = threading.Event()

    def kill(session: Session, evaluation: Evaluation) -> None:
        if evaluation.iteration == 20 and not killed.is_set():
            killed.set()
            os.kill(session.processes()[0], signal.SIGKILL)

    together = jobs("together", 3)
    assert Lanes(kill).run(together) == [Status("finished", job.iterations) for job in together]
    assert [measured(job.folder) for job in together] == alone
    (notice,) = notices
    assert re.fullmatch(
        r"PyTorch was killed by SIGKILL; see \S+/together\d/torch.log; "
        "going on with 1 lane instead of 3",
        notice,
    )


@pytest.mark.cold
def test_too_little_memory_costs_lanes_but_no_run(jobs, notices):
    """The first worker's address space is capped before it needs memory for tests: its own allocator finds none."""
    limited = threading.Event()

    def limit(session: Session) -> None:
        if not limited.is_set():
            limited.set()
            (pid,) = session.processes()
            size = psutil.Process(pid).memory_info().vms
            resource.prlimit(pid, resource.RLIMIT_AS, (size, size))

    together = jobs("together", 3, test_batch_size=500)
    assert Lanes(opened=limit).run(together) == [Status("finished", job.iterations) for job in together]
    (notice,) = notices
    assert re.search("can't allocate memory|could not create a primitive", notice)  # PyTorch's words, and oneDNN's
    assert notice.endswith("going on with 1 lane instead of 3")


def test_what_pytorch_itself_raises_is_known_as_too_little_memory():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(raised.value)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_the_death_of_a_worker_with_one_lane_is_that_runs_failure(jobs, notices):
    (job, *_) = jobs("one", 3)

    def kill(session: Session, evaluation: Evaluation) -> None:
        os.kill(session.processes()[0], signal.SIGKILL)

    (status,) = Lanes(kill).run([job])
    assert status.status == "failed"
    assert "PyTorch was killed by SIGKILL" in (status.reason or "")
    assert notices == []


def test_what_the_worker_refuses_one_lane_leaves_the_others_as_they_are(jobs, alone, tmp_path):
    together = jobs("together", 3)
    spoilt = threading.Event()

    def spoil(session: Session, evaluation: Evaluation) -> None:
        if session is lanes.sessions["together1"] and not spoilt.is_set():
            spoilt.set()
            with pytest.raises(EngineFailed, match="refused to restore"):
                session.restore(tmp_path / "nowhere", 0)

    lanes = Lanes(spoil)
    assert [status.status for status in lanes.run(together)] == ["finished"] * 3
    assert spoilt.is_set()
    assert [measured(job.folder) for job in together] == alone


def test_more_runs_than_lanes_wait_for_room(jobs, alone):
    together = jobs("together", 2)
    shared: list[int] = []
    found = Lanes(lambda session, row: shared.append(session.shared)).run(together)
    assert [status.status for status in found] == ["finished"] * 3
    assert max(shared) == 2
    assert [measured(job.folder) for job in together] == alone


def test_an_abort_ends_all_lanes_and_those_that_wait_for_room(jobs, monkeypatch):
    waiting, threads = threading.Semaphore(0), []

    class Told(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread() in threads:
                waiting.release()
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Condition", Told)
    engine = TorchEngine()
    together = jobs("together", 2)
    first, second = (engine.open(job) for job in together[:2])
    raised: list[str] = []

    def train() -> None:
        with pytest.raises(EngineFailed) as error:
            second.train(np.full(10, 0.001))  # waits for the first, which never trains
        raised.append(str(error.value))

    def wait() -> None:
        with pytest.raises(EngineFailed) as error:
            engine.open(together[2])
        raised.append(str(error.value))

    threads += [threading.Thread(target=work) for work in (train, wait)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=300)
    first.abort()  # takes the lock that a thread gives back as it waits
    with pytest.raises(EngineFailed, match="SIGKILL"):
        first.train(np.full(10, 0.001))
    for thread in threads:
        thread.join(300)
    assert len(raised) == 2
    first.close()
    second.close()
    assert workers() == []


def test_other_workloads_have_workers_of_their_own(jobs, make_job):
    engine = TorchEngine()
    sessions = [engine.open(job) for job in (*jobs("a", 4)[:2], *jobs("b", 4, batch_size=16)[:1])]
    assert [session.shared for session in sessions] == [2, 2, 1]
    assert len(workers()) == 2
    for session in sessions:
        session.close()


def test_every_lane_has_its_net_and_the_log_is_in_the_folder_of_the_first(jobs, make_job):
    engine = TorchEngine()
    together = jobs("together", 3)
    sessions = [engine.open(job) for job in together]
    found = [sorted(path.name for path in job.folder.iterdir() if path.is_file()) for job in together]
    assert found == [["net.prototxt", "torch.log"], ["net.prototxt"], ["net.prototxt"]]
    for session in sessions:
        session.close()


def test_the_time_of_an_iteration_is_that_of_all_lanes(jobs):
    """Three take almost three times as long; a machine with other work may disturb a measurement, though not each."""
    engine = TorchEngine()

    def ratio(attempt: int) -> float:
        one, three = (engine.time(jobs(f"{attempt}-{lanes}", lanes)[0]).iteration_seconds for lanes in (1, 3))
        return three / one

    assert any(ratio(attempt) > 1.5 for attempt in range(3))
