"""The pictures: which files, what curves, and that hostile labels do no harm. How they look was judged by eye."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from factories import fake_runs
from matplotlib.figure import Figure

from lrbench.drawing.axes import plain_axes
from lrbench.drawing.theme import MOST_POLICIES
from lrbench.errors import ResultsError
from lrbench.metrics.registry import metric_named
from lrbench.policies import parse_policy
from lrbench.report.build import build_report
from lrbench.report.figures.curves import write_plots
from lrbench.report.figures.data import metric_curve, rank_labels, rate_curve
from lrbench.report.figures.panels import PlotContext
from lrbench.report.load import load

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)"
NAMES = ["rates.png", "losses.png", "accuracy.png", "confidence.png"]


def built(results):
    loaded = load([results])
    return build_report(loaded.runs, metric_named("best_accuracy"), [results])


def test_each_workload_has_four_pictures_of_its_own(tmp_path):
    fake_runs.write_run(tmp_path / "results", FIX)
    other = {**fake_runs.WORKLOAD, "net": {"name": "../../etc/x", "sha256": "d"}}
    fake_runs.write_run(tmp_path / "results", TRI, [0.1, None], workload=other, status="diverged")
    written = write_plots(built(tmp_path / "results"), tmp_path / "new" / "plots")
    assert [path.name for path in written] == [
        f"{prefix}-batch-100-2-000-iterations-{name}"
        for prefix in ("1-etc-x-on-mnist", "2-lenet-on-mnist")
        for name in NAMES
    ]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert sorted((tmp_path / "new" / "plots").iterdir()) == sorted(written)


@pytest.mark.parametrize("accuracies", [[], [None], [0.5]])
def test_runs_with_next_to_nothing_to_draw(tmp_path, unrendered, accuracies):
    fake_runs.write_run(tmp_path, FIX, accuracies, status="running")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(write_plots(built(tmp_path), tmp_path / "plots")) == 4


def test_labels_from_files_are_no_formulas_and_warn_of_nothing(tmp_path, unrendered):
    for number, label in enumerate(["$\\frac{1}{$", "_hidden", "学习率 \U0001f600 \x1b[31m", "{}%s\\n"]):
        fake_runs.write_run(tmp_path, label, run_id=f"r{number}", function="F")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_plots(built(tmp_path), tmp_path / "plots")


def test_a_curve_is_the_mean_over_the_seeds_with_its_band(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.8, 0.9], seed=0)
    fake_runs.write_run(tmp_path, FIX, [0.3, 0.6], seed=1, status="stopped")
    fake_runs.write_run(tmp_path, FIX, [0.2, 0.4, None], seed=2, status="diverged")
    fake_runs.write_run(tmp_path, FIX, [0.9], seed=3, status="failed")
    curve = metric_curve(built(tmp_path).workloads[0].policies[0], "accuracy_top1")
    assert curve.iterations.tolist() == [0, 500, 1000]
    assert curve.mean.tolist() == pytest.approx([0.2, 0.6, 0.9])
    assert curve.lowest.tolist() == pytest.approx([0.1, 0.4, 0.9])
    assert curve.highest.tolist() == pytest.approx([0.3, 0.8, 0.9])
    assert curve.ends == ((500, 0.4),)


def test_a_curve_where_no_seed_has_a_value_is_broken_not_zero(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, None, 0.9])
    row = built(tmp_path).workloads[0].policies[0]
    assert math.isnan(metric_curve(row, "accuracy_top1").mean[1])
    assert metric_curve(row, "no_such_column").empty


def test_rates_are_the_policys_own(tmp_path):
    fake_runs.write_run(tmp_path, TRI)
    curve = rate_curve(built(tmp_path).workloads[0].policies[0])
    assert np.array_equal(curve.iterations, np.arange(2000))
    assert np.array_equal(curve.mean, parse_policy(TRI).rates(np.arange(2000), 2000))


@pytest.mark.parametrize("iterations", [2000, "many", 10**30, -1])
def test_rates_of_what_is_no_policy_are_those_written_down(tmp_path, iterations):
    policy = "MINE(x=1)" if iterations == 2000 else TRI
    fake_runs.write_run(tmp_path, policy, workload={**fake_runs.WORKLOAD, "iterations": iterations})
    curve = rate_curve(built(tmp_path).workloads[0].policies[0])
    assert curve.iterations.tolist() == [0, 500, 1000, 1500, 2000]
    assert set(curve.mean.tolist()) == {0.01}


def test_rates_that_depend_on_the_run_are_those_that_were_used(tmp_path, unrendered):
    for seed, rates in enumerate(([0.1, 0.1, 0.01], [0.1, 0.01, 0.01])):
        folder = fake_runs.write_run(tmp_path / "results", "PLATEAU(k0=0.1)", seed=seed)
        rows = [fake_runs.evaluation(500 * index + 500, 0.5, learning_rate=rate) for index, rate in enumerate(rates)]
        (folder / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = built(tmp_path / "results")
    curve = rate_curve(report.workloads[0].policies[0])
    assert curve.at_evaluations
    assert curve.iterations.tolist() == [0, 500, 1000, 1500]
    assert curve.mean.tolist() == pytest.approx([0.1, 0.1, 0.055, 0.01])
    assert (curve.lowest[2], curve.highest[2]) == (0.01, 0.1)
    assert len(write_plots(report, tmp_path / "plots")) == 4


def test_a_long_run_is_thinned_out(tmp_path):
    fake_runs.write_run(tmp_path, FIX, workload={**fake_runs.WORKLOAD, "iterations": 10**12})
    curve = rate_curve(built(tmp_path).workloads[0].policies[0])
    assert len(curve.iterations) == 20_000
    assert (curve.iterations[0], curve.iterations[-1]) == (0, 10**12 - 1)


def test_of_many_policies_the_best_are_drawn_each_with_a_look_of_its_own(tmp_path):
    for number in range(MOST_POLICIES + 5):
        fake_runs.write_run(tmp_path, f"FIX(k0={number + 1})", [0.5 + number / 100])
    report = built(tmp_path)
    context = PlotContext.of(report.workloads[0], report.metric)
    assert len(context.series) == MOST_POLICIES
    assert len({(line.colour, str(line.look["linestyle"])) for line in context.series}) == MOST_POLICIES
    assert context.series[0].label.startswith("1.  FIX(k0=35)  [84.00]")
    assert "the first 30 of 35 policies" in context.legend_title


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 3), (20, 20), (40, 42), (0, 10_000)])
def test_iterations_on_an_axis_are_whole_and_each_there_once(first, last):
    axes = Figure().add_subplot()
    axes.plot([first, last], [0, 1])
    plain_axes(axes)
    shown = [at for at in axes.get_xticks() if axes.get_xlim()[0] <= at <= axes.get_xlim()[1]]
    assert shown
    assert all(at == round(at) for at in shown)


def test_a_folder_that_cannot_be_made(tmp_path):
    fake_runs.write_run(tmp_path / "results", FIX)
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(ResultsError, match=r"rates\.png: cannot be written: .*; change --plots"):
        write_plots(built(tmp_path / "results"), tmp_path / "plots")


def test_lines_of_policies_that_share_a_rank_are_labelled_apart(tmp_path):
    for policy, end in ((FIX, 0.9), (TRI, 0.9), ("FIX(k0=0.02)", 0.8)):
        fake_runs.write_run(tmp_path, policy, [0.1, end])
    for policy in ("FIX(k0=1)", "FIX(k0=2)"):
        fake_runs.write_run(tmp_path, policy, [0.1, None], status="diverged")
    rows = built(tmp_path).workloads[0].policies
    assert rank_labels(rows)[:3] == ["1a", "1b", "3"]
    assert len(set(rank_labels(rows))) == 5
