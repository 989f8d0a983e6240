"""Short runs in bundles: their results are those of runs one by one, whatever happens to one of them."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import prepared
from factories.measured import measured

from lrbench.errors import EngineFailed, Interrupted
from lrbench.executors.bundles import MOST_RUNS, Bundled, BundleSizes, BundlingEngine
from lrbench.executors.dispatcher import Dispatcher, Listener, Outcome
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import Prefix, RunSlot, Task, tasks
from lrbench.executors.ray import bundle
from lrbench.executors.ray.bundle import Returned, train_runs
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.spec.reading import read_experiment
from lrbench.storage import atomic_write

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 20, test_interval: 10}
solver: {type: SGD}
stopping: {patience: 1}
seeds: 12
policies: ["FIX(k0=[0.001, 0.002])", FIX(k0=0.03), FIX(k0=0.06)]
"""
COUNT = 48


class FakeCluster(FakeEngine, BundlingEngine):
    """Trains bundles in another folder, with another engine that trains nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.there = FakeEngine(*arguments, **named)
        self.bundles: list[int] = []
        self.bundled: set[str] = set()

    def train_bundle(self, runs: Sequence[Bundled], slot: RunSlot, stop: threading.Event) -> Sequence[Returned | None]:
        self.bundles.append(len(runs))
        self.bundled |= {run.job.folder.name for run in runs}
        with tempfile.TemporaryDirectory() as folder:
            return train_runs(self.there, runs, Path(folder))


def planned(folder: Path) -> list[Task]:
    folder.mkdir()
    (folder / "trial.yaml").write_text(SPEC)
    return tasks(read_experiment(folder / "trial.yaml"), prepared(folder), folder / "results")


@pytest.fixture
def plan(tmp_path: Path) -> list[Task]:
    return planned(tmp_path / "there")


def run(engine: FakeEngine, plan: Iterable[Task], listener: Listener | None = None, places: int = 2) -> list[Outcome]:
    """Run tasks, in bundles from the first on where the engine trains any."""
    return Dispatcher(engine, LocalPlaces(places), listener or Listener(), _sizes=BundleSizes(0.1)).run(plan)


def content(task: Task) -> dict[str, Any]:
    """The files of a run, without clocks."""
    times = ("updated", "created", "host")
    texts = {
        name: {key: value for key, value in json.loads((task.folder / name).read_text()).items() if key not in times}
        for name in ("run.json", "status.json")
    }
    files = {path.relative_to(task.folder).as_posix() for path in task.folder.rglob("*") if path.is_file()}
    states = {name: (task.folder / name).read_bytes() for name in files if name.startswith("snapshots")}
    return {**texts, "evaluations": measured(task.folder), "files": files - {"usage.jsonl"}, "states": states}


def statuses(outcomes: Iterable[Outcome]) -> set[tuple[str, str]]:
    return {(outcome.how, outcome.status.status) for outcome in outcomes}


def test_runs_of_bundles_are_those_of_runs_one_by_one(plan, tmp_path):
    engine = FakeCluster(diverges_above=0.05)
    here = planned(tmp_path / "here")
    run(FakeEngine(diverges_above=0.05), here)
    outcomes = run(engine, plan)
    assert sum(engine.bundles) == COUNT
    assert engine.bundles[0] == 10
    assert engine.opened == 0
    assert statuses(outcomes) == {("ran", "finished"), ("ran", "diverged")}
    assert [content(task) for task in plan] == [content(task) for task in here]
    again = run(engine, plan)
    assert statuses(again) == {("skipped", "finished"), ("skipped", "diverged")}


def test_the_listener_hears_of_each_run(plan):
    class Ears(Listener):
        def __init__(self) -> None:
            self.heard: dict[int, list[object]] = {task.number: [] for task in plan}

        def started(self, task: Task) -> None:
            self.heard[task.number].append("started")

        def evaluated(self, task: Task, evaluation: Evaluation) -> None:
            self.heard[task.number].append(evaluation.iteration)

        def ended(self, outcome: Outcome) -> None:
            self.heard[outcome.task.number].append(outcome.status.status)

    ears = Ears()
    run(FakeCluster(), plan, ears)
    assert set(map(tuple, ears.heard.values())) == {("started", 10, 20, "finished")}


def test_a_run_that_fails_says_why_by_itself_and_the_others_are_done(plan):
    def fail(session: FakeSession) -> None:
        if session.job.seed == 3:
            raise EngineFailed("out of memory")

    outcomes = run(FakeCluster(fail), plan)
    failed = [outcome for outcome in outcomes if outcome.status.status == "failed"]
    assert len(outcomes) == COUNT
    assert {outcome.status.reason for outcome in failed} == {"out of memory"}
    assert {outcome.task.run.seed for outcome in failed} == {3}
    assert len(failed) == 4


def test_a_run_that_was_begun_goes_on_from_its_snapshot(plan):
    begun = replace(plan[2], pause=lambda rows: "enough")
    run(FakeEngine(), [begun])
    assert RunDirectory(begun.folder).status() == Status("pending", 10, "enough")
    engine = FakeCluster()
    assert statuses(run(engine, plan)) == {("ran", "finished")}
    assert engine.restored == [(10, 1)]
    assert engine.opened == 1


def test_a_run_that_another_process_holds_is_left_to_it(plan):
    with RunDirectory(plan[0].folder).locked():

        class LetGo(Listener):
            def held_elsewhere(self, task: Task) -> None:
                assert task is plan[0]
                RunDirectory(task.folder).describe(task.description(FakeEngine()))
                RunDirectory(task.folder).write_status(Status("finished", 20))

            def ended(self, outcome: Outcome) -> None:
                numbers.append(outcome.task.number)

        numbers: list[int] = []
        outcomes = run(FakeCluster(), plan, LetGo())
    assert sorted(numbers) == list(range(1, COUNT + 1))
    assert [outcome.task.number for outcome in outcomes if outcome.how == "skipped"] == [1]


@pytest.mark.parametrize("limit", ["LONGEST_SECONDS", "MOST_BYTES"])
def test_what_takes_too_long_or_is_too_large_is_done_one_by_one(plan, monkeypatch, limit):
    monkeypatch.setattr(bundle, limit, -1)
    engine = FakeCluster()
    assert statuses(run(engine, plan)) == {("ran", "finished")}
    assert sum(engine.bundles) < COUNT
    assert all(len(RunDirectory(task.folder).evaluations()) == 2 for task in plan)


def test_a_snapshot_too_large_for_a_message_is_not_lost(plan, monkeypatch):
    monkeypatch.setattr("lrbench.executors.ray.transfer.PIECE", 10)
    run(FakeCluster(), plan)
    assert all(RunDirectory(task.folder).snapshot(20).is_dir() for task in plan)


def test_an_engine_that_cannot_train_a_bundle_trains_run_by_run(plan, monkeypatch):
    engine = FakeCluster()
    monkeypatch.setattr(engine, "train_bundle", lambda *of: 1 / 0)
    assert statuses(run(engine, plan)) == {("ran", "finished")}
    assert engine.opened == COUNT


def test_a_full_disk_fails_a_run_of_a_bundle(plan, monkeypatch):
    def full(directory: RunDirectory, status: Status) -> None:
        raise OSError(28, "No space left on device", str(directory.path))

    monkeypatch.setattr(RunDirectory, "write_status", full)
    outcomes = run(FakeCluster(), plan)
    assert {outcome.status.status for outcome in outcomes} == {"failed"}
    assert all("No space left on device" in str(outcome.status.reason) for outcome in outcomes)


def test_only_runs_that_depend_on_no_other_are_bundled(plan):
    special = [
        replace(plan[1], pause=lambda rows: None),
        replace(plan[3], held=frozenset([10])),
        replace(plan[5], prefix=Prefix(plan[3].folder, 10)),
    ]
    mixed = [next((other for other in special if other.number == task.number), task) for task in plan]
    engine = FakeCluster()
    assert statuses(run(engine, mixed, places=1)) == {("ran", "finished")}
    assert engine.bundled.isdisjoint(task.folder.name for task in special)
    assert len(engine.bundled) == COUNT - engine.opened > 30


def test_runs_are_bundled_once_one_has_finished_soon():
    sizes = BundleSizes()
    assert sizes.next(1) == 1
    sizes.ended([0.25])
    assert sizes.next(1) == 4
    sizes.ended([0.04, 0.02, 0.1], 4, 4)
    assert sizes.next(1) == 10
    sizes.ended([], 4, 4)
    assert sizes.next(1) == 10
    sizes.ended([0.01] * 10, 10, 10)
    assert (sizes.next(1), sizes.next(64), sizes.next(1000)) == (MOST_RUNS, 4, 0)
    sizes.ended([3.0])
    assert sizes.next(1) == 1
    sizes.ended([0.01] * 4, 4, 10)
    assert sizes.next(1) == 4
    sizes.ended([0.01] * 4, 4, 4)
    assert sizes.next(1) == 8
    sizes.ended([0.01])
    assert sizes.next(1) == 8
    sizes.ended([], 0, 8)
    assert sizes.next(1) == 0


def test_tasks_are_taken_when_there_is_a_place_for_them(plan):
    """A search proposes the next policy knowing what came of those before, whether or not its engine trains bundles."""

    def generated() -> Iterator[Task]:
        for task in plan[:6]:
            known.append(len(ends))
            yield replace(task, pause=lambda rows: None)

    known: list[int] = []
    ends: list[Outcome] = []
    Dispatcher(FakeCluster(), LocalPlaces(1), _sizes=BundleSizes(0.1)).run(generated(), ends.append)
    assert known == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["evaluations.jsonl", "status.json", "state.json"])
def test_what_a_full_disk_cut_off_is_trained_again(plan, monkeypatch, name):
    def write(path: Path, content: bytes, **named: Any) -> None:
        if path.name == name:
            raise OSError(28, "No space left on device", str(path))
        atomic_write(path, content, **named)

    def write_piece(path: Path, offset: int, content: bytes) -> None:
        if path.name == name:
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr("lrbench.executors.ray.bundle.atomic_write", write)
        patch.setattr("lrbench.runs.directory.atomic_write", write)
        patch.setattr("lrbench.executors.ray.transfer.write_piece", write_piece)
        assert statuses(run(FakeCluster(), plan)) == {("ran", "failed")}
    assert statuses(run(FakeCluster(), plan)) == {("ran", "finished")}
    assert all(RunDirectory(task.folder).snapshot(20).is_dir() for task in plan)


def test_ctrl_c_ends_a_bundle(plan):
    class Waiting(FakeCluster):
        def train_bundle(
            self, runs: Sequence[Bundled], slot: RunSlot, stop: threading.Event
        ) -> Sequence[Returned | None]:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            assert stop.wait(60)
            raise Interrupted("interrupted")

    engine = Waiting()
    with pytest.raises(Interrupted):
        run(engine, plan, places=1)
    assert engine.opened == 0
    assert {RunDirectory(task.folder).status().status for task in plan} == {"pending"}
