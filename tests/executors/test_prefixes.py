"""Iterations that runs share are trained once, and the results are those of training each run from the start."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import prepared

from lrbench.errors import EngineFailed, SpecError
from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import Prefix, Task, tasks
from lrbench.executors.prefixes import run_sharing, saved_iterations, with_prefixes
from lrbench.executors.setup import check_tasks, estimate
from lrbench.runs.directory import RunDirectory
from lrbench.spec.reading import read_experiment

SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 60, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
policies:
  - FIX(k0=0.001)
  - STEP(k0=0.001, gamma=0.5, l=25)
  - NSTEP(k0=0.001, gamma=0.5, l=[25, 52])
  - WSD(k0=0.001, warmup=10, decay=20)
  - WSD(k0=0.001, warmup=10, decay=30)
  - FIX(k0=0.002)
"""
NAMES = ("FIX", "STEP", "NSTEP", "WSD 20", "WSD 30", "other FIX")


def planned(folder: Path, text: str = SPEC, *changes: str) -> list[Task]:
    path = folder / "trial.yaml"
    path.write_text(text)
    return tasks(read_experiment(path, changes), prepared(folder), folder / "results")


def shared(plan: list[Task]) -> dict[str, tuple[str, int]]:
    names = {task.folder: name for task, name in zip(plan, NAMES, strict=True)}
    return {
        names[task.folder]: (names[task.prefix.folder], task.prefix.iteration)
        for task in with_prefixes(plan)
        if task.prefix is not None
    }


def outcome(plan: list[Task]) -> list[object]:
    directories = [RunDirectory(task.folder) for task in plan]
    return [
        (each.status().status, [(row.iteration, row.metrics, row.learning_rate) for row in each.evaluations()])
        for each in directories
    ]


def trained(engine: FakeEngine) -> int:
    return sum(map(len, engine.rates.values()))


def test_each_run_branches_from_the_earlier_one_that_shares_most_at_the_last_evaluation_they_share(tmp_path):
    assert shared(planned(tmp_path)) == {"STEP": ("FIX", 20), "NSTEP": ("STEP", 50), "WSD 30": ("WSD 20", 30)}


def test_the_snapshots_where_others_branch_are_kept_until_the_end(tmp_path):
    plan = with_prefixes(planned(tmp_path))
    assert [sorted(task.held) for task in plan] == [[20], [50], [], [30], [], []]
    assert saved_iterations(plan) == 20 + 50 + 30


def test_the_time_estimated_is_less_by_what_is_shared(tmp_path):
    plan = planned(tmp_path)
    one = 1.0 + 60 * 0.1 + 6 * 0.2  # the fake engine's start, iterations and evaluations
    assert estimate(plan, FakeEngine(), 1).seconds == pytest.approx(6 * one)
    shared = 100 * 0.1 + 10 * 0.2
    assert estimate(with_prefixes(plan), FakeEngine(), 1).seconds == pytest.approx(6 * one - shared)
    assert estimate(with_prefixes(plan), FakeEngine(), 6).seconds == pytest.approx(one)


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_are_the_same_and_each_iteration_is_trained_once(tmp_path, jobs):
    engine, alone = FakeEngine(), FakeEngine()
    (tmp_path / "alone").mkdir()
    plan, apart = planned(tmp_path), planned(tmp_path / "alone", SPEC, "share_prefixes=false")
    assert [each.status.status for each in run_sharing(Dispatcher(engine, LocalPlaces(jobs)), plan)] == ["finished"] * 6
    run_sharing(Dispatcher(alone, LocalPlaces(jobs)), apart)
    assert outcome(plan) == outcome(apart)
    assert trained(alone) == 6 * 60
    assert trained(engine) == 6 * 60 - (20 + 50 + 30)
    for each, other in zip(plan, apart, strict=True):
        here, there = RunDirectory(each.folder), RunDirectory(other.folder)
        assert [iteration for iteration, _ in here.snapshots()] == [iteration for iteration, _ in there.snapshots()]


def test_other_seeds_solvers_and_closed_loops_share_nothing(tmp_path):
    text = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 60, test_interval: 10}
solver: [{type: SGD, momentum: 0.9}, {type: SGD, momentum: 0.5}]
seeds: [0, 1]
policies: [FIX(k0=0.001), 'PLATEAU(k0=0.001)', 'PLATEAU(k0=0.001, patience=3)']
"""
    assert all(task.prefix is None for task in with_prefixes(planned(tmp_path, text)))


def test_robustness_scales_are_of_other_rates(tmp_path):
    text = SPEC.replace("policies:", "robustness: {scales: [2]}\npolicies:")
    found = {
        task.run.label: task.prefix for task in with_prefixes(planned(tmp_path, text.replace("k0=0.002", "k0=0.1")))
    }
    assert found["FIX(k0=0.001) x2 SGD seed 0"] is None
    prefix = found["STEP(k0=0.001, gamma=0.5, l=25) x2 SGD seed 0"]
    assert isinstance(prefix, Prefix)
    assert prefix.iteration == 20


def test_where_the_other_run_failed_it_is_trained_from_the_start(tmp_path):
    def fail(session: FakeSession) -> None:
        if session.job.policy.text == "FIX(k0=0.001)":
            raise EngineFailed("out of memory")

    plan, engine = planned(tmp_path), FakeEngine(fail)
    ended = run_sharing(Dispatcher(engine, LocalPlaces(2)), plan)
    assert sorted(each.status.status for each in ended) == ["failed", *["finished"] * 5]
    assert len(engine.rates[plan[1].folder.name]) == 60


def test_a_second_call_goes_on_after_an_interruption(tmp_path):
    def fail(session: FakeSession) -> None:
        if session.job.policy.name == "STEP" and session.iteration >= 40:
            raise EngineFailed("the disk is full")

    plan = planned(tmp_path)
    run_sharing(Dispatcher(FakeEngine(fail), LocalPlaces(1)), plan)
    run_sharing(Dispatcher(FakeEngine(), LocalPlaces(1)), plan)
    (tmp_path / "alone").mkdir()
    apart = planned(tmp_path / "alone", SPEC, "share_prefixes=false")
    run_sharing(Dispatcher(FakeEngine(), LocalPlaces(1)), apart)
    assert outcome(plan) == outcome(apart)


def test_an_engine_without_snapshots_trains_every_run_from_the_start(tmp_path):
    engine = FakeEngine(resumable=False)
    run_sharing(Dispatcher(engine, LocalPlaces(2)), planned(tmp_path))
    assert trained(engine) == 6 * 60


def test_runs_of_an_engine_without_snapshots_do_not_wait_for_each_other(tmp_path):
    text = SPEC[: SPEC.index("policies:")] + "policies: [FIX(k0=0.001), 'STEP(k0=0.001, gamma=0.5, l=25)']\n"
    first_waits = threading.Event()

    def wait(session: FakeSession) -> None:
        if session.job.policy.name == "FIX" and session.iteration >= 40:
            first_waits.wait(60)
        elif session.job.policy.name == "STEP":
            first_waits.set()

    ended = run_sharing(Dispatcher(FakeEngine(wait, resumable=False), LocalPlaces(2)), planned(tmp_path, text))
    assert first_waits.is_set()
    assert [each.status.status for each in ended] == ["finished"] * 2


def test_runs_share_iterations_only_where_their_momentum_is_the_same(tmp_path):
    """The two policies of the momentum part at iteration 30; a number shares nothing with a policy."""
    text = """
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 60, test_interval: 10}
solver:
  - {type: SGD, momentum: 0.9}
  - {type: SGD, momentum: FIX(k0=0.9)}
  - {type: SGD, momentum: 'NSTEP(k0=0.9, gamma=0.5, l=[30])'}
  - {type: SGD, momentum: 'LINEAR(k0=0.9, k1=0.8)'}
policies: [FIX(k0=0.001)]
"""
    plan = planned(tmp_path, text)
    number, fixed, falling, line = with_prefixes(plan)
    assert (number.prefix, fixed.prefix, line.prefix) == (None, None, None)
    assert falling.prefix == Prefix(plan[1].folder, 30)


def test_an_engine_that_does_not_set_the_momentum_refuses_a_policy_of_it(tmp_path):
    plan = planned(tmp_path, SPEC.replace("momentum: 0.9", "momentum: FIX(k0=0.9)"))
    with pytest.raises(SpecError, match="takes the momentum as a number, but it is FIX") as refused:
        check_tasks(plan, FakeEngine(), plan[0].experiment)
    assert "trial.yaml:3" in str(refused.value)
