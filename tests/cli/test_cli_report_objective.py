"""Reports of runs of programs that give no accuracy: what they are judged by stands in its place."""

from __future__ import annotations

import json

import pytest
from factories import fake_runs

import lrbench as lrbench_package

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
MAE = {"metric": "mae", "at": "final"}


def write(results, policy, values, *, seed=0, objective=MAE, name="mae", **description):
    folder = fake_runs.write_run(results, policy, [0.0] * len(values), seed=seed, objective=objective, **description)
    rows = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    clocks = ("iteration", "learning_rate", "train_loss", "train_seconds", "evaluation_seconds", "cpu_seconds")
    kept = [{key: row[key] for key in (*clocks, "peak_memory_bytes")} for row in rows]
    lines = [json.dumps({**row, name: value}) for row, value in zip(kept, values, strict=True)]
    (folder / "evaluations.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """No policy is broken over two lines."""
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def results(tmp_path):
    for seed in (0, 1, 2):
        write(tmp_path / "results", FIX, [9.0, 3.0, 1.0, 2.0 + seed / 100], seed=seed)
        write(tmp_path / "results", TRI, [9.0, 4.0, 1.5, 1.5 + seed / 100], seed=seed)
    return tmp_path / "results"


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "json", "html"])
def test_no_format_speaks_of_an_accuracy(lrbench, results, form):
    shown = [] if form == "terminal" else ["--format", form]
    target = ["-o", results.parent / "page.html"] if form == "html" else []
    code, out, err = lrbench("report", results, *shown, *target)
    assert (code, err) == (0, "") or form == "html"
    assert code == 0
    if form != "html":
        assert "ccuracy" not in out.replace("target_accuracy", "")


def test_the_lowest_final_value_is_the_best_and_is_tested(lrbench, results):
    document = json.loads(lrbench("report", results, "--format", "json")[1])
    first, second = document["policies"]
    assert (document["ranked_by"], first["policy"], second["against_the_best"]) == ("mae", TRI, "worse")
    assert first["mae"]["mean"] == pytest.approx(1.51)
    assert second["best_mae"]["mean"] == 1.0
    assert second["iterations_to_best"]["mean"] == 1000
    assert {"best_accuracy", "accuracy_top1", "test_loss"}.isdisjoint(first)


def test_the_frame_of_policies_has_the_objective_and_no_accuracy(results):
    pytest.importorskip("pandas")
    frame = lrbench_package.Results(results).policies
    assert frame["mae"].tolist() == pytest.approx([1.51, 2.01])
    assert frame["mae_n"].tolist() == [3, 3]
    assert "best_accuracy" not in frame


def test_at_its_best_the_lowest_value_of_a_run_counts(lrbench, tmp_path):
    best = {"metric": "mae", "at": "best"}
    write(tmp_path / "r", FIX, [0.1, 1.0, 2.0], objective=best)
    write(tmp_path / "r", TRI, [0.1, 1.5, 1.5], objective=best)
    out = lrbench("report", tmp_path / "r")[1]
    assert "ranked by best mae" in out
    assert out.index(FIX) < out.index(TRI)


def test_a_metric_of_which_only_the_spec_knows_the_goal(lrbench, tmp_path):
    bleu = {"metric": "bleu", "at": "final", "goal": "maximize"}
    write(tmp_path / "r", FIX, [0, 20.5], objective=bleu, name="bleu")
    write(tmp_path / "r", TRI, [0, 30.25], objective=bleu, name="bleu")
    out = lrbench("report", tmp_path / "r")[1]
    assert "ranked by bleu" in out
    assert "30.25" in out
    assert out.index(TRI) < out.index(FIX)


def test_a_target_on_the_metric(lrbench, tmp_path):
    write(tmp_path / "r", FIX, [0.1, 3.0, 1.0], target={"metric": "mae", "value": 1.5})
    document = json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])
    assert document["policies"][0]["iterations_to_target"]["mean"] == 1000
    assert document["runs"][0]["target_accuracy"] is None
    assert document["runs"][0]["target"] == {"metric": "mae", "value": 1.5}


def test_a_run_whose_objective_is_no_number_diverged(lrbench, tmp_path):
    write(tmp_path / "r", FIX, [9.0, 3.0, None, 2.0])
    write(tmp_path / "r", TRI, [9.0, 3.0, 3.0, 3.0])
    run = next(
        run
        for run in json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])["runs"]
        if run["policy"] == FIX
    )
    assert (run["status"], run["reason"]) == ("diverged", "mae is not finite at iteration 1000")
