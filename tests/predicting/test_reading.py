"""Reading of loss curves from CSV files and run directories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.fake_runs import WORKLOAD, write_run

from lrbench.errors import ResultsError
from lrbench.policies import parse_policy
from lrbench.predicting.reading import read_curves
from lrbench.runs.description import RunDescription

HEADER = "policy,seed,iteration,learning_rate,loss"


def every_run(_run: RunDescription) -> bool:
    return True


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "curves.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(ResultsError) as raised:
        read_curves(path, every_run, **options)  # type: ignore[arg-type]
    return str(raised.value)


def test_seeds_of_a_policy_are_averaged(tmp_path):
    lines = [f"mine,{seed},{iteration},0.1,{2 + seed / iteration}" for seed in (0, 1) for iteration in (10, 20, 40)]
    found = read_curves(written(tmp_path, *lines), every_run).curves
    assert [curve.name for curve in found] == ["mine"]
    assert found[0].iterations.tolist() == [10, 20, 40]
    assert found[0].losses.tolist() == pytest.approx([2.05, 2.025, 2.0125])


def test_rates_are_in_a_straight_line_between_those_given(tmp_path):
    found = read_curves(written(tmp_path, "mine,0,2,0.4,3", "mine,0,6,0.2,2"), every_run).curves[0]
    assert found.schedule.rates.tolist() == pytest.approx([0.4, 0.4, 0.35, 0.3, 0.25, 0.2])


def test_a_policy_with_the_given_rates_has_its_own_in_between(tmp_path):
    text = "STEP(k0=0.4, gamma=0.5, l=3)"
    found = read_curves(written(tmp_path, f'"{text}",0,2,0.4,3', f'"{text}",0,6,0.2,2'), every_run).curves[0]
    assert found.schedule.rates.tolist() == parse_policy(text).rates(np.arange(6), 6).tolist()


def test_a_policy_has_its_canonical_text_however_it_is_written(tmp_path):
    found = read_curves(written(tmp_path, "FIX( k0 = 1e-1 ),0,10,0.1,2"), every_run).curves[0]
    assert found.name == "FIX(k0=0.1)"


def test_runs_are_told_apart_by_their_name(tmp_path):
    lines = ["a,COS,0,10,0.1,2", "b,COS,0,10,0.2,3", "b,COS,0,20,0.2,2"]
    found = read_curves(written(tmp_path, *lines, header="run,policy,seed,iteration,learning_rate,loss"), every_run)
    assert [(curve.name, curve.schedule.length) for curve in found.curves] == [("COS", 10), ("COS", 20)]


CSV_REFUSALS = [
    (["mine,0,10,0.1,"], "curves.csv:2: loss is '', not a number; write the columns "),
    (["mine,0,10,0.1,2", "mine,0,20,0.1,nan"], "curves.csv:3: the run diverged, and no law holds for it; "),
    (["mine,0,10,0.1,inf"], "curves.csv:2: the run diverged, and no law holds for it; "),
    (["mine,0,10,-1,2"], "curves.csv:2: learning_rate is -1, not a number from 0 on"),
    (["mine,0,1.5,0.1,2"], "curves.csv:2: iteration is 1.5, not a whole number from 0 to 100,000,000"),
    (["mine,0,1e12,0.1,2"], "curves.csv:2: iteration is 1e+12, not a whole number from 0 to 100,000,000"),
    (["mine,0,10,0.1,2", "mine,0,10,0.1,2"], "curves.csv:3: mine has two losses at iteration 10; tell runs apart by "),
    ([], "curves.csv: there is no finished run left to fit; "),
]


@pytest.mark.parametrize(("lines", "message"), CSV_REFUSALS, ids=range(len(CSV_REFUSALS)))
def test_a_wrong_value_is_named_with_its_line(tmp_path, lines, message):
    assert message in refusal(written(tmp_path, *lines))


def test_a_missing_column_is_named(tmp_path):
    assert "curves.csv: has no column policy, learning_rate; write the columns policy (or run), seed, " in refusal(
        written(tmp_path, "10,2", header="iteration,loss")
    )


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert "curves.csv: cannot be read as CSV: " in refusal(path)


def test_no_such_file(tmp_path):
    assert refusal(tmp_path / "other").endswith("no such file or folder; give a results folder or a CSV file")


def test_a_policy_that_is_left_out(tmp_path):
    lines = ["a,0,10,0.1,2", "b,0,10,0.1,2"]
    found = read_curves(written(tmp_path, *lines), every_run, left_out=["a"]).curves
    assert [curve.name for curve in found] == ["b"]


def test_a_policy_to_leave_out_that_has_no_run(tmp_path):
    path = written(tmp_path, "FIX(k0=0.1),0,10,0.1,2", "b,0,10,0.1,2")
    assert [curve.name for curve in read_curves(path, every_run, left_out=["FIX( k0 = 1e-1 )"]).curves] == ["b"]
    assert refusal(path, left_out=["FIX(k0=0.2)"]).endswith("there is no run of FIX(k0=0.2) to leave out")


def test_finished_runs_of_a_results_folder(tmp_path):
    write_run(tmp_path, "EXP(k0=0.1, gamma=0.999)", seed=0)
    write_run(tmp_path, "EXP(k0=0.1, gamma=0.999)", (0.1, 0.8, 0.85, 0.86, 0.87), seed=1)
    write_run(tmp_path, "FIX(k0=0.1)", (0.1, 0.9), status="running")
    found = read_curves(tmp_path, every_run)
    (curve,) = found.curves
    assert curve.name == "EXP(k0=0.1, gamma=0.999)"
    assert curve.losses.tolist() == pytest.approx([0.25, 0.2, 0.19, 0.18])
    rates = parse_policy(curve.name).rates(np.arange(2000), WORKLOAD["iterations"])
    assert curve.schedule.rates.tolist() == rates.tolist()
    assert [note.partition(": ")[2] for note in found.notes] == ["not fitted, as the run is cut off at iteration 500"]


def test_a_diverged_run_is_refused_until_it_is_left_out(tmp_path):
    write_run(tmp_path, "FIX(k0=0.1)")
    write_run(tmp_path, "FIX(k0=9)", (0.1, None), status="diverged")
    assert refusal(tmp_path).endswith("FIX(k0=9) diverged, and no law holds for it; add --leave-out 'FIX(k0=9)'")
    assert len(read_curves(tmp_path, every_run, left_out=["FIX(k0=9)"]).curves) == 1


def test_runs_of_another_workload_are_not_fitted(tmp_path):
    write_run(tmp_path, "FIX(k0=0.1)")
    write_run(tmp_path, "FIX(k0=0.2)", workload={**WORKLOAD, "batch_size": 7})

    def of_batch(size: int):
        return lambda run: run.workload["batch_size"] == size

    found = read_curves(tmp_path, of_batch(7))
    assert [curve.name for curve in found.curves] == ["FIX(k0=0.2)"]
    assert found.notes == [f"{tmp_path}: runs of another workload, solver or engine, not fitted: 1"]
    with pytest.raises(ResultsError, match="none of the 2 runs is of the spec's net, data set, batch size, solver"):
        read_curves(tmp_path, of_batch(8))


def test_a_metric_that_the_runs_do_not_have(tmp_path):
    write_run(tmp_path, "FIX(k0=0.1)")
    assert "its evaluations have no perplexity; losses: train_loss, test_loss; give --loss NAME" in refusal(
        tmp_path, loss="perplexity"
    )
