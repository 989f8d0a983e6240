"""compose on an engine that trains nothing: what is branched, trained, chosen, resumed and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.fake_engine import FakeEngine, FakeSession
from factories.made_up_jobs import prepared
from factories.measured import measured

from lrbench.errors import EngineFailed, SpecError
from lrbench.executors.dispatcher import Listener
from lrbench.executors.plan import Task
from lrbench.runs.directory import RunDirectory
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.tuning.composing.building import compose, compose_and_confirm
from lrbench.tuning.composing.selection import ComposeResult
from lrbench.tuning.space import search_space
from lrbench.tuning.trial_runner import TrialRunner

SPEC = """
name: trial
workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: 60, test_interval: 5}
solver: {type: SGD}
seeds: [0, 1]
target_accuracy: 0.5
search: {rates: [0.001, 0.02], validation: 0, sampler_seed: 5, baselines: [FIX(k0=0.002)]}
composition: {stages: 3, candidates: 4}
"""
MakeBench = Callable[..., TrialRunner]


@pytest.fixture
def make(tmp_path: Path) -> MakeBench:
    """Makes a runner of 60 iterations, evaluated every 5."""

    def runner(
        engine: FakeEngine, *overrides: str, results: str = "results", jobs: int = 1, listener: Listener | None = None
    ) -> TrialRunner:
        spec = tmp_path / "trial.yaml"
        spec.write_text(SPEC)
        data = prepared(tmp_path)
        return TrialRunner(
            read_experiment(spec, overrides, TuningSettings),
            data,
            engine,
            tmp_path / results,
            jobs,
            listener=listener or Listener(),
        )

    return runner


def space_of(runner: TrialRunner) -> Any:
    settings = runner.experiment.settings.search
    return search_space(settings, settings.rates, runner.experiment.document)


def composed(runner: TrialRunner) -> ComposeResult:
    return compose(runner, space_of(runner))


def runs(runner: TrialRunner) -> dict[str, list[dict[str, Any]]]:
    """The evaluations of each run of the search, without the clocks."""
    return {
        path.parent.name: measured(path.parent)
        for path in sorted((runner.results / "trial-compose").glob("*/run.json"))
    }


def parents(stage):
    """The policies that the candidates of a stage go on from."""
    found = [one.candidate.parent for one in stage.ranked]
    assert all(found)
    return {parent.policy for parent in found}


def test_the_best_of_each_stage_goes_on_and_its_whole_policy_is_the_result(make):
    runner = make(FakeEngine())
    result = composed(runner)
    assert result.composite
    assert [(stage.start, stage.judged_at, stage.end) for stage in result.stages] == [
        (0, 20, 20),
        (20, 40, 40),
        (40, 60, 60),
    ]
    for before, stage in zip(result.stages, result.stages[1:], strict=False):
        assert len(stage.ranked) == 4
        assert parents(stage) == {before.best.candidate.path.policy}
    for stage in result.stages:
        assert stage.best is stage.ranked[0]
        known = [one.accuracy for one in stage.ranked if one.accuracy is not None]
        assert len(known) == len(stage.ranked)
        assert known[0] >= max(known) - result.ranker.noise(max(known))
    last = RunDirectory(runner.results / "trial-compose" / result.stages[-1].best.run)
    assert last.status().status == "finished"
    assert result.policy.text == result.stages[-1].best.candidate.path.policy.text


def test_every_run_is_what_its_policy_gives_from_scratch(make):
    engine = FakeEngine()
    runner = make(engine)
    result = composed(runner)
    found = runs(runner)
    stages = [one for stage in result.stages for one in stage.ranked]
    assert len(found) == len({one.run for one in stages}) == 10, "2 x going on as it was is no run of its own"
    for one in stages:
        scratch = runner.with_suffix("scratch").with_stopping()
        task = scratch.task(one.candidate.path.policy, 1000)
        scratch.run([task])
        alone = measured(task.folder)
        assert found[one.run] == alone[: len(found[one.run])]
        assert task.folder.name == one.run


def test_nothing_is_trained_twice_and_the_cost_is_what_was_trained(make):
    engine = FakeEngine()
    runner = make(engine)
    result = composed(runner)
    trained = {name: len(rates) for name, rates in engine.rates.items()}
    assert sorted(trained) == sorted(runs(runner))
    assert result.cost.iterations == sum(trained.values()) == 4 * 20 + 4 * 20 + 4 * 20
    assert result.cost.full_runs == 4
    assert result.cost.runs == len(trained) == 10
    stretches = sum(trained.values()) / 5
    assert result.cost.seconds == pytest.approx(stretches * (0.5 + 0.25))


def test_a_branch_says_where_it_comes_from(make):
    runner = make(FakeEngine())
    result = composed(runner)
    for one in (one for stage in result.stages for one in stage.ranked):
        start, parent = one.candidate.path.parts[-1][0], one.candidate.path.parts[:-1]
        folder = runner.results / "trial-compose" / one.run
        assert RunDirectory(folder).branched_at == start
        told = json.loads((folder / "run.json").read_text())
        assert told["policy"] == one.candidate.path.policy.text
        if parent:
            assert told["branch"]["iteration"] == start
            assert told["branch"]["run"] in {
                two.run for stage in result.stages for two in stage.chosen if two.candidate.path.parts == parent
            }
        else:
            assert "branch" not in told


def test_the_second_call_trains_nothing_and_finds_the_same(make):
    first = composed(make(FakeEngine()))
    engine = FakeEngine()
    again = composed(make(engine))
    assert engine.opened == 0
    assert again == first


@pytest.mark.parametrize("overrides", [(), ("composition.beam=2",), ("composition={candidates: 4, ends: plateau}",)])
def test_cut_off_anywhere_it_goes_on_to_the_same_result(make, overrides):
    whole_engine = FakeEngine()
    whole = composed(make(whole_engine, *overrides, results="whole"))
    calls = sum(len(rates) for rates in whole_engine.rates.values()) // 5
    trained = 0
    for _ in range(calls):
        left = iter(range(7))

        def fail(session: FakeSession, left: Any = left) -> None:
            if next(left, None) is None:
                raise EngineFailed("the machine went away")

        engine = FakeEngine(fail)
        try:
            again = composed(make(engine, *overrides, results="cut"))
        except EngineFailed:
            continue
        else:
            break
        finally:
            trained += sum(len(rates) for rates in engine.rates.values())
    assert again == replace(whole, cost=again.cost)
    assert again.cost.iterations == whole.cost.iterations == trained


def test_a_run_that_fails_is_named_with_what_to_do(make):
    def fail(session: FakeSession) -> None:
        raise EngineFailed("out of memory")

    with pytest.raises(EngineFailed, match="4 of 4 runs failed, the first with: out of memory; rerun the same command"):
        composed(make(FakeEngine(fail)))


def test_several_side_by_side_find_the_same(make):
    assert composed(make(FakeEngine(), jobs=3, results="three")).stages == composed(make(FakeEngine())).stages


def test_a_branch_that_is_gone_is_trained_from_the_start(make):
    import shutil

    runner = make(FakeEngine())
    first = composed(runner)
    gone = next(
        one
        for one in first.stages[1].ranked
        if one.candidate.proposal.how != "as it was" and one is not first.stages[1].best
    )
    shutil.rmtree(runner.results / "trial-compose" / gone.run)
    engine = FakeEngine()
    again = composed(make(engine))
    assert again.stages == first.stages
    assert len(engine.rates[gone.run]) in (20, 40), "from its parent's state if that is there, else from the start"
    assert again.cost.iterations - first.cost.iterations in (0, 20)


def test_what_diverges_is_left_out_and_where_all_do_it_is_one_line(make):
    result = composed(make(FakeEngine(diverges_above=0.008), "composition.candidates=13"))
    assert result.stages[0].diverged > 0
    assert all(one.accuracy is not None for stage in result.stages for one in stage.chosen)
    with pytest.raises(SpecError, match=r"all 4 policies that were tried from one iteration on diverged; lower search"):
        composed(make(FakeEngine(diverges_above=0.0), results="all"))


def test_one_that_diverges_after_it_was_chosen_makes_way_for_the_next(make):
    runner = make(FakeEngine(), "composition={candidates: 4, stretch: 5}")
    first = composed(runner)

    def bad(session: FakeSession) -> None:
        chosen = first.stages[0].best.run
        session.engine.diverges_above = 0.0 if session.job.folder.name == chosen and session.iteration >= 5 else np.inf

    result = composed(make(FakeEngine(bad), "composition={candidates: 4, stretch: 5}", results="bad"))
    assert result.stages[0].ranked[0].run == first.stages[0].best.run
    assert result.stages[0].best.run == result.stages[0].ranked[1].run


def test_a_short_stretch_compares_sooner_and_only_the_best_trains_on(make):
    engine = FakeEngine()
    result = composed(make(engine, "composition={candidates: 4, stretch: 5}"))
    assert [(stage.start, stage.judged_at, stage.end) for stage in result.stages] == [
        (0, 5, 20),
        (20, 25, 40),
        (40, 45, 60),
    ]
    assert result.cost.iterations == 3 * (4 * 5 + 15) == sum(map(len, engine.rates.values()))


def test_a_plateau_ends_a_stage(make):
    # The accuracy of the made-up engine is the sum of its rates, at most 1: then it cannot get better.
    result = composed(
        make(
            FakeEngine(),
            "search.rates=[0.01, 0.2]",
            "composition={candidates: 4, ends: plateau, patience: 2, stages: 4}",
        )
    )
    rows = {stage.number: stage for stage in result.stages}
    assert 1 < len(rows) <= 4
    assert result.stages[-1].end == 60
    assert all(stage.end > stage.start for stage in result.stages)
    first = result.stages[0]
    reached = [row.iteration for row in RunDirectory(_folder(make, first.best.run)).evaluations() if row.accuracy == 1]
    assert reached[0] + 10 == first.end


def _folder(make: MakeBench, run: str) -> Path:
    return make(FakeEngine()).results / "trial-compose" / run


def test_with_the_target_as_objective_the_search_ends_where_it_is_reached(make):
    result = composed(make(FakeEngine(), "search.objective=iterations", "target_accuracy=0.2"))
    assert len(result.stages) < 3
    assert result.stages[-1].best.reached is not None
    soonest = min(one.reached for one in result.stages[-1].ranked if one.reached is not None)
    assert result.stages[-1].best.reached == soonest


def test_a_beam_keeps_several_runs(make):
    result = composed(make(FakeEngine(), "composition={candidates: 6, beam: 2}"))
    for before, stage in zip(result.stages, result.stages[1:], strict=False):
        assert len(before.chosen) == 2
        assert parents(stage) == {one.candidate.path.policy for one in before.chosen}


def test_confirmation_is_from_scratch_beside_the_best_single_policy_and_the_default(make):
    engine = FakeEngine()
    runner = make(engine)
    result = compose_and_confirm(runner, runner, space_of(runner))
    assert [row.role for row in result.confirmed] == ["composed", "best single", "baseline"]
    assert [row.policy for row in result.confirmed[:2]] == [result.policy, result.best_single]
    assert result.best_single == result.stages[0].best.candidate.path.policy
    assert "the first stage tried, as lrbench tune has found none" in result.single_from
    for row in result.confirmed:
        assert [outcome.seed for outcome in row.outcomes] == [0, 1]
        for outcome in row.outcomes:
            rates = engine.rates[outcome.run]
            assert rates == row.policy.rates(range(60), 60).tolist(), "all of it, from iteration 0"


def test_the_listener_is_told_of_each_choice(make):
    class Told(Listener):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def noticed(self, task: Task, text: str) -> None:
            self.texts.append(text)

    told = Told()
    result = composed(make(FakeEngine(), listener=told))
    assert told.texts == [
        f"the best of 4 from iteration {stage.start} to {stage.end}: test accuracy {stage.best.accuracy:.2%}"
        for stage in result.stages
    ]
