"""What an entry says of its seeds, and how runs in results folders become entries."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from factories import fake_runs
from factories.fake_entries import diverged, entry, program_entry, program_run, run
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import ResultsError
from lrbench.metrics.metric import RunCurves
from lrbench.metrics.objective import ACCURACY, Objective, Target
from lrbench.metrics.registry import METRICS
from lrbench.metrics.run import RUN_METRICS, run_metrics
from lrbench.tuning.database.collect import collect, workload_of_run
from lrbench.tuning.database.entry import EntryCost, Reached, Spread, joined
from lrbench.tuning.database.measured import NewBest, new_bests

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"


def numbers(spread):
    return spread.mean, spread.deviation, spread.n, spread.minimum, spread.maximum


def nan_as_none(values):
    return [None if math.isnan(value) else value for value in values]


def test_iterations_and_seconds_to_any_accuracy_a_seed_each():
    found = entry(runs=[run(0, (0.5, 0.9)), run(1, (0.9, 0.91)), diverged(2)])
    assert found.seeds == (0, 1, 2)
    assert nan_as_none(found.iterations_to(0.9)) == [1000, 500, None]
    assert nan_as_none(found.iterations_to(0.91)) == [None, 1000, None]
    points = [sample.first_at(0.9) for sample in found.samples]
    assert [point and point.train_seconds for point in points] == [20, 10, None]
    assert numbers(found.iterations_spread(0.9)) == pytest.approx((750, math.sqrt(2) * 250, 2, 500, 1000))


def test_how_many_seeds_reached_an_accuracy_in_time():
    stopped = run(3, (0.5,), status="stopped")
    found = entry(runs=[run(0, (0.5, 0.9)), run(1, (0.9, 0.91)), diverged(2), stopped])
    assert found.reached(0.9) == Reached(reached=2, missed=1, unknown=1)
    assert found.reached(0.9, within=999) == Reached(reached=1, missed=2, unknown=1)
    assert found.reached(0.9, within=500) == Reached(reached=1, missed=3, unknown=0)
    assert found.reached(0.5, within=500) == Reached(reached=3, missed=1, unknown=0)


def test_spreads_are_of_the_seeds_that_have_a_value():
    found = entry(runs=[run(0, (0.7,)), run(1, (0.8,)), diverged(2)])
    assert numbers(found.best_accuracy) == pytest.approx((0.75, 0.1 / math.sqrt(2), 2, 0.7, 0.8))
    assert found.spread("train_loss") == Spread(None, None, 0, None, None)
    assert found.spread("no such metric") == Spread(None, None, 0, None, None)
    assert found.diverged_share == pytest.approx(1 / 3)


def test_runs_that_were_stopped_early_count_only_where_there_are_no_others():
    stopped = run(1, (0.2,), status="stopped")
    assert entry(runs=[run(0, (0.7,)), stopped]).best_accuracy.mean == 0.7
    assert entry(runs=[stopped]).best_accuracy.mean == 0.2


def test_a_seed_counts_once_as_its_run_that_went_farthest():
    short = run(0, (0.2,), run_id="b", status="stopped")
    longer = run(0, (0.2, 0.3), run_id="c", status="stopped")
    whole = run(0, (0.7,), run_id="d")
    assert [each.run_id for each in entry(runs=[short, longer]).samples] == ["c"]
    assert [each.run_id for each in entry(runs=[short, longer, whole]).samples] == ["d"]
    assert entry(runs=[short, longer, whole]).seeds == (0,)


def test_the_cost_is_that_of_all_runs():
    found = entry(runs=[run(0, (0.7,)), run(1, (0.7, 0.8)), run(1, (0.7,), run_id="again")])
    assert found.cost == EntryCost(2000, 40, 37.5)
    assert entry(runs=[run(0), run(1, metrics={})]).cost == EntryCost(4000, None, None)


def test_joined_entries_are_one_a_policy_with_each_run_once():
    first, second = entry(FIX, [run(2), run(1)]), entry(FIX, [run(1, note="a copy"), run(0)])
    (found,) = joined([first, second])
    assert [(each.seed, each.note) for each in found.runs] == [(0, None), (1, None), (2, None)]
    assert [each.policy for each in joined([entry(TRI), entry(FIX), entry(TRI)])] in ([FIX, TRI], [TRI, FIX])


accuracies = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30)


@given(accuracies, st.floats(0.001, 1))
def test_the_thinned_curve_says_the_same_as_the_whole_one(values, target):
    column = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    iterations = np.arange(1, len(values) + 1, dtype=np.float64) * 100
    columns = {"iteration": iterations, "accuracy_top1": column, "train_seconds": iterations / 7}
    curve = new_bests(columns)
    expected = run_metrics(RunCurves(columns, target), RUN_METRICS)
    found = run(curve=curve)
    point = found.first_at(target)
    assert nan_as_none([found.iterations_to(target)]) == [expected["iterations_to_target"]]
    assert (point.train_seconds if point else None) == expected["seconds_to_target"]
    assert (curve[-1].value if curve else None) == expected["best_accuracy"]
    assert all(later.value > earlier.value for earlier, later in itertools.pairwise(curve))


def test_runs_of_a_results_folder_become_entries_over_seeds_and_solvers(tmp_path):
    adam = {"type": "Adam", "momentum": 0.9, "lr_scale": 0.1}
    for seed in (1, 0):
        fake_runs.write_run(tmp_path, FIX, [0.1, 0.9, 0.8, 0.95], seed=seed)
    fake_runs.write_run(tmp_path, FIX, [0.1], seed=0, solver=adam)
    fake_runs.write_run(tmp_path, TRI, [None], status="diverged", reason="not finite")
    found = collect([tmp_path], note="mine")
    assert (found.unfinished, found.problems) == ({}, [])
    by_name = {(each.policy, each.workload.solver_type): each for each in found.entries}
    assert set(by_name) == {(FIX, "SGD"), (FIX, "Adam"), (TRI, "SGD")}
    fix = by_name[FIX, "SGD"]
    assert fix.seeds == (0, 1)
    assert [tuple(point) for point in fix.runs[0].curve] == [(500, 0.9, 10), (1500, 0.95, 30)]
    assert fix.runs[0].metrics["best_accuracy"] == 0.95
    assert fix.runs[0].metrics.keys() == METRICS.keys() - {
        "iterations_to_target",
        "seconds_to_target",
        "lr_scale_robustness",
    }
    assert (fix.runs[0].note, fix.runs[0].lrbench_version, fix.runs[0].shipped) == ("mine", "0.1.0", False)
    assert by_name[FIX, "Adam"].workload.solver == {"type": "Adam", "momentum": 0.9}  # its scale is in the policy
    (broken,) = by_name[TRI, "SGD"].runs
    assert (broken.status, broken.reason, broken.curve) == ("diverged", "not finite", ())
    assert broken.metrics["best_accuracy"] is None


def test_runs_with_rates_of_an_earlier_count_of_cycles_say_so(tmp_path):
    policy = "STEP(k0=0.1, gamma=0.5, l=10.8)"
    fake_runs.write_run(tmp_path, policy, [0.9], seed=0)
    fake_runs.write_run(tmp_path, policy, [0.9], seed=1, rates=2)
    fake_runs.write_run(tmp_path, TRI, [0.9])
    notes = {each.policy: [run.note for run in each.runs] for each in collect([tmp_path]).entries}
    assert notes == {policy: ["rates computed with an earlier count of cycles", None], TRI: [None]}


def test_the_machines_name_is_not_kept(tmp_path):
    fake_runs.write_run(tmp_path, FIX, machine={"host": "secret-host", "cpu": "A Processor", "cores": 8})
    ((found,),) = (each.runs for each in collect([tmp_path]).entries)
    assert (found.cpu, found.cores) == ("A Processor", 8)
    assert "secret-host" not in repr(found)


def test_runs_without_an_outcome_and_damaged_ones_are_counted_and_named(tmp_path):
    fake_runs.write_run(tmp_path, FIX, seed=0)
    fake_runs.write_run(tmp_path, FIX, seed=1, status="failed")
    fake_runs.write_run(tmp_path, FIX, seed=2, status="running")
    fake_runs.write_run(tmp_path, FIX, seed=3, status="pending")
    torn = fake_runs.write_run(tmp_path, FIX, seed=4)
    (torn / "evaluations.jsonl").write_text("{}\n")
    odd = fake_runs.write_run(tmp_path, FIX, seed=5, workload=fake_runs.WORKLOAD | {"net": {"name": "lenet"}})
    found = collect([tmp_path])
    assert [each.seeds for each in found.entries] == [(0,)]
    assert found.unfinished == {"cut off": 1, "failed": 1, "pending": 1}
    assert len(found.problems) == 2
    assert f"{torn}: evaluations.jsonl:1 is not an evaluation" in found.problems[0] + found.problems[1]
    assert f"{odd}: run.json does not say what it should: net_sha256: " in found.problems[0] + found.problems[1]


@pytest.mark.parametrize(
    "change",
    [
        {"workload": {}},
        {"solver": {"type": ["SGD"]}},
        {"engine": {"name": "caffe"}},
        {"policy": "FIX(\x1b[31m)"},
        {"policy": ""},
        {"lr_scale": -1},
        {"seed": 2**40},
        {"run_id": "x\ny"},
    ],
)
def test_a_run_json_that_is_not_lrbenchs_is_named(tmp_path, change):
    folder = fake_runs.write_run(tmp_path, FIX)
    content = json.loads((folder / "run.json").read_text()) | change
    (folder / "run.json").write_text(json.dumps(content))
    found = collect([tmp_path])
    assert found.entries == []
    assert len(found.problems) == 1


def test_a_folder_without_runs_is_refused(tmp_path):
    fake_runs.write_run(tmp_path / "good", FIX)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match=r"empty: there is no run in this folder; give a results folder"):
        collect([tmp_path / "good", tmp_path / "empty"])
    with pytest.raises(ResultsError, match=r"no such folder"):
        collect([tmp_path / "missing"])


@pytest.mark.parametrize(
    ("name", "evaluated_on"),
    [
        ("mnist", "test"),
        ("mnist-holdout5000", "validation"),
        ("holdout5000", "test"),
        ("mnist-holdout5000-x", "test"),
    ],
)
def test_a_data_set_with_a_held_out_part_is_told_by_its_name(name, evaluated_on):
    data = {"name": name, "sha256": "b" * 64, "label": "MNIST"}
    workload = workload_of_run(fake_runs.description(workload=fake_runs.WORKLOAD | {"dataset": data}))
    assert workload.evaluated_on == evaluated_on
    assert workload.engine_precision == "float32"


def test_the_same_number_written_otherwise_is_the_same_workload():
    def of(solver):
        return entry(solver=solver).workload.id

    assert of({"type": "SGD", "clip_gradients": 35}) == of({"clip_gradients": 35.0, "type": "SGD"})
    assert of({"type": "SGD", "clip_gradients": 35}) != of({"type": "SGD", "clip_gradients": 36})


def test_no_target_is_reached_at_iteration_0():
    assert new_bests({"iteration": np.array([0.0, 500.0]), "accuracy_top1": np.array([0.9, 0.5])})[0].iteration == 500
    stored = run(0, curve=(NewBest(0, 0.9, 0.0), NewBest(500, 0.95, 10.0)))
    assert stored.iterations_to(0.9) == 500


def test_a_seed_that_missed_an_accuracy_counts_with_the_budget():
    found = entry(runs=[run(0, (0.9, 0.95)), run(1, (0.9, 0.91, 0.96)), diverged(2)])
    times = found.times_to(0.95)
    assert (times.mean, times.n, times.runs, times.restricted_mean) == (1250, 2, 3, (1000 + 1500 + 2000) / 3)
    assert found.times_to(0.95, within=1000).restricted_mean == 1000
    assert found.times_to(0.95, within=1000).n == 1


LOSS = Objective("test_loss", "minimize")


def test_a_loss_is_reached_from_above_and_soonest_at_the_first_evaluation_below_it():
    found = program_entry(runs=[program_run(0, (2.0, 1.0, 0.5)), program_run(1, (1.0, 0.8))])
    target = Target(LOSS, 0.9)
    assert nan_as_none(found.iterations_to(target)) == [1500, 1000]
    assert found.times_to(Target(LOSS, 0.5)).n == 1
    assert found.reached(Target(LOSS, 0.5)) == Reached(reached=1, missed=1, unknown=0)
    assert found.objective == LOSS


def test_of_a_metric_that_no_run_is_judged_by_it_is_not_known_whether_it_was_reached():
    perplexity = Target(Objective("perplexity", "minimize"), 9.0)
    assert program_entry().reached(perplexity) == Reached(reached=0, missed=0, unknown=1)
    assert entry().reached(perplexity) == Reached(reached=0, missed=0, unknown=2)
    assert program_entry().reached(Target(Objective("test_loss", "maximize"), 9.0)).reached == 0


def test_entries_whose_runs_differ_in_their_objective_are_judged_by_accuracy():
    assert program_entry(runs=[program_run(0), program_run(1, objective={})]).objective == ACCURACY
    agreed = program_entry(runs=[program_run(0), program_run(1, facts={"split_used": True, "optimizer": "SGD"})])
    assert agreed.facts == {"split_used": True}


def test_new_bests_of_a_loss_fall():
    evaluations = {"iteration": np.array([0.0, 5, 10, 15]), "test_loss": np.array([0.1, 2.0, 2.5, 1.0])}
    assert [point.value for point in new_bests(evaluations, LOSS)] == [2.0, 1.0]


def test_seeds_that_change_nothing_are_one_sample_without_a_deviation():
    clocks = {"test_loss": 0.5, "best_test_loss": 0.5, "train_seconds": 9.0}
    found = program_entry(runs=[program_run(0), program_run(1), program_run(2)])
    assert found.equal_seeds
    assert (found.spread("test_loss").n, found.spread("test_loss").deviation) == (1, None)
    assert found.spread("test_loss").equal_seeds
    assert found.times_to(Target(LOSS, 0.5)).n == 1
    timed = program_entry(
        runs=[program_run(0, metrics=clocks), program_run(1, metrics={**clocks, "train_seconds": 8.0})]
    )
    assert timed.equal_seeds
    assert timed.spread("train_seconds").n == 2
    assert not program_entry(runs=[program_run(0), program_run(1, (2.0, 0.9, 0.5))]).equal_seeds
    assert not program_entry(runs=[program_run(0)]).equal_seeds
    same = entry(runs=[run(seed, metrics={**run(0).metrics, "train_seconds": 9.0 + seed}) for seed in (0, 1)])
    assert (same.times_to(0.95).mean, same.times_to(0.95).deviation) == (1000, None)
    assert (same.reached(0.95).reached, same.reached(0.999).missed) == (2, 2)
    assert not entry(runs=[diverged(0), diverged(1)]).equal_seeds
