"""The pool of workers, without a cluster."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
from lrbench.executors.ray.pool import Pool


def test_who_finds_no_place_wakes_nobody(monkeypatch):
    monkeypatch.setattr(Pool, "_watch", lambda pool: None)
    asked: list[object] = []

    def start() -> tuple[object, object]:
        asked.append(None)
        return object(), object()

    pool = Pool(start, lambda actor: None, 1)
    assert pool.take() is None
    assert len(asked) == 1
    waited: list[float] = []

    def wait() -> None:
        begun = time.monotonic()
        pool.wait(0.5)
        waited.append(time.monotonic() - begun)

    thread = threading.Thread(target=wait)
    thread.start()
    while thread.is_alive():
        assert pool.take() is None
    assert len(asked) == 1
    assert waited[0] >= 0.5


def test_workers_beyond_the_jobs_are_ended_unless_they_have_a_run(monkeypatch):
    monkeypatch.setattr(Pool, "_watch", lambda pool: None)
    monkeypatch.setattr("ray.get", lambda answer: ("1", f"node of {answer}", {"host": answer}, None))
    ended: list[object] = []
    started = {f"answer {number}": f"worker {number}" for number in range(5)}
    pool = Pool(lambda: ("another", "another"), ended.append, 1, started)
    for number in range(4):
        pool._admit(f"answer {number}")
    taken = pool.take()
    assert taken is not None
    busy = pool.member(taken.session)
    pool.resize(2)
    assert ended == ["worker 4", "worker 1", "worker 2"]
    assert busy.actor == "worker 0"
    assert pool.machine(taken) == {"host": "answer 0"}
    pool._admit("answer 4")  # ended, it has answered nevertheless
    assert pool.take() is not None
    assert pool.take() is None
