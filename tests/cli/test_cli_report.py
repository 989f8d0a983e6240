"""``lrbench report`` as it is typed: exit codes, what goes to which stream, and what is written where."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from factories import fake_runs

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
LOGS = Path(__file__).parent.parent / "data_files"


@pytest.fixture
def results(tmp_path):
    fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.9])
    fake_runs.write_run(tmp_path / "results", TRI, [0.1, 0.95])
    return tmp_path / "results"


def test_a_table_by_default(lrbench, results, monkeypatch):
    monkeypatch.chdir(results.parent)
    code, out, err = lrbench("report", "results")
    assert code == 0
    assert err == ""
    assert out.splitlines()[0] == "lenet on MNIST, batch 100, 2,000 iterations: ranked by final accuracy"
    again, export = out.splitlines()[-2:]
    assert again.startswith("next: lrbench report results --plots plots")
    assert export.startswith("next: lrbench export 'TRI(k0=0.01, k1=0.06, l=2000)' --to torch --iterations 2000 -o ")


@pytest.mark.parametrize(
    ("kind", "start"), [("json", '{"schema":1,'), ("csv", "workload,rank,policy,"), ("markdown", "## lenet")]
)
def test_other_formats_to_standard_output(lrbench, results, kind, start):
    code, out, err = lrbench("report", results, "--format", kind)
    assert (code, err) == (0, "")
    assert out.startswith(start)
    assert out.endswith("\n")


UNSTEADY = ((FIX, [0.1, 0.95, 0.85]), (TRI, [0.1, 0.91, 0.9]))


@pytest.mark.parametrize(
    ("objective", "metric", "first"),
    [
        (None, "final_accuracy", TRI),
        ({"metric": "accuracy", "at": "final"}, "final_accuracy", TRI),
        ({"metric": "accuracy", "at": "best"}, "best_accuracy", FIX),
        ({"metric": "test_loss", "at": "final"}, "test_loss", TRI),
        ({"metric": "of_no_package_here", "at": "final"}, "final_accuracy", TRI),
    ],
)
def test_policies_are_ranked_by_the_objective_of_the_spec(lrbench, tmp_path, objective, metric, first):
    described = {} if objective is None else {"objective": objective}
    for policy, accuracies in UNSTEADY:
        fake_runs.write_run(tmp_path / "results", policy, accuracies, **described)
    document = json.loads(lrbench("report", tmp_path / "results", "--format", "json")[1])
    assert document["ranked_by"] == metric
    assert document["policies"][0]["policy"] == first
    sorted_by = json.loads(lrbench("report", tmp_path / "results", "--sort", "best_accuracy", "--format", "json")[1])
    assert (sorted_by["ranked_by"], sorted_by["policies"][0]["policy"]) == ("best_accuracy", FIX)


def test_specs_of_different_objectives_are_ranked_by_the_default_and_named(lrbench, tmp_path):
    for (policy, accuracies), at in zip(UNSTEADY, ("final", "best"), strict=True):
        fake_runs.write_run(tmp_path / "r", policy, accuracies, objective={"metric": "accuracy", "at": at})
    code, out, err = lrbench("report", tmp_path / "r")
    assert code == 0
    assert "ranked by final accuracy" in out
    assert err == (
        "the specs rank by different metrics, best_accuracy and final_accuracy: ranked by final_accuracy; choose "
        "another with --sort\n"
    )


def test_several_paths_folders_and_logs(lrbench, results):
    code, out, _ = lrbench("report", results / "exp", LOGS / "caffe_step.log", "--format", "json")
    assert code == 0
    assert {run["policy"] for run in json.loads(out)["runs"]} == {FIX, TRI, "STEP(k0=0.1, gamma=0.5, l=25)"}


def test_target_and_sort(lrbench, results):
    code, out, _ = lrbench("report", results, "--target", "0.92", "--sort", "iterations_to_target", "--format", "json")
    assert code == 0
    document = json.loads(out)
    assert document["ranked_by"] == "iterations_to_target"
    assert [(row["policy"], row["rank"]) for row in document["policies"]] == [(TRI, 1), (FIX, None)]


def test_different_targets_are_said_beside_a_format_for_programs(lrbench, results):
    fake_runs.write_run(results, FIX, seed=1, target_accuracy=0.7)
    fake_runs.write_run(results, FIX, seed=2, target_accuracy=0.8)
    code, out, err = lrbench("report", results, "--format", "json")
    assert code == 0
    assert err.startswith("lenet on MNIST, batch 100, 2,000 iterations: the runs have different targets: 0.7 (1 run), ")
    assert len(err.splitlines()) == 1
    assert {row["target_accuracy"] for row in json.loads(out)["policies"]} == {None}
    assert {run["target_accuracy"] for run in json.loads(out)["runs"]} == {None, 0.7, 0.8}
    code, out, err = lrbench("report", results, "--format", "json", "--target", "0.8")
    assert err == ""
    assert {row["target_accuracy"] for row in json.loads(out)["policies"]} == {0.8}


def test_output_into_a_file(lrbench, results, tmp_path):
    output = tmp_path / "report.json"
    output.write_text("old")
    code, out, err = lrbench("report", results, "--format", "json", "-o", output)
    assert (code, out) == (0, "")
    assert err == f"wrote {output}\n"
    assert len(json.loads(output.read_text())["runs"]) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_plots_are_written_beside_the_table(lrbench, results, tmp_path):
    code, out, err = lrbench("report", results, "--plots", tmp_path / "plots")
    assert code == 0
    assert out.startswith("lenet on MNIST")
    assert [line.rpartition("/")[2] for line in err.splitlines()] == [
        "rates.png",
        "losses.png",
        "accuracy.png",
        "confidence.png",
    ]


def test_what_cannot_be_read_is_named_and_the_rest_shown(lrbench, results, tmp_path):
    broken = fake_runs.write_run(results, "FIX(k0=1)")
    (broken / "run.json").write_text("{")
    code, out, err = lrbench("report", results)
    assert code == 0
    assert FIX in out
    assert err == f"left out: {broken}: run.json is not JSON: unexpected end of data at line 1\n"


def test_a_log_of_a_run_and_a_damaged_line_are_said(lrbench, results):
    run = fake_runs.write_run(results, "FIX(k0=1)", [0.1, 0.2])
    (run / "caffe.log").write_bytes((LOGS / "caffe_step.log").read_bytes())
    with (run / "evaluations.jsonl").open("a") as file:
        file.write("garbage\n")
    code, out, err = lrbench("report", run / "caffe.log", "--format", "json")
    assert code == 0
    assert err.splitlines() == [
        f"{run / 'caffe.log'}: this log belongs to a run of LRBench, which is read in its place",
        f"{run}: evaluations.jsonl:3 is not JSON; only the evaluations before that are shown",
    ]
    document = json.loads(out)
    assert document["notes"] == err.splitlines()
    (shown,) = document["runs"]
    assert (shown["policy"], shown["status"], shown["best_accuracy"]) == ("FIX(k0=1)", "cut off", 0.2)


def test_runs_that_are_not_counted_are_named(lrbench, results):
    twin = fake_runs.write_run(results, FIX, [], experiment="again")
    code, _, err = lrbench("report", results)
    assert code == 0
    assert err == f"not counted, another run has the same policy and seed: {twin}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "error: nowhere: no such file or folder; give a results folder or a Caffe log"),
        (["empty"], "error: empty: there is no run in this folder, so there is nothing to report; give"),
        (["notes.txt"], "error: notes.txt: is no training log of Caffe, so there is nothing to report; give what "),
        (["results", "--sort", "acuracy"], "error: unknown metric 'acuracy'; did you mean "),
        (["results", "--target", "98"], "error: --target is 98, but an accuracy is above 0 and at most 1; give a"),
        (["results", "--target", "nan"], "error: --target is nan, but an accuracy"),
        (["results", "-o", "no/such/x.txt"], "error: no/such/x.txt: there is no folder no/such; create it"),
        (["results", "-o", "empty"], "error: empty: is not a regular file; give -o"),
        (["results", "--plots", "notes.txt"], "error: notes.txt/rates.png: cannot be written: "),
    ],
)
def test_bad_input_is_one_line_and_code_2(lrbench, results, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    code, _, err = lrbench("report", *arguments)
    assert code == 2
    assert err.startswith(message)
    assert len(err.splitlines()) == 1
    assert (tmp_path / "notes.txt").read_text() == "notes"


@pytest.mark.parametrize("arguments", [[], ["results", "--format", "xml"]])
def test_wrong_usage_is_code_2(lrbench, arguments):
    assert lrbench("report", *arguments)[0] == 2


def test_a_full_disk(lrbench, results, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lrbench.storage.atomic_write", full)
    code, out, err = lrbench("report", results, "-o", tmp_path / "x.csv")
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path / 'x.csv'}: cannot be written: No space left on device; change -o\n"


def test_a_device_is_never_replaced(lrbench, results):
    code, _, err = lrbench("report", results, "-o", "/dev/null")
    assert code == 2
    assert "is not a regular file" in err
    assert Path("/dev/null").is_char_device()


def test_the_results_are_left_as_they_were(lrbench, results):
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    assert lrbench("report", results)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_heavy_packages_are_not_loaded_for_a_table(results):
    script = (
        "import sys; sys.argv = ['lrbench', 'report', sys.argv[1]]\n"
        "from lrbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'matplotlib', 'requests', 'pydantic', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(results)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
