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
