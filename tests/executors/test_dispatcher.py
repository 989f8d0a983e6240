"""Several runs side by side: none disturbs another, none is done twice, an interruption loses nothing."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import prepared

from lrbench.errors import EngineFailed, Interrupted
from lrbench.executors.dispatcher import Dispatcher, Listener, Outcome
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import Task, share, tasks
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import read_experiment

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 20, test_interval: 10}
solver: {type: SGD}
seeds: [0, 1]
policies:
  - FIX(k0=[0.01, 0.02, 0.03])
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    path = tmp_path / "trial.yaml"
    path.write_text(SPEC)
    return read_experiment(path)


@pytest.fixture
def plan(experiment: Experiment, tmp_path: Path) -> list[Task]:
    """Six tasks."""
    data = prepared(tmp_path)
    return tasks(experiment, data, tmp_path / "results")


def statuses(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return sorted((outcome.how, outcome.status.status) for outcome in outcomes)


def test_all_runs_are_done_once_and_skipped_the_second_time(plan):
    engine = FakeEngine()
    assert statuses(Dispatcher(engine, LocalPlaces(3)).run(plan)) == [("ran", "finished")] * 6
    assert statuses(Dispatcher(engine, LocalPlaces(3)).run(plan)) == [("skipped", "finished")] * 6
    assert engine.opened == 6


def test_a_failing_and_a_diverging_run_leave_the_others_alone(plan):
    def fail(session: FakeSession) -> None:
        if session.job.seed == 1 and session.job.policy.text == "FIX(k0=0.01)":
            raise EngineFailed("out of memory")

    outcomes = Dispatcher(FakeEngine(fail, diverges_above=0.025), LocalPlaces(2)).run(plan)
    assert statuses(outcomes) == [("ran", "diverged")] * 2 + [("ran", "failed")] + [("ran", "finished")] * 3
    failed = next(outcome for outcome in outcomes if outcome.status.status == "failed")
    assert failed.status.reason == "out of memory"
    assert statuses(Dispatcher(FakeEngine(), LocalPlaces(2)).run(plan)).count(("ran", "finished")) == 1


def test_a_defect_of_the_engine_is_a_failure_too(plan):
    def fail(session: FakeSession) -> None:
        raise ZeroDivisionError("division by zero")

    outcomes = Dispatcher(FakeEngine(fail), LocalPlaces(2)).run(plan)
    assert {outcome.status.reason for outcome in outcomes} == {"ZeroDivisionError: division by zero"}
    assert {RunDirectory(task.folder).status().status for task in plan} == {"failed"}


@pytest.mark.parametrize("done_elsewhere", [True, False])
def test_a_run_that_another_process_holds_is_waited_for_and_done_if_it_is_left(plan, done_elsewhere):
    other = RunDirectory(plan[0].folder)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with other.locked():
            held.set()
            let_go.wait(120)
            if done_elsewhere:
                other.describe(plan[0].description(FakeEngine()))
                other.write_status(Status("finished", 20))

    class Busy(Listener):
        def held_elsewhere(self, task: Task) -> None:
            assert task is plan[0]
            let_go.set()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(120)
    engine = FakeEngine()
    outcomes = Dispatcher(engine, LocalPlaces(2), listener=Busy()).run(plan)
    thread.join()
    expected = [("ran", "finished")] * 5 + [("skipped" if done_elsewhere else "ran", "finished")]
    assert statuses(outcomes) == sorted(expected), outcomes
    assert engine.opened == (5 if done_elsewhere else 6)


def test_news_that_cannot_be_told_fail_no_run(plan):
    class Closed(Listener):
        def evaluated(self, task: Task, row: Evaluation) -> None:
            raise BrokenPipeError("the terminal is gone")

        def ended(self, outcome: Outcome) -> None:
            raise OSError("nobody hears")

    assert statuses(Dispatcher(FakeEngine(), LocalPlaces(2), listener=Closed()).run(plan)) == [("ran", "finished")] * 6


def test_two_executors_at_once_share_the_runs_without_doing_one_twice(plan):
    meet = threading.Barrier(2, timeout=120)

    def wait(session: FakeSession) -> None:
        if session.iteration == 0 and session.engine.opened == 1:
            meet.wait()

    engines = [FakeEngine(wait), FakeEngine(wait)]
    threads = [threading.Thread(target=Dispatcher(engine, LocalPlaces(1)).run, args=[plan]) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(engine.opened for engine in engines) == 6
    assert all(RunDirectory(task.folder).status().status == "finished" for task in plan)
    assert all(len(RunDirectory(task.folder).evaluations()) == 2 for task in plan)


def test_ctrl_c_ends_the_sessions_and_the_next_call_goes_on(plan):
    meet = threading.Barrier(2, timeout=120)

    def interrupt(session: FakeSession) -> None:
        if session.iteration == 10:
            if meet.wait() == 0:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            session.aborted.wait(120)

    engine = FakeEngine(interrupt)
    with pytest.raises(Interrupted):
        Dispatcher(engine, LocalPlaces(2)).run(plan)
    assert engine.closed == engine.opened == 2
    reasons = [RunDirectory(task.folder).status().reason for task in plan]
    assert reasons.count("interrupted") == 2
    second = FakeEngine()
    assert statuses(Dispatcher(second, LocalPlaces(2)).run(plan)) == [("ran", "finished")] * 6
    assert second.restored == [(10, 1)] * 2


def test_gpus_are_shared_out_in_turn(plan):
    used: dict[str, int] = {}
    meet = threading.Barrier(2, timeout=120)

    def note(session: FakeSession) -> None:
        used[session.job.folder.name] = session.job.device_id
        meet.wait()

    Dispatcher(FakeEngine(note), LocalPlaces(2, device_ids=[4, 7])).run(plan)
    assert sorted(used.values()) == [4, 4, 4, 7, 7, 7]


@pytest.mark.parametrize("count", [1, 2, 4, 6, 7])
def test_the_shares_of_all_indices_are_the_whole(plan, count):
    parts = [share(plan, index, count) for index in range(1, count + 1)]
    assert sorted(task.number for part in parts for task in part) == [1, 2, 3, 4, 5, 6]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_listener_hears_of_every_end(plan):
    class Ends(Listener):
        def __init__(self) -> None:
            self.ends: list[Outcome] = []

        def ended(self, outcome: Outcome) -> None:
            self.ends.append(outcome)

    listener = Ends()
    outcomes = Dispatcher(FakeEngine(), LocalPlaces(2), listener=listener).run(plan)
    assert listener.ends == outcomes


def test_tasks_are_taken_one_by_one_each_knowing_what_came_of_those_before(plan):
    def generated() -> Iterator[Task]:
        for count, task in enumerate(plan):
            known.append(len(ends))
            assert count - known[-1] < 2, "taken only when there is room for it"
            yield task

    known: list[int] = []
    ends: list[Outcome] = []
    outcomes = Dispatcher(FakeEngine(), LocalPlaces(2)).run(generated(), ends.append)
    assert statuses(outcomes) == [("ran", "finished")] * 6
    assert ends == outcomes
    assert known[0] == 0
    assert known == sorted(known)


def test_an_error_of_who_is_told_of_the_ends_is_not_hidden_and_no_further_task_is_taken(plan):
    def told(outcome: Outcome) -> None:
        raise ZeroDivisionError

    source = iter(plan)
    with pytest.raises(ZeroDivisionError):
        Dispatcher(FakeEngine(), LocalPlaces()).run(source, told)
    assert next(source) == plan[1]


def test_a_source_without_a_task_for_now_is_asked_again_when_something_has_ended(plan):
    ended = threading.Event()

    class Ends(Listener):
        def ended(self, outcome: Outcome) -> None:
            ended.set()

    def generated() -> Iterator[Task | None]:
        yield plan[0]
        while not ended.is_set():
            yield None
        yield plan[1]

    assert (
        statuses(Dispatcher(FakeEngine(), LocalPlaces(3), listener=Ends()).run(generated()))
        == [("ran", "finished")] * 2
    )


def test_a_defect_where_tasks_come_from_ends_all_and_is_not_hidden(plan):
    def generated() -> Iterator[Task]:
        yield plan[0]
        raise ZeroDivisionError

    def wait(session: FakeSession) -> None:
        session.aborted.wait(120)

    engine = FakeEngine(wait)
    with pytest.raises(ZeroDivisionError):
        Dispatcher(engine, LocalPlaces(2)).run(generated())
    assert engine.opened == engine.closed
    assert not RunDirectory(plan[0].folder).status().done


def test_lanes_are_shared_out_evenly_over_sessions(plan):
    used: dict[str, tuple[int, int, int]] = {}
    meet = threading.Barrier(6, timeout=120)

    def note(session: FakeSession) -> None:
        if session.iteration == 0:
            used[session.job.folder.name] = (session.job.device_id, session.job.session, session.job.lanes)
            meet.wait()

    Dispatcher(FakeEngine(note), LocalPlaces(2, 3, [4, 7])).run(plan)
    assert sorted(used.values()) == [(4, 0, 3)] * 3 + [(7, 1, 3)] * 3
    assert {json.loads((task.folder / "run.json").read_text())["engine"]["lanes"] for task in plan} == {3}


def test_an_end_is_told_even_where_other_news_cannot_be(plan):
    class Half(Listener):
        count = 0

        def evaluated(self, task: Task, row: Evaluation) -> None:
            raise BrokenPipeError("the terminal is gone")

        def ended(self, outcome: Outcome) -> None:
            self.count += 1
            raise BrokenPipeError("the terminal is gone")

    listener = Half()
    Dispatcher(FakeEngine(), LocalPlaces(2), listener=listener).run(plan)
    assert listener.count == 6


def test_an_executor_can_be_used_again(plan):
    executor = Dispatcher(FakeEngine(), LocalPlaces(2))
    assert len(executor.run(plan[:3])) == len(executor.run(plan[3:])) == 3
