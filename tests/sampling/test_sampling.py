"""The sampler on real processes, on a GPU library that is made up, and around runs that end in every way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import job

from lrbench import sampling
from lrbench.errors import EngineFailed
from lrbench.runner import Observer, Training
from lrbench.runs.directory import RunDirectory
from lrbench.runs.usage import UsageLog, read_usage
from lrbench.sampling import LOOKS_PER_SEARCH, Nvml, Processes, UsageRecorder
from lrbench.stopping import StoppingRules

# Holds 100 MB; for each line that it reads it works for as many seconds of processor time, and answers.
CHILD = """
import sys, time
held = bytearray(100_000_000)
held[::4096] = b"x" * len(held[::4096])
print("ready", flush=True)
for line in sys.stdin:
    end = time.process_time() + float(line)
    while time.process_time() < end: pass
    print("done", flush=True)
"""


class Child:
    """A child process that works when told."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.told, self.says = self.process.stdin, self.process.stdout
        self.says.readline()

    shared = 1

    def processes(self):
        return [self.process.pid]

    def work(self, seconds):
        self.told.write(f"{seconds}\n")
        self.told.flush()
        assert self.says.readline() == "done\n"


@pytest.fixture
def child():
    """A Python that works."""
    started = Child([sys.executable, "-c", CHILD])
    yield started
    started.process.kill()
    started.process.communicate()


def processor_seconds(samples):
    """The time that the samples' shares come to."""
    starts = [0.0, *(sample.seconds for sample in samples)]
    return sum(
        sample.cpu_percent / 100 * (sample.seconds - start) for start, sample in zip(starts, samples, strict=False)
    )


def test_a_process_is_seen_with_what_it_uses(child, tmp_path):
    recorder = UsageRecorder(child, UsageLog(tmp_path / "usage.jsonl", resumed=False))
    for seconds in (0.4, 0.2):
        child.work(seconds)
        recorder.record()
    samples, problem = read_usage(tmp_path / "usage.jsonl")
    assert problem is None
    assert len(samples) == 2
    assert processor_seconds(samples) == pytest.approx(0.6, abs=0.05)
    for sample in samples:
        assert sample.memory_bytes is not None
        assert 100e6 < sample.memory_bytes < 200e6
        assert (sample.gpu_percent, sample.gpu_memory_bytes, sample.shared) == (None, None, 1)


def test_what_a_process_starts_is_counted_with_it(tmp_path):
    wrapped: Any = Child(["sh", "-c", '"$0" -c "$1"; exit 0', sys.executable, CHILD])
    recorder = UsageRecorder(wrapped, UsageLog(tmp_path / "usage.jsonl", resumed=False))
    wrapped.work(0.3)
    recorder.record()
    wrapped.told.close()
    wrapped.process.wait()
    (sample,) = read_usage(tmp_path / "usage.jsonl")[0]
    assert sample.memory_bytes is not None
    assert sample.memory_bytes > 100e6
    assert processor_seconds([sample]) == pytest.approx(0.3, abs=0.05)


def test_children_are_searched_for_now_and_then_alone(child, monkeypatch):
    searches = []

    def children(process, recursive):
        searches.append(recursive)
        return []

    monkeypatch.setattr("psutil.Process.children", children)
    processes = Processes()
    for _ in range(2 * LOOKS_PER_SEARCH):
        assert processes.look(child.processes())
    assert searches == [True, True]


def test_a_process_that_ended_leaves_no_sample_of_zero(child, tmp_path):
    recorder = UsageRecorder(child, UsageLog(tmp_path / "usage.jsonl", resumed=False))
    child.work(0.15)
    child.process.kill()
    child.process.stdout.read()  # it has ended, and nobody has collected it
    recorder.record()
    child.process.wait()
    recorder.record()
    assert not (tmp_path / "usage.jsonl").exists()


def test_the_thread_takes_less_than_half_a_percent_of_a_core(child, tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "SHORTEST_SECONDS", 0.0)
    recorder = UsageRecorder(child, UsageLog(tmp_path / "usage.jsonl", resumed=False))
    before = time.thread_time()
    for _ in range(120):  # two minutes' worth
        recorder.record()
    assert (time.thread_time() - before) / 120 < 0.005


class FakeNvml:
    """pynvml as far as it is used: two GPUs, of which the second gives no utilisation."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, driver=True):
        self.driver = driver

    def nvmlInit(self):
        if not self.driver:
            raise self.NVMLError

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, device):
        return [
            SimpleNamespace(pid=7, usedGpuMemory=1000 + device),
            SimpleNamespace(pid=8, usedGpuMemory=None),
            SimpleNamespace(pid=9, usedGpuMemory=5),
        ]

    def nvmlDeviceGetProcessUtilization(self, device, since):
        if device == 1:
            raise self.NVMLError
        found = [(7, 10, 20), (7, 20, 40), (8, 20, 5), (9, 20, 60)]
        return [SimpleNamespace(pid=pid, timeStamp=at, smUtil=share) for pid, at, share in found if at > since]


@pytest.mark.parametrize(
    ("pids", "first", "second"),
    [
        ({7}, (30.0, 2001), (None, 2001)),
        ({7, 8}, (35.0, 2001), (None, 2001)),
        ({8}, (5.0, None), (None, None)),
        ({1}, (None, None), (None, None)),
    ],
)
def test_what_the_gpu_library_lists_of_the_processes_and_null_for_the_rest(monkeypatch, pids, first, second):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    gpus = Nvml()
    assert gpus.look(pids) == first
    assert gpus.look(pids) == second  # no utilisation sample since


@pytest.mark.parametrize("library", [None, FakeNvml(driver=False)], ids=["no library", "no driver"])
def test_without_the_library_or_a_driver_nothing_is_known_of_gpus(monkeypatch, library):
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert Nvml().look({7}) == (None, None)


class WatchedSession(FakeSession):
    """A fake session that has a process: this one."""

    shared = 3

    def processes(self):
        import os

        return [os.getpid()]


class WatchedEngine(FakeEngine):
    def open(self, job):
        super().open(job)
        return WatchedSession(job, self)


def training(folder: Path, engine: FakeEngine) -> Training:
    return Training(engine, job(folder), RunDirectory(folder), StoppingRules(), Observer(), threading.Event())


def busy(session: FakeSession) -> None:
    """As much work as makes a sample."""
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        np.ones(1000).sum()


def test_a_run_has_its_samples_when_it_ends_and_a_resumed_one_goes_on(tmp_path):
    def fail(session):
        busy(session)
        if session.iteration == 10:
            raise EngineFailed("the machine went away")

    assert training(tmp_path, WatchedEngine(fail)).run().status == "failed"
    (before,) = read_usage(tmp_path / "usage.jsonl")[0]
    assert before.shared == 3
    assert before.memory_bytes is not None
    assert before.memory_bytes > 10e6
    assert training(tmp_path, WatchedEngine(busy)).run().status == "finished"
    first, second = read_usage(tmp_path / "usage.jsonl")[0]
    assert first == before
    assert second.seconds > before.seconds + 0.1


def test_a_run_that_starts_over_has_the_samples_of_its_last_start_alone(tmp_path):
    calls = iter(range(100))

    def fail(session):
        busy(session)
        if next(calls) == 1:
            raise EngineFailed("the machine went away")

    training(tmp_path, WatchedEngine(fail, resumable=False)).run()
    usage = tmp_path / "usage.jsonl"
    (before,) = read_usage(usage)[0]
    usage.write_text(usage.read_text().replace(f"{before.memory_bytes:.0f}", "1"))
    assert read_usage(usage)[0][0].memory_bytes == 1, "the next sample may be the same by chance, and now is not"
    assert training(tmp_path, WatchedEngine(busy, resumable=False)).run().status == "finished"
    (after,) = read_usage(usage)[0]
    assert after.memory_bytes not in (None, 1)


def test_a_full_disk_in_the_sampler_does_not_touch_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("lrbench.runs.usage.atomic_write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    assert training(tmp_path, WatchedEngine(busy)).run().status == "finished"
    assert not (tmp_path / "usage.jsonl").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_sampler_shows_and_the_run_goes_on(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda what: seen.append(what.exc_type))
    monkeypatch.setattr(WatchedSession, "processes", lambda session: 1 / 0)
    assert training(tmp_path, WatchedEngine(busy)).run().status == "finished"
    assert seen == [ZeroDivisionError]


def test_a_run_does_not_wait_for_a_sampler_that_hangs(tmp_path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(sampling, "JOIN_SECONDS", 0.01)
    monkeypatch.setattr(WatchedSession, "processes", lambda session: release.wait(60) and [])
    assert training(tmp_path, WatchedEngine()).run().status == "finished"
    release.set()


def test_a_session_without_known_processes_leaves_no_file(tmp_path):
    assert training(tmp_path, FakeEngine(busy)).run().status == "finished"
    assert not (tmp_path / "usage.jsonl").exists()
