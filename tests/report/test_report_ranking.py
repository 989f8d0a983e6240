"""From run directories to ranked policies: means, statuses, repeats, groups and robustness."""

from __future__ import annotations

import json

import pytest
from factories import fake_runs
from shown import terminal_report

from lrbench.errors import ResultsError
from lrbench.metrics.registry import metric_named
from lrbench.report.build import build_report
from lrbench.report.load import load
from lrbench.report.views.ranking_data import ranking_data

FIX, TRI, STEP = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)", "STEP(k0=0.1, gamma=0.5, l=100)"


def report_of(results, metric="best_accuracy", target=None):
    loaded = load([results], target)
    return build_report(loaded.runs, metric_named(metric), [results], loaded.problems)


def ranks(report):
    (workload,) = report.workloads
    return [(row.rank, row.policy) for row in workload.policies]


def write_seeds(results, policy, bests, **keys):
    for seed, best in enumerate(bests):
        fake_runs.write_run(results, policy, [0.1, best], seed=seed, **keys)


def test_policies_are_ranked_by_their_mean_over_seeds(tmp_path):
    write_seeds(tmp_path, FIX, [0.90, 0.92, 0.91])
    write_seeds(tmp_path, TRI, [0.96, 0.97, 0.95])
    report = report_of(tmp_path)
    assert ranks(report) == [(1, TRI), (2, FIX)]
    best, second = report.workloads[0].policies
    summary = best.summaries["best_accuracy"]
    assert (summary.mean, summary.deviation, summary.n) == (pytest.approx(0.96), pytest.approx(0.01), 3)
    assert best.comparison is not None
    assert best.comparison.verdict == "best"
    assert second.comparison is not None
    assert second.comparison.verdict == "worse"


def test_a_metric_of_which_less_is_better(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9, 0.95])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.5, 0.99])
    assert ranks(report_of(tmp_path, "test_loss")) == [(1, TRI), (2, FIX)]
    assert ranks(report_of(tmp_path, "iterations_to_target", target=0.9)) == [(1, FIX), (2, TRI)]


def test_what_has_no_value_comes_last_and_has_no_rank(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.5])
    assert ranks(report_of(tmp_path, "seconds_to_target", target=0.8)) == [(1, FIX), (None, TRI)]


def write_reaching(results, policy, reached_at, **keys):
    """A finished run of 2,000 iterations a seed that has 90 % from an iteration on; None: never."""
    for seed, at in enumerate(reached_at):
        accuracies = [0.1, *(0.95 if iteration >= (at or 9999) else 0.5 for iteration in range(500, 2001, 500))]
        fake_runs.write_run(results, policy, accuracies, seed=seed, **keys)


@pytest.mark.parametrize("metric", ["iterations_to_target", "seconds_to_target"])
def test_a_policy_that_all_seeds_reach_the_target_with_ranks_first(tmp_path, metric):
    write_reaching(tmp_path, FIX, [500, None])
    write_reaching(tmp_path, TRI, [1500, 2000])
    assert ranks(report_of(tmp_path, metric, target=0.9)) == [(1, TRI), (2, FIX)]


def test_of_an_equal_share_the_lower_restricted_mean_ranks_first(tmp_path):
    write_reaching(tmp_path, FIX, [1000, None])
    write_reaching(tmp_path, TRI, [500, None])
    report = report_of(tmp_path, "iterations_to_target", target=0.9)
    assert ranks(report) == [(1, TRI), (2, FIX)]
    times = report.workloads[0].policies[0].times["iterations_to_target"]
    assert (times.mean, times.n, times.runs, times.restricted_mean) == (500, 1, 2, (500 + 2000) / 2)


def test_a_miss_that_ended_early_counts_with_the_seconds_of_the_whole_budget(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.95])  # at iteration 500, after 10 s
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.2, None], seed=1, status="diverged")  # at iteration 1,000 of 2,000
    (row,) = report_of(tmp_path, "seconds_to_target", target=0.9).workloads[0].policies
    assert row.times["seconds_to_target"].restricted_mean == (10 + 40) / 2


def test_a_target_that_a_seed_missed_is_not_tested(tmp_path):
    write_reaching(tmp_path, FIX, [500, 1000, 500])
    write_reaching(tmp_path, TRI, [1000, 1500, 2000])
    write_reaching(tmp_path, STEP, [500, 500, None])
    report = report_of(tmp_path, "iterations_to_target", target=0.9)
    comparisons = [row.comparison for row in report.workloads[0].policies]
    assert [comparison.verdict for comparison in comparisons] == ["best", "not told apart", "missed"]
    assert comparisons[1].p is not None
    assert comparisons[2].p is None


def test_where_every_policy_missed_the_target_with_a_seed_none_is_tested(tmp_path):
    write_reaching(tmp_path, FIX, [500, 1000, None])
    write_reaching(tmp_path, TRI, [1000, 1500, None])
    report = report_of(tmp_path, "iterations_to_target", target=0.9)
    assert [row.comparison.verdict for row in report.workloads[0].policies] == ["missed", "missed"]


def test_what_diverged_after_it_reached_the_target_ranks_behind_an_equal_share_that_did_not(tmp_path):
    write_reaching(tmp_path, FIX, [1500, 1500])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.95, 0.95])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.95, None], seed=1, status="diverged")
    write_reaching(tmp_path, STEP, [500, None])
    report = report_of(tmp_path, "iterations_to_target", target=0.9)
    assert ranks(report) == [(1, FIX), (2, TRI), (3, STEP)]
    assert [row.comparison.verdict for row in report.workloads[0].policies] == ["best", "diverged", "missed"]


def test_a_run_under_way_has_not_missed_the_target(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.5], status="running")
    (row,) = report_of(tmp_path, "iterations_to_target", target=0.9).workloads[0].policies
    assert row.times["iterations_to_target"].restricted_mean is None
    assert row.missed(metric_named("iterations_to_target")) == 0


def test_equal_means_share_a_rank(tmp_path):
    for policy, best in ((FIX, 0.9), (TRI, 0.9), (STEP, 0.8)):
        fake_runs.write_run(tmp_path, policy, [best])
    assert [rank for rank, _ in ranks(report_of(tmp_path))] == [1, 1, 3]


def test_a_diverged_seed_keeps_its_best_has_no_final_and_is_counted(tmp_path):
    write_seeds(tmp_path, FIX, [0.90, 0.92])
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.7, None], seed=2, status="diverged")
    fake_runs.write_run(tmp_path, FIX, [None], seed=3, status="diverged")
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.statuses == {"finished": 2, "diverged": 2}
    assert (row.summaries["best_accuracy"].mean, row.summaries["best_accuracy"].n) == (pytest.approx(0.84), 3)
    assert (row.summaries["final_accuracy"].mean, row.summaries["final_accuracy"].n) == (pytest.approx(0.91), 2)


def test_what_diverged_ranks_behind_what_did_not_and_is_not_tested(tmp_path):
    write_seeds(tmp_path, FIX, [0.80, 0.82, 0.81])
    write_seeds(tmp_path, TRI, [0.70, 0.72, 0.71])
    write_seeds(tmp_path, STEP, [0.95, 0.96])
    fake_runs.write_run(tmp_path, STEP, [0.1, None], seed=2, status="diverged")
    fake_runs.write_run(tmp_path, "FIX(k0=9)", [0.1, 0.99], seed=0)
    for seed in (1, 2):
        fake_runs.write_run(tmp_path, "FIX(k0=9)", [None], seed=seed, status="diverged")
    report = report_of(tmp_path)
    assert ranks(report) == [(1, FIX), (2, TRI), (3, STEP), (4, "FIX(k0=9)")]
    comparisons = [row.comparison for row in report.workloads[0].policies]
    assert [comparison.verdict for comparison in comparisons] == ["best", "worse", "diverged", "diverged"]
    assert comparisons[1].p is not None
    assert comparisons[2].p is None


def test_where_all_diverged_none_is_the_best(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.5, None], status="diverged")
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.rank == 1
    assert row.comparison.verdict == "diverged"


def test_failed_and_unfinished_runs_are_counted_but_not_averaged(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], seed=0)
    fake_runs.write_run(tmp_path, FIX, [0.1], seed=1, status="failed", reason="the disk is full")
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.2], seed=2, status="running")  # no process holds it
    fake_runs.write_run(tmp_path, FIX, [], seed=3, status="pending")
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.statuses == {"finished": 1, "pending": 1, "cut off": 1, "failed": 1}
    assert row.summaries["best_accuracy"].mean == 0.9
    assert not row.provisional


def test_while_runs_are_under_way_the_best_so_far_is_shown_without_a_rank(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.5])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.9], status="running")
    fake_runs.write_run(tmp_path, STEP, [0.1, 0.95], status="failed")
    report = report_of(tmp_path)
    assert ranks(report) == [(1, FIX), (None, TRI), (None, STEP)]
    _, under_way, failed = report.workloads[0].policies
    assert under_way.provisional
    assert under_way.comparison is None
    assert under_way.summaries["best_accuracy"].mean == 0.9
    assert failed.summaries["best_accuracy"].mean is None


def test_each_workload_has_a_table_of_its_own(tmp_path):
    fake_runs.write_run(tmp_path, FIX, experiment="a")
    other = {**fake_runs.WORKLOAD, "dataset": {"name": "cifar10", "sha256": "c" * 64, "label": "CIFAR-10"}}
    fake_runs.write_run(tmp_path, FIX, experiment="b", workload=other)
    assert [workload.label for workload in report_of(tmp_path).workloads] == [
        "lenet on CIFAR-10, batch 100, 2,000 iterations",
        "lenet on MNIST, batch 100, 2,000 iterations",
    ]


def test_workloads_of_one_name_are_told_apart(tmp_path):
    fake_runs.write_run(tmp_path, FIX, experiment="a")
    fake_runs.write_run(tmp_path, FIX, experiment="b", workload={**fake_runs.WORKLOAD, "test_interval": 50})
    assert [workload.label.partition("iterations ")[2] for workload in report_of(tmp_path).workloads] == [
        "(test_interval=50)",
        "(test_interval=500)",
    ]


def test_what_cannot_change_the_outcome_does_not_split_a_workload(tmp_path):
    fake_runs.write_run(tmp_path, FIX, experiment="a")
    shown = {**fake_runs.WORKLOAD, "display_interval": 7, "test_batch_size": 50}
    fake_runs.write_run(tmp_path, TRI, experiment="b", workload=shown, engine={**fake_runs.ENGINE, "version": "2"})
    assert len(report_of(tmp_path).workloads) == 1


def test_solvers_and_engines_are_rows_of_their_own(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9])
    fake_runs.write_run(tmp_path, FIX, [0.8], solver={**fake_runs.SOLVER, "momentum": 0.5}, run_id="b")
    fake_runs.write_run(tmp_path, FIX, [0.7], solver={"type": "Adam"}, run_id="c")
    fake_runs.write_run(tmp_path, FIX, [0.6], engine={**fake_runs.ENGINE, "driver": "native"}, run_id="d")
    (workload,) = report_of(tmp_path).workloads
    assert [(row.solver, row.engine) for row in workload.policies] == [
        ("SGD (momentum=0.9)", "caffe (driver=stepping)"),
        ("SGD (momentum=0.5)", "caffe (driver=stepping)"),
        ("Adam", "caffe (driver=stepping)"),
        ("SGD (momentum=0.9)", "caffe (driver=native)"),
    ]


def test_the_same_seed_twice_is_one_sample(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9, 0.91], experiment="a")
    short = fake_runs.write_run(tmp_path, FIX, [0.9], experiment="b", status="running")
    report = report_of(tmp_path)
    (row,) = report.workloads[0].policies
    assert row.summaries["best_accuracy"].n == 1
    assert row.statuses == {"finished": 1}
    assert [run.path for run in report.repeats] == [short]
    assert len(report.runs) == 2


def test_best_and_worst_of_each_function(tmp_path):
    for k0, best in ((0.01, 0.9), (0.1, 0.95), (1.0, 0.2)):
        fake_runs.write_run(tmp_path, f"FIX(k0={k0})", [best])
    fake_runs.write_run(tmp_path, TRI, [0.93])
    fix, tri = report_of(tmp_path).workloads[0].functions()
    assert (fix.function, fix.policies) == ("FIX", 3)
    assert (fix.best.policy, fix.worst.policy) == ("FIX(k0=0.1)", "FIX(k0=1.0)")
    assert (tri.function, tri.policies, tri.best) == ("TRI", 1, tri.worst)


def test_a_policy_that_only_diverges_is_the_worst_of_its_function(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9])
    fake_runs.write_run(tmp_path, "FIX(k0=9)", [None], status="diverged")
    fake_runs.write_run(tmp_path, "FIX(k0=8)", [0.1], status="running")
    (fix,) = report_of(tmp_path).workloads[0].functions()
    assert (fix.policies, fix.best.policy, fix.worst.policy) == (2, FIX, "FIX(k0=9)")


def test_robustness_is_over_the_scales_with_the_policy_itself(tmp_path):
    for scale, bests in ((1.0, [0.9, 0.92]), (0.1, [0.8, 0.82]), (10.0, [0.4, 0.42])):
        write_seeds(tmp_path, FIX, bests, lr_scale=scale, robustness_scales=[0.1, 10.0])
    (row,) = report_of(tmp_path, "lr_scale_robustness").workloads[0].policies
    assert row.rank == 1
    assert row.robustness is not None
    assert row.robustness.spread == pytest.approx(0.5)
    assert row.robustness.values == pytest.approx({0.1: 0.81, 1.0: 0.91, 10.0: 0.41})
    assert row.summaries["best_accuracy"].mean == pytest.approx(0.91)  # the scaled runs are not among them


def test_a_scale_at_which_some_seeds_diverged_leaves_the_robustness_unknown(tmp_path):
    write_seeds(tmp_path, FIX, [0.9, 0.92])
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.8], lr_scale=10.0)
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.3, None], lr_scale=10.0, seed=1, status="diverged")
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.robustness is not None
    assert row.robustness.spread is None
    assert row.robustness.diverged == {10.0: 1}
    assert row.robustness.values == pytest.approx({1.0: 0.91, 10.0: 0.8})
    assert row.summaries["lr_scale_robustness"].n == 0


@pytest.mark.parametrize(
    ("status", "accuracies"), [("diverged", [None]), ("running", [0.1, 0.3]), ("failed", [0.1]), (None, [])]
)
def test_a_scale_without_accuracy_leaves_the_robustness_unknown(tmp_path, status, accuracies):
    fake_runs.write_run(tmp_path, FIX, [0.9], robustness_scales=[10.0])
    if status is not None:
        fake_runs.write_run(tmp_path, FIX, accuracies, lr_scale=10.0, status=status, robustness_scales=[10.0])
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.robustness is not None
    assert row.robustness.spread is None
    assert row.robustness.missing == (10.0,)


def test_a_target_given_to_the_report_goes_before_the_runs_own(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9, 0.95], target_accuracy=0.95)
    assert load([tmp_path]).runs[0].metrics["iterations_to_target"] == 1000
    assert load([tmp_path], 0.9).runs[0].metrics["iterations_to_target"] == 500
    assert load([tmp_path], 0.99).runs[0].metrics["iterations_to_target"] is None


def test_a_table_has_one_target_or_none(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.7, 0.9], target_accuracy=0.7)
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.7, 0.91], seed=1, target_accuracy=0.9)
    (workload,) = report_of(tmp_path).workloads
    assert workload.target is None
    assert dict(workload.targets) == {0.7: 1, 0.9: 1}
    summary = workload.policies[0].summaries["iterations_to_target"]
    assert (summary.mean, summary.n) == (None, 0)  # not 750, the mean of 500 to 0.7 and 1000 to 0.9
    assert ranks(report_of(tmp_path, "iterations_to_target")) == [(None, FIX)]
    (workload,) = report_of(tmp_path, target=0.8).workloads
    summary = workload.policies[0].summaries["iterations_to_target"]
    assert (workload.target, summary.mean, summary.n) == (0.8, 1000, 2)


def test_the_only_target_holds_for_runs_that_name_none(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.7, 0.9], target_accuracy=0.9)
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.7, 0.7, 0.9], seed=1)
    (workload,) = report_of(tmp_path).workloads
    summary = workload.policies[0].summaries["iterations_to_target"]
    assert (workload.target, summary.mean, summary.n) == (0.9, 1250, 2)


def test_a_repeat_with_another_target_is_not_asked(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], target_accuracy=0.9, experiment="a")
    fake_runs.write_run(tmp_path, FIX, [0.1], target_accuracy=0.7, experiment="b", status="running")
    assert report_of(tmp_path).workloads[0].target == 0.9


def test_a_damaged_run_is_named_and_the_rest_shown(tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    broken = fake_runs.write_run(tmp_path, TRI)
    (broken / "run.json").write_text("{")
    loaded = load([tmp_path])
    assert [run.policy for run in loaded.runs] == [FIX]
    assert len(loaded.problems) == 1
    assert str(broken) in loaded.problems[0]


def test_a_run_with_a_damaged_line_shows_what_is_before_it_and_is_no_outcome(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], seed=0)
    broken = fake_runs.write_run(tmp_path, FIX, [0.1, 0.8, 0.95], seed=1) / "evaluations.jsonl"
    lines = broken.read_text().splitlines()
    broken.write_text("\n".join([*lines[:2], "garbage", ""]))
    loaded = load([tmp_path])
    assert loaded.problems == []
    (note,) = loaded.notes
    assert note == f"{broken.parent}: evaluations.jsonl:3 is not JSON; only the evaluations before that are shown"
    damaged = loaded.runs[1]
    assert (damaged.status, damaged.reason) == ("cut off", "evaluations.jsonl:3 is not JSON")
    assert damaged.evaluations["accuracy_top1"].tolist() == [0.1, 0.8]
    (row,) = build_report(loaded.runs, metric_named("best_accuracy")).workloads[0].policies
    assert (row.summaries["best_accuracy"].mean, row.summaries["best_accuracy"].n) == (0.9, 1)
    assert row.statuses == {"finished": 1, "cut off": 1}


def test_damage_does_not_hide_a_divergence(tmp_path):
    broken = fake_runs.write_run(tmp_path, FIX, [0.1, None], status="diverged") / "evaluations.jsonl"
    broken.write_text(broken.read_text() + "garbage\n")
    assert [run.status for run in load([tmp_path]).runs] == ["diverged"]


def test_a_folder_without_runs_is_named_beside_one_with(tmp_path):
    fake_runs.write_run(tmp_path / "results", FIX)
    (tmp_path / "empty").mkdir()
    loaded = load([tmp_path / "results", tmp_path / "empty", tmp_path / "results" / "exp"])
    assert len(loaded.runs) == 1
    assert loaded.problems == [f"{tmp_path / 'empty'}: there is no run in this folder"]


def test_nothing_to_report(tmp_path):
    with pytest.raises(ResultsError, match="there is no run in this folder, so there is nothing to report; give a"):
        load([tmp_path])
    with pytest.raises(ResultsError, match="nowhere: no such file or folder"):
        load([tmp_path / "nowhere"])


def test_runs_with_rates_of_an_earlier_count_are_labelled(tmp_path):
    fake_runs.write_run(tmp_path, "STEP(k0=0.1, gamma=0.5, l=10.8)", [0.1, 0.90])
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.8])
    report = report_of(tmp_path)
    assert [row.engine for row in report.workloads[0].policies] == ["caffe", "caffe"]
    said = " ".join(terminal_report(report).split())
    assert "the rates of 1 of 2 runs were computed with an earlier count of cycles" in said
    assert [run["rates"] for run in ranking_data(report)["runs"]] == [None, 1]


def test_runs_with_rates_of_an_earlier_count_are_not_averaged_with_those_of_today(tmp_path):
    policy = "STEP(k0=0.1, gamma=0.5, l=10.8)"
    fake_runs.write_run(tmp_path, policy, [0.1, 0.90], run_id="old")
    fake_runs.write_run(tmp_path, policy, [0.1, 0.91], run_id="old-2", seed=2)
    fake_runs.write_run(tmp_path, policy, [0.1, 0.95], run_id="new", rates=2, status="running")
    (row,) = report_of(tmp_path).workloads[0].policies
    assert row.summaries["best_accuracy"].mean == pytest.approx(0.905)
    fake_runs.write_run(tmp_path, policy, [0.1, 0.97], run_id="new-1", rates=2, seed=1)
    report = report_of(tmp_path)
    (row,) = report.workloads[0].policies
    assert row.summaries["best_accuracy"].mean == 0.97
    assert sorted(run.run_id for run in report.repeats) == ["old", "old-2"]
    assert "earlier count" not in terminal_report(report)


def test_nothing_is_said_of_the_count_of_cycles_where_every_length_is_whole(tmp_path):
    write_seeds(tmp_path, TRI, [0.9, 0.8])
    assert "count of cycles" not in terminal_report(report_of(tmp_path))


def test_a_test_pass_at_iteration_0_is_no_result_to_rank_by(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.99, 0.8])
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.9])
    fake_runs.write_run(tmp_path, STEP, [0.99, None], status="diverged")
    assert ranks(report_of(tmp_path)) == [(1, TRI), (2, FIX), (None, STEP)]
    assert ranks(report_of(tmp_path, "iterations_to_target", target=0.85)) == [(1, TRI), (None, FIX), (None, STEP)]


@pytest.mark.parametrize(
    ("accuracy", "loss", "why"),
    [
        (None, 87.3365, "the net's outputs are not finite"),
        (1.0, 87.3365, "the test loss of 87.3365 and the accuracy of 100 % stand for NaN"),
    ],
)
def test_a_run_stored_as_finished_that_had_diverged_keeps_its_status_and_is_named(tmp_path, accuracy, loss, why):
    run = fake_runs.write_run(tmp_path, FIX, [0.1, 0.2])
    last = fake_runs.evaluation(1000, accuracy, test_loss=loss)
    with (run / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps(last) + "\n")
    loaded = load([tmp_path])
    assert [row.status for row in loaded.runs] == ["finished"]
    assert loaded.notes == [
        f"{run}: this run is stored as finished, but in its last evaluation {why}, as after divergence"
    ]


@pytest.mark.parametrize(
    ("status", "accuracies"), [("diverged", [0.1, None]), ("finished", [0.1, 0.9]), ("running", [])]
)
def test_other_runs_are_not_named(tmp_path, status, accuracies):
    fake_runs.write_run(tmp_path, FIX, accuracies, status=status)
    assert load([tmp_path]).notes == []
