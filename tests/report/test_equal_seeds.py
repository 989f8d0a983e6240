"""Seeds that change nothing: named in every table, counted as one, and not tested."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from factories.made_up_reports import report_of, run_row

from lrbench.metrics.equal_seeds import seeds_change_nothing
from lrbench.metrics.registry import METRICS
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare
from lrbench.report.figures.panels import PlotContext
from lrbench.report.figures.paper_text import caption, value_text
from lrbench.report.page.document import page_document
from lrbench.report.render import csv, latex, markdown, text
from lrbench.report.views.comparison import comparison_document
from lrbench.report.views.ranking import ranking_document

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
RENDERERS = [text, markdown, latex, csv]
NOTE = "eeds change nothing for all policies: all evaluations are equal over the seeds"


def slower(run, seconds):
    """The same run on a slower machine."""
    return {**run.evaluations, "train_seconds": run.evaluations["train_seconds"] * seconds}


def equal_runs(policy, accuracies, count=3):
    for seed in range(count):
        run = run_row(policy, accuracies, seed=seed)
        evaluations = slower(run, 1 + seed)
        metrics = {**run.metrics, "train_seconds": float(evaluations["train_seconds"][-1])}
        yield run_row(policy, accuracies, seed=seed, evaluations=evaluations, metrics=metrics)


def varied_runs(policy, accuracies):
    return [run_row(policy, [value + seed / 100 for value in accuracies], seed=seed) for seed in range(3)]


@pytest.fixture
def report():
    return report_of([*equal_runs(FIX, [0.1, 0.9, 0.95]), *equal_runs(TRI, [0.1, 0.8, 0.9])], "final_accuracy")


@pytest.mark.parametrize("renderer", RENDERERS, ids=lambda module: module.__name__)
def test_every_table_names_it_and_has_neither_a_deviation_nor_a_test(report, renderer):
    document = ranking_document(report)
    shown = " ".join(renderer.render(document, 160).replace("\\", "").split())
    assert "± 0" not in shown
    assert "pm$ 0" not in shown
    assert "p=" not in shown
    if renderer is csv:
        assert "seeds_change_nothing" in shown
    else:
        assert "3 (seeds change nothing)" in shown
        assert NOTE in shown


def test_what_is_not_known_is_absent_in_data(report):
    for policy in ranking_document(report).data()["policies"]:
        assert policy["seeds_change_nothing"]
        assert policy["final_accuracy"] == {
            "mean": policy["final_accuracy"]["mean"],
            "standard_deviation": None,
            "n": 1,
        }
        assert policy["p_value"] is None
    assert [policy["against_the_best"] for policy in ranking_document(report).data()["policies"]] == [
        "best",
        "seeds change nothing",
    ]


def test_times_are_still_over_all_runs(report):
    (row, _) = report.workloads[0].policies
    assert row.summaries["train_seconds"].n == 3
    assert row.summaries["train_seconds"].deviation > 0
    assert row.summaries["iterations_to_best"].n == 1


def test_one_policy_may_be_deterministic_beside_others_that_are_not():
    report = report_of([*equal_runs(FIX, [0.1, 0.95]), *varied_runs(TRI, [0.1, 0.9])], "final_accuracy")
    table = report.workloads[0]
    assert [row.equal_seeds for row in table.policies] == [True, False]
    assert table.policies[1].comparison is not None
    assert table.policies[1].comparison.verdict == "seeds change nothing"
    shown = text.render(ranking_document(report), 160)
    assert f"seeds change nothing for {FIX}: " in shown
    assert "91.00 ± 1.00" in shown


def test_equal_best_values_alone_are_a_spread_of_zero():
    runs = [run_row(FIX, [0.1, 0.5 + seed / 10, 0.9], seed=seed) for seed in range(2)]
    report = report_of([*runs, *varied_runs(TRI, [0.1, 0.8, 0.8])], "final_accuracy")
    assert not report.workloads[0].policies[0].equal_seeds
    comparison = report.workloads[0].policies[1].comparison
    assert comparison is not None
    assert comparison.p is not None


def test_the_page_and_the_figures_say_it(report):
    page = page_document(report, datetime(2026, 1, 1))
    (workload,) = page["workloads"]
    assert any(NOTE in note for note in workload["notes"])
    assert workload["headline"]["use"].startswith(f"{FIX}: final accuracy 95.00 % (seeds change nothing), the best")
    assert workload["headline"]["sure"].startswith("Nothing to test: the seeds change nothing")
    table = report.workloads[0]
    assert "seeds change nothing for 2 of 2 policies" in PlotContext.of(table, report.metric).legend_title
    assert value_text(table, table.policies[0], report.metric).startswith("95.00; best; seeds change nothing; ")
    assert "The seeds change nothing" in caption(table, table.policies, ["accuracy"], report.metric)


def test_a_comparison_of_solvers_says_it_and_tests_nothing():
    runs = [
        run_row(policy, [0.1, level], seed=seed, solver={"type": solver})
        for solver, level in (("SGD", 0.9), ("Adam", 0.8))
        for policy in (FIX, TRI)
        for seed in range(2)
    ]
    found = compare(report_of(runs, "final_accuracy"), AXES["solver"])
    shown = " ".join(text.render(comparison_document(found), 200).split())
    assert NOTE in shown
    assert "± 0" not in shown
    assert "a seed without a value" not in shown
    assert {each.verdict for each in found.tables[0].contrasts[0].differences.values()} == {"seeds change nothing"}


def columns(**values):
    return {"iteration": np.array([0.0, 4.0, 8.0]), **{name: np.array(column) for name, column in values.items()}}


def test_equal_means_equal_bit_for_bit_in_all_that_was_measured_after_iteration_0():
    one = columns(test_loss=[1.0, 0.5, np.nan], train_loss=[np.nan, 0.5, 0.3], train_seconds=[0.0, 1.0, 2.0])
    slow = {**one, "train_seconds": np.array([0.0, 2.0, 4.0])}
    near = {**one, "train_loss": np.array([np.nan, 0.5, np.nextafter(0.3, 1)])}
    shorter = {name: column[:2] for name, column in one.items()}
    assert seeds_change_nothing([one, slow, shorter])
    assert not seeds_change_nothing([one, near])
    assert not seeds_change_nothing([one])
    assert not seeds_change_nothing([])
    untrained = columns(test_loss=[1.0, np.nan, np.nan], learning_rate=[0.1, 0.1, 0.1])
    assert not seeds_change_nothing([untrained, untrained])
    assert not seeds_change_nothing([one, {**one, "other": one["test_loss"]}])


def test_runs_of_unknown_seeds_may_be_copies_of_one(report):
    runs = [run_row(FIX, [0.1, 0.9], seed=None) for _ in range(2)]
    (row,) = report_of(runs, "final_accuracy").workloads[0].policies
    assert not row.equal_seeds


def test_a_loss_too_small_for_four_digits_is_not_shown_as_zero():
    from lrbench.report.formats import number

    assert [number(value, "loss") for value in (0.0, 1.5e-7, 0.0004, 2.5)] == ["0.0000", "1.5e-07", "0.0004", "2.5000"]
    assert METRICS["test_loss"].unit == "loss"
