"""The report for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest
from factories import fake_runs
from shown import csv_report, json_report

from lrbench.metrics.registry import METRICS, metric_named
from lrbench.report.build import build_report
from lrbench.report.load import load

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"


def exported(results):
    loaded = load([results])
    report = build_report(loaded.runs, metric_named("best_accuracy"), [results], ["x: broken"])
    return json_report(report), csv_report(report)


@pytest.fixture
def both(tmp_path):
    for seed, best in enumerate([0.90, 0.92]):
        fake_runs.write_run(tmp_path, FIX, [0.1, best], seed=seed, target_accuracy=0.91)
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.8, None], status="diverged", reason="loss is not finite")
    return exported(tmp_path)


def test_json_has_every_run_with_every_metric(both):
    document = json.loads(both[0])
    assert list(document) == ["schema", "ranked_by", "runs", "policies", "functions", "problems", "notes"]
    assert document["schema"] == 1
    assert document["problems"] == ["x: broken"]
    assert len(document["runs"]) == 3
    for run in document["runs"]:
        assert set(METRICS) - {"lr_scale_robustness"} <= set(run)
    reached = {run["seed"]: run["iterations_to_target"] for run in document["runs"] if run["policy"] == FIX}
    assert reached == {0: None, 1: 500}


def test_json_says_null_for_nan(both):
    assert "NaN" not in both[0]
    (diverged,) = (run for run in json.loads(both[0])["runs"] if run["policy"] == TRI)
    assert diverged["status"] == "diverged"
    assert diverged["reason"] == "loss is not finite"
    assert diverged["best_accuracy"] == 0.8
    assert diverged["final_accuracy"] is None
    assert diverged["test_loss"] is None
    assert diverged["evaluations"]["accuracy_top1"] == [0.1, 0.8, None]
    assert diverged["evaluations"]["iteration"] == [0, 500, 1000]


def test_json_has_the_policies_with_rank_and_comparison(both):
    best, second = json.loads(both[0])["policies"]
    assert (best["policy"], best["rank"], best["against_the_best"]) == (FIX, 1, "best")
    assert best["best_accuracy"] == {
        "mean": pytest.approx(0.91),
        "standard_deviation": pytest.approx(0.01414213562),
        "n": 2,
    }
    assert best["iterations_to_target"] == {
        "mean": 500,
        "standard_deviation": None,
        "n": 1,
        "runs": 2,
        "restricted_mean": (500 + 2000) / 2,
    }
    assert best["statuses"]["finished"] == 2
    assert (second["against_the_best"], second["p_value"]) == ("diverged", None)
    assert second["statuses"]["diverged"] == 1
    assert second["final_accuracy"] == {"mean": None, "standard_deviation": None, "n": 0}


def test_json_has_robustness_and_functions(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9], robustness_scales=[0.1])
    fake_runs.write_run(tmp_path, FIX, [0.8], lr_scale=0.1, robustness_scales=[0.1])
    document = json.loads(exported(tmp_path)[0])
    (policy,) = document["policies"]
    assert policy["lr_scale_robustness"] == pytest.approx(0.1)
    assert policy["best_accuracy_by_lr_scale"] == [
        {"lr_scale": 0.1, "best_accuracy": 0.8, "runs": 1, "diverged": 0},
        {"lr_scale": 1.0, "best_accuracy": 0.9, "runs": 1, "diverged": 0},
    ]
    assert [run["lr_scale"] for run in document["runs"]] == [0.1, 1.0]
    assert document["functions"][0]["best_policy"] == FIX


def test_divergence_is_no_robustness(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9], robustness_scales=[10.0])
    for seed, status in enumerate(["finished", "diverged", "diverged"]):
        accuracies = [0.1, 0.8] if status == "finished" else [0.1, None]
        fake_runs.write_run(tmp_path, FIX, accuracies, seed=seed, status=status, lr_scale=10.0)
    json_text, csv_text = exported(tmp_path)
    (policy,) = json.loads(json_text)["policies"]
    assert policy["lr_scale_robustness"] is None
    assert policy["diverged"] == 0  # with its own rates
    assert policy["best_accuracy_by_lr_scale"][1] == {
        "lr_scale": 10.0,
        "best_accuracy": 0.8,
        "runs": 3,
        "diverged": 2,
    }
    (line,) = csv.DictReader(io.StringIO(csv_text))
    assert (line["lr_scale_robustness"], line["lr_scales_diverged"]) == ("", "10")


def test_json_is_the_same_every_time(tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    fake_runs.write_run(tmp_path, TRI)
    assert exported(tmp_path) == exported(tmp_path)


def test_csv_has_a_line_for_each_policy(both):
    best, second = csv.DictReader(io.StringIO(both[1]))
    assert (best["policy"], best["rank"], best["finished"], best["against_the_best"]) == (FIX, "1", "2", "best")
    assert float(best["best_accuracy_mean"]) == pytest.approx(0.91)
    assert best["best_accuracy_n"] == "2"
    assert (second["diverged"], second["final_accuracy_mean"], second["final_accuracy_n"]) == ("1", "", "0")


def test_csv_cells_from_files_are_no_formulas(tmp_path):
    evil = '=cmd|"/c calc"!A1\n,"'
    fake_runs.write_run(tmp_path, evil, function="@SUM(1)", solver={"type": "-1+1"}, run_id="evil")
    (line,) = csv.DictReader(io.StringIO(exported(tmp_path)[1]))
    assert line["policy"] == '\'=cmd|"/c calc"!A1 ,"'
    assert line["function"] == "'@SUM(1)"
    assert line["solver"] == "'-1+1"
