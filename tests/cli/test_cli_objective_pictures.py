"""Figures, page, watch and comparisons of programs go by the objective of the spec, and leave out what is not given."""

from __future__ import annotations

import json
import warnings
from datetime import datetime
from typing import Any

import matplotlib.pyplot as plt
import pytest
from factories.fake_programs import TEST_LOSS, write_program_run

import lrbench as lrbench_package
from lrbench.cli import watch as watch_module
from lrbench.report.active_runs import active_runs
from lrbench.report.figures.data import objective_limits, zoom
from lrbench.report.figures.panels import PlotContext, panels
from lrbench.report.load import load, read_report
from lrbench.report.page.document import page_document
from lrbench.report.progress import ExperimentProgress

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
PERPLEXITY = {"metric": "perplexity", "at": "final", "goal": "minimize"}
REWARD = {"metric": "reward", "at": "final", "goal": "maximize"}
TARGET = {"metric": "perplexity", "value": 25.0, "goal": "minimize"}


@pytest.fixture
def losses(tmp_path):
    """A program that reports a test loss alone."""
    for seed in (0, 1):
        write_program_run(tmp_path / "losses", FIX, {"test_loss": [2.0, 1.5, 1.25 + seed / 50]}, seed=seed)
        write_program_run(tmp_path / "losses", TRI, {"test_loss": [1.0, 0.6, 0.5 + seed / 50]}, seed=seed)
    return tmp_path / "losses"


@pytest.fixture
def words(tmp_path):
    """A language model, judged by its perplexity."""
    given: dict[str, Any] = {"objective": PERPLEXITY, "target": TARGET, "program": "words.py"}
    for seed in (0, 1):
        for policy, level in ((FIX, 40.0), (TRI, 20.0)):
            curves = {"test_loss": [3.0, 2.0, 1.0 + seed], "perplexity": [900.0, 2 * level, level + seed]}
            write_program_run(tmp_path / "words", policy, curves, seed=seed, **given)
    return tmp_path / "words"


def drawn(lrbench, results, *words):
    code, out, err = lrbench("plot", results, *words, "-o", results.parent / "figure.png")
    assert (code, err) == (0, f"wrote {results.parent / 'figure.png'}\n")
    return out


def test_plot_draws_the_objective_with_its_target(lrbench, words, losses):
    caption = drawn(lrbench, words)
    assert "perplexity over the whole run, and zoomed in on the best" in caption
    assert "Dotted grey line: target perplexity, 25." in caption
    assert "ccuracy" not in caption
    assert "test loss over the whole run" in drawn(lrbench, losses)
    caption = drawn(lrbench, words, "--what", "rate-against-objective", "--what", "loss")
    assert "perplexity (line, left axis) and learning rate" in caption
    assert "training loss and test loss" in caption


def test_what_a_program_does_not_give_is_refused_in_one_line(lrbench, losses):
    for what in ("accuracy", "confidence"):
        code, out, err = lrbench("plot", losses, "--what", what, "-o", losses.parent / "f.png")
        assert (code, out) == (2, "")
        assert err == f"error: no run here has a value for --what {what}; choose objective, loss or rates\n"
    assert not (losses.parent / "f.png").exists()


def test_the_pictures_of_a_report_are_those_of_what_is_given(lrbench, losses):
    assert lrbench("report", losses, "--plots", losses.parent / "plots")[0] == 0
    assert {path.name for path in (losses.parent / "plots").iterdir()} == {"rates.png", "losses.png", "objective.png"}


def table_of(results):
    return read_report([results]).workloads[0]


def test_a_zoom_reaches_from_the_lowest_value_upwards(losses, words):
    for results, low, best, worst in ((losses, 0.3, 0.5, 1.25), (words, 10, 20, 40)):
        table = table_of(results)
        found = zoom(table.policies, table.objective)
        assert found is not None
        assert low < found.low < best
        assert worst < found.high
        assert found.start > 500 or results is losses
        bottom, top = objective_limits(table.policies, table.objective)
        assert bottom < best
        assert top > worst


def test_a_zoom_of_a_metric_that_is_maximized_reaches_downwards(tmp_path):
    for policy, level in ((FIX, -20.0), (TRI, -5.0)):
        write_program_run(tmp_path / "r", policy, {"reward": [-300.0, 2 * level, level]}, objective=REWARD)
    table = table_of(tmp_path / "r")
    found = zoom(table.policies, table.objective)
    assert found is not None
    assert found.low <= -20 < -5 < found.high < 20
    assert table.policies[0].policy == TRI


def test_panels_of_nothing_are_left_out_for_a_program_alone(tmp_path, losses):
    context = PlotContext.of(table_of(losses), table_of(losses).metric)
    assert [panel.title for panel in panels("objective", context)] == ["test loss", "test loss, zoomed in"]
    assert panels("confidence", context) == ()
    assert len(panels("loss", context)) == 2


def test_a_metric_that_is_nan_at_times_is_unknown_there_and_the_rest_is_drawn(lrbench, tmp_path):
    curves: dict[str, list[float | None]] = {"test_loss": [2.0, 1.5, 1.0], "perplexity": [None, 30.0, None]}
    write_program_run(tmp_path / "r", FIX, curves)
    document = json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])
    assert document["runs"][0]["status"] == "finished"
    assert document["runs"][0]["perplexity"] is None
    assert document["runs"][0]["evaluations"]["perplexity"] == [None, 30.0, None]
    page = page_document(read_report([tmp_path / "r"]), datetime(2026, 1, 1))
    assert page["workloads"][0]["rows"][0]["curves"]["perplexity"]["mean"] == [None, 30.0, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(lrbench, tmp_path / "r")
    plt.close("all")


def kinds(results):
    (workload,) = page_document(read_report([results]), datetime(2026, 1, 1))["workloads"]
    return workload, [(kind["title"], kind["scale"], kind["zoomed"]) for kind in workload["kinds"]]


def test_the_charts_of_the_page_begin_with_the_objective(words, losses):
    workload, found = kinds(words)
    assert found[1:3] == [
        ("Perplexity", "logarithm", False),
        ("Perplexity, zoomed in on the best", "plain", True),
    ]
    assert len(found) == len(set(found))
    assert workload["soon"] == {"name": "iterations_to_target", "title": "Iterations to perplexity 25"}
    assert (workload["best"], workload["metric"]["title"]) == ("best perplexity", "perplexity")
    best = workload["columns"].index("best perplexity")
    assert workload["rows"][0]["sort"][best] == 20.5
    workload, found = kinds(losses)
    assert [title for title, _, _ in found[1:3]] == ["Test loss", "Test loss, zoomed in on the best"]
    assert workload["soon"]["title"] == "Iterations to the best test loss (no target is set)"
    assert "accuracy_top1" not in workload["rows"][0]["curves"]


def test_the_runs_of_the_page_have_their_best_value_and_a_spec(words):
    page = page_document(read_report([words]), datetime(2026, 1, 1))
    assert sorted(run["best"] for run in page["runs"]) == ["20", "21", "40", "41"]
    spec = page["runs"][0]["spec"]
    assert "program: words.py" in spec
    assert "lrbench run run.yaml --program" in spec
    assert "metric: perplexity" in spec


def test_range_tests_on_the_page_go_by_the_objective(tmp_path):
    for rate, level in ((0.01, 5.0), (0.1, 3.0)):
        write_program_run(tmp_path / "r", f"FIX(k0={rate})", {"test_loss": [9.0, level]}, experiment="train-range")
    (found,) = page_document(read_report([tmp_path / "r"]), datetime(2026, 1, 1))["ranges"]
    assert found["objective"] == {"title": "test loss", "percent": False}
    assert "Best fixed rate: 0.1, with a mean test loss of 3.0000 after 1,000 iterations." in found["sentence"]


def test_frames_have_what_a_program_reports_and_no_more(words):
    pytest.importorskip("pandas")
    frame = lrbench_package.Results(words).runs
    assert sorted(frame["perplexity"]) == [20, 21, 40, 41]
    assert {"best_accuracy", "accuracy_top1", "average_confidence"}.isdisjoint(frame.columns)
    assert frame["train_loss"].notna().all()


def test_columns_of_a_program_with_an_accuracy_are_those_that_it_gives(lrbench, tmp_path):
    write_program_run(tmp_path / "r", FIX, {"test_loss": [2.0, 1.0], "accuracy_top1": [0.5, 0.75]})
    (run,) = json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])["runs"]
    assert (run["best_accuracy"], run["accuracy_top1"]) == (0.75, 0.75)
    assert {"average_confidence", "accuracy_top5", "expected_calibration_error"}.isdisjoint(run)


def test_watch_names_the_objective(words, losses):
    from dataclasses import replace

    rows = [replace(row, status="running") for row in (*load([words]).runs, *load([losses]).runs)]
    both, one = active_runs(rows), active_runs(rows[:1])
    for active, title in ((one, "perplexity"), (both, "objective")):
        progress = ExperimentProgress(words, None, {"running": len(active)}, tuple(active), None)
        assert [column.header for column in watch_module._table([progress]).columns][2] == title
    line = watch_module._line(one[0])
    assert ", perplexity 40, best 40, rate 0.01, " in line or ", perplexity 20, best 20, " in line


def test_workloads_of_different_objectives_are_each_ranked_by_their_own(lrbench, tmp_path, losses, words):
    document = json.loads(lrbench("report", losses, words, "--format", "json")[1])
    assert {(row["ranked_by"], row["policy"], row["rank"]) for row in document["policies"]} == {
        ("perplexity", TRI, 1),
        ("perplexity", FIX, 2),
    } | {("test_loss", TRI, 1), ("test_loss", FIX, 2)}
    assert document["notes"] == [
        f"program {name}: optimizer AdamW, data Digits (1,000 samples)" for name in ("train.py", "words.py")
    ]


def test_robustness_is_that_of_the_objective(lrbench, tmp_path):
    for scale in (1.0, 0.5):
        curves = {"test_loss": [2.0, 1.0 / scale]}
        write_program_run(
            tmp_path / "r",
            FIX,
            curves,
            lr_scale=scale,
            robustness_scales=[0.5],
            run_id=f"run-{scale}",
            objective=TEST_LOSS,
        )
    out = " ".join(lrbench("report", tmp_path / "r")[1].split())
    assert "lr_scale_robustness: best test loss with the rates scaled" in out
    assert "1.0000 2.0000 1.0000" in out
    document = json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])
    assert document["policies"][0]["best_test_loss_by_lr_scale"][0]["best_test_loss"] == 2.0
    assert "best_accuracy_by_lr_scale" not in document["policies"][0]
    sorted_by = lrbench("report", tmp_path / "r", "--sort", "lr_scale_robustness")[1]
    assert "spread over LR scales %" not in sorted_by


REFUSED = [
    (
        ("objective={metric: bleu}",),
        "objective.goal is missing: the name bleu does not tell whether low or high values are better",
    ),
    (
        ("target={metric: bleu, value: 3}",),
        "objective.goal is missing: the name bleu does not tell whether low or high values are better",
    ),
    (("search.by=value", "search.objective=accuracy"), "search.by excludes objective, its former name"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_an_objective_that_is_not_clear_is_refused_in_one_line(lrbench, tmp_path, settings, message):
    (tmp_path / "train.py").write_text("import lrbench\n")
    (tmp_path / "train.yaml").write_text(
        "workload: {program: train.py, iterations: 12, evaluate_every: 4}\npolicies: ['FIX(k0=0.1)']\n"
        "objective: {metric: test_loss}\n"
    )
    words = [word for each in settings for word in ("--set", each)]
    code, out, err = lrbench("run", tmp_path / "train.yaml", "--program", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
