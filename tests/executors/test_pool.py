"""The pool of workers, without a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
from ray.exceptions import ActorDiedError

from lrbench._version import __version__
from lrbench.engines.site import Site
from lrbench.errors import EngineUnavailable
from lrbench.executors.ray import executor as ray_executor
from lrbench.executors.ray.answers import EngineFacts
from lrbench.executors.ray.pool import Pool, no_room


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


class StartedWorkers:
    """An executor's workers, none of which exists: which were asked for, and which were ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nodes: int, busy: bool = False) -> None:
        self.asked: list[str | None] = []
        self.ended: list[object] = []
        self.facts = EngineFacts({"name": "caffe"}, has_lanes=False)
        self.busy = busy
        monkeypatch.setattr(ray_executor, "connect", lambda address: None)
        monkeypatch.setattr(ray_executor, "_end", self.ended.append)
        self.executor = ray_executor.RayExecutor(None, lambda consent: Site(Path("home")))
        monkeypatch.setattr(self.executor, "_nodes", lambda needed: [(f"id {i}", f"node {i}") for i in range(nodes)])
        monkeypatch.setattr(self.executor, "_start", self._start)
        monkeypatch.setattr(self.executor, "_answers", self._answers)
        monkeypatch.setattr("ray.wait", self._wait)

    def kept(self, expected: int) -> Mapping[object, object]:
        """Workers that stay where so many sessions are expected."""
        self.executor.expect(expected)
        workers, facts = self.executor._looked_at(("caffe", "cpu", 1, 1))
        assert facts == self.facts
        return workers

    def _start(self, needs: object, node: str | None = None) -> tuple[object, object]:
        self.asked.append(node)
        return f"worker {len(self.asked)}", f"answer {len(self.asked)}"

    def _answers(self, answers: Iterable[object], seconds: float | None) -> dict[object, EngineFacts]:
        return {} if self.busy and seconds is not None else dict.fromkeys(answers, self.facts)

    def _wait(self, answers: list[object], timeout: float) -> tuple[list[object], list[object]]:
        assert timeout > 0
        return ([], answers) if self.busy else (answers, [])


@pytest.mark.parametrize(
    ("nodes", "expected", "asked", "kept"), [(3, 1, 3, 1), (3, 2, 3, 2), (1, 2, 2, 2), (1, 64, 5, 5)]
)
def test_the_workers_that_look_at_the_nodes_stay_for_the_sessions_expected(monkeypatch, nodes, expected, asked, kept):
    made = StartedWorkers(monkeypatch, nodes)
    workers = made.kept(expected)
    assert made.asked == [f"id {i}" for i in range(nodes)] + [None] * (asked - nodes)
    assert len(workers) == kept
    assert len(made.ended) == asked - kept
    assert not set(workers.values()) & set(made.ended)


def test_where_all_nodes_are_busy_one_worker_waits_for_room_and_a_line_says_so(monkeypatch, caplog):
    made = StartedWorkers(monkeypatch, 1, busy=True)
    assert made.kept(2) == {"answer 3": "worker 3"}
    assert made.ended == ["worker 1", "worker 2"]
    assert caplog.messages == [no_room(30)]


@pytest.mark.parametrize("lost", [1, 9])
def test_a_node_that_is_lost_while_it_is_looked_at_is_left_out(monkeypatch, lost):
    """``lost`` is the number of workers, in the order in which they start, that are lost with their nodes."""
    made = StartedWorkers(monkeypatch, 2)
    monkeypatch.setattr(made.executor, "_answers", ray_executor.RayExecutor._answers)
    monkeypatch.setattr("ray.wait", lambda answers, timeout: (answers[:1], answers[1:]))

    def get(answer: str) -> object:
        if int(answer.split()[1]) <= lost:
            raise ActorDiedError
        return __version__, "id", {}, made.facts

    monkeypatch.setattr("ray.get", get)
    if lost == 1:
        assert made.kept(2) == {"answer 2": "worker 2"}
        assert made.ended == ["worker 1"]
    else:
        with pytest.raises(EngineUnavailable, match="5 workers in a row were lost on the Ray cluster"):
            made.kept(2)
