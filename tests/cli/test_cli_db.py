"""``lrbench db`` as it is typed: what goes to which stream, exit codes, and what is written where."""

from __future__ import annotations

import csv
import io
import json
import shlex
from functools import partial

import pytest
from command_line import typed
from factories import fake_runs

from lrbench.tuning.database.lines import shipped_entries

FIX, TRI, SINEXP = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "SINEXP(k0=0.01, k1=0.06, gamma=0.99994, l=2000)"
ENTRY_ID = 16


@pytest.fixture
def lrbench(lrbench, monkeypatch, tmp_path):
    """Runs ``lrbench db`` in an empty home; returns exit code, standard output and standard error."""
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_DB", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return partial(lrbench, "db")


@pytest.fixture
def nothing_shipped(monkeypatch):
    monkeypatch.setattr("lrbench.tuning.database.database.shipped_entries", lambda: [])


@pytest.fixture
def results(tmp_path):
    """Two seeds of two policies, and a policy of which one seed diverged."""
    for seed in (0, 1):
        fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.5, 0.9 + seed / 50], seed=seed)
        fake_runs.write_run(tmp_path / "results", TRI, [0.1, 0.95, 0.96], seed=seed)
    fake_runs.write_run(tmp_path / "results", SINEXP, [0.1, 0.97, 0.99], seed=0)
    fake_runs.write_run(tmp_path / "results", SINEXP, [0.1, None], seed=1, status="diverged")
    return tmp_path / "results"


@pytest.fixture
def filled(lrbench, results, nothing_shipped):
    assert lrbench("add", "results")[0] == 0
    return lrbench


def test_the_first_command_makes_the_users_database_with_what_is_shipped(lrbench, tmp_path):
    code, out, err = lrbench("list", "--function", "sinexp")
    assert code == 0
    shipped = shipped_entries()
    assert err == f"created {tmp_path}/home/policies.sqlite with the {len(shipped)} entries that LRBench ships\n"
    assert "SINEXP(k0=0.001, k1=0.05, gamma=0.995, l=75)" in out
    assert "LRBench" in out
    code, _, err = lrbench("list")
    assert (code, err) == (0, "")


def test_adding_says_what_is_new_and_what_is_left_out(lrbench, results, tmp_path, nothing_shipped):
    fake_runs.write_run(results, FIX, seed=2, status="failed")
    broken = fake_runs.write_run(results, FIX, seed=3)
    (broken / "run.json").write_text("{")
    code, out, err = lrbench("add", "results", "--db", "mine.sqlite", "--note", "a first look")
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "created mine.sqlite with the 0 entries that LRBench ships",
        f"left out: {broken.relative_to(tmp_path)}: run.json is not JSON: unexpected end of data at line 1",
        "left out, without an outcome: 1 failed",
        "mine.sqlite: 6 new runs: 3 new entries, 0 entries with more runs",
    ]
    (broken / "run.json").unlink()
    fake_runs.write_run(tmp_path / "more", FIX, [0.1, 0.8], seed=7)
    code, _, err = lrbench("add", "results", "more", "--db", "mine.sqlite")
    assert (
        err.splitlines()[-1] == "mine.sqlite: 1 new run: 0 new entries, 1 entry with more runs; 6 runs already stored"
    )
    code, _, err = lrbench("add", "results", "more", "--db", "mine.sqlite")
    assert err.splitlines()[-1] == "mine.sqlite: nothing new; 7 runs already stored"


def test_the_list_is_ranked_by_divergence_and_final_accuracy(filled):
    code, out, err = filled("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "lenet on MNIST, batch 100, 2,000 iterations"
    rows = [line.split()[1].partition("(")[0] for line in lines if "k0=" in line and not line.startswith("seeds")]
    assert rows == ["TRI", "FIX", "SINEXP"]
    assert "96.00 ± 0.00" not in out
    assert "2 (seeds change nothing)" in out
    assert f"seeds change nothing for {TRI}: all evaluations are equal over the seeds" in " ".join(out.split())
    assert "2 (1 diverged)" in out
    first = next(line for line in lines if "TRI" in line).split()[0]
    assert lines[-1] == f"next: lrbench db show {first}   # all data of one entry, by its id"


@pytest.mark.parametrize("place", ["x:y.sqlite", "sqlite:///x:y.sqlite", "{}/x:y z.sqlite"])
def test_the_next_command_names_the_database_that_was_named(lrbench, results, tmp_path, nothing_shipped, place):
    place = place.format(tmp_path)
    assert lrbench("add", "results", "--db", place)[0] == 0
    _, out, _ = lrbench("list", "--db", place)
    command, _, _ = out.splitlines()[-1].removeprefix("next: lrbench db ").partition("   #")
    code, out, err = lrbench(*shlex.split(command))
    assert (code, err) == (0, "")
    assert "TRI(" in out


def test_no_next_command_repeats_or_leaves_out_a_secret(lrbench, results, nothing_shipped, monkeypatch):
    place = "sqlite://u:SECRET@h/x.sqlite"
    assert lrbench("add", "results", "--db", place)[0] == 0
    code, out, _ = lrbench("list", "--db", place)
    assert (code, "TRI(" in out, "next:" in out, "SECRET" in out) == (0, True, False, False)
    monkeypatch.setenv("LRBENCH_DB", place)
    assert "next: lrbench db show" in lrbench("list")[1]


def test_a_target_ranks_by_the_shares_that_reached_it_and_diverged_and_the_iterations(filled):
    code, out, _ = filled("list", "--target", "0.92", "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert [(each["function"], each["iterations_to_target"]) for each in found] == [
        ("TRI", [500, 500]),
        ("FIX", [None, 1000]),
        ("SINEXP", [500, None]),
    ]
    assert [each["restricted_mean_iterations_to_target"] for each in found] == [500, 1500, 1250]
    assert found[2]["reached"] == {"reached": 1, "missed": 1, "unknown": 0}
    assert found[2]["spread"]["best_accuracy"] == {
        "mean": 0.99,
        "deviation": None,
        "n": 1,
        "minimum": 0.99,
        "maximum": 0.99,
        "equal_seeds": False,
    }  # no result at iteration 0
    _, out, _ = filled("list", "--target", "0.92")
    assert "500 (1/2)" in out


def test_filters_narrow_the_list_and_say_when_nothing_fits(filled):
    _, out, _ = filled(
        "list",
        "--function",
        "tri",
        "--net",
        "LENET",
        "--dataset",
        "mnist",
        "--solver",
        "sgd",
        "--engine",
        "caffe",
        "--format",
        "csv",
    )
    assert [row["policy"] for row in csv.DictReader(io.StringIO(out))] == [TRI]
    code, out, err = filled("list", "--solver", "Adam")
    assert (code, out) == (0, "")
    assert err.startswith("none of the 3 entries of ")
    assert filled("list", "--solver", "Adam", "--format", "json")[1] == "[]\n"


def test_csv_has_every_spread(filled):
    _, out, _ = filled("list", "--format", "csv", "--target", "0.92")
    rows = {row["function"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["FIX"]["best_accuracy_mean"] == "0.91"
    assert (rows["FIX"]["best_accuracy_minimum"], rows["FIX"]["best_accuracy_n"]) == ("0.9", "2")
    assert (rows["FIX"]["reached"], rows["FIX"]["iterations_to_target_mean"]) == ("1", "1000.0")
    assert (rows["SINEXP"]["finished"], rows["SINEXP"]["diverged"]) == ("1", "1")


def test_markdown(filled):
    _, out, _ = filled("list", "--format", "markdown")
    assert out.startswith("## lenet on MNIST, batch 100, 2,000 iterations\n\n| id ")


def test_solvers_and_engines_are_shown_where_they_differ(filled, results):
    fake_runs.write_run(results, FIX, solver={"type": "Adam", "momentum": 0.9, "lr_scale": 0.1})
    fake_runs.write_run(results, TRI, seed=5, run_id="on torch", engine=fake_runs.ENGINE | {"name": "torch"})
    filled("add", "results")
    _, out, _ = filled("list")
    assert {"solver", "engine"} <= set(out.splitlines()[2].split())
    assert any("Adam" in line and "caffe" in line for line in out.splitlines())
    assert any("SGD" in line and "torch" in line for line in out.splitlines())


def test_all_of_an_entry(filled):
    _, out, _ = filled("list", "--function", "SINEXP", "--format", "json")
    identity = json.loads(out)[0]["id"]
    assert len(identity) == ENTRY_ID
    code, out, err = filled("show", identity[:6])
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert f"policy: {SINEXP}" in lines
    assert "solver: type=SGD, momentum=0.9, weight_decay=0.0005" in lines
    assert "runs: 2 seeds: 1 finished, 1 diverged" in lines
    assert any(line.split() == ["0", "finished", "1,000", "99.00", "99.00", "1,000", "20.0"] for line in lines)
    assert lines[-1].startswith("SINEXP_k0_0.01")
    code, out, _ = filled("show", identity, "--format", "json")
    assert json.loads(out)["cost"]["iterations"] == 1500


def test_export_and_import_give_the_same_database(filled, tmp_path):
    assert filled("export", "-o", "out.jsonl") == (0, "", "wrote out.jsonl\n")
    code, out, err = filled("import", "out.jsonl", "--db", "copy.sqlite")
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == "copy.sqlite: 6 new runs: 3 new entries, 0 entries with more runs"
    code, out, err = filled("export", "--db", "copy.sqlite")
    assert (code, err) == (0, "")
    assert out == (tmp_path / "out.jsonl").read_text()


def test_what_a_newer_lrbench_ships_can_be_had_later(filled):
    runs = sum(len(each.runs) for each in shipped_entries())
    _, _, err = filled("import", "--shipped")
    assert f": {runs} new runs: {len(shipped_entries())} new entries, " in err
    _, _, err = filled("import", "--shipped")
    assert err.endswith(f": nothing new; {runs} runs already stored\n")


def test_the_variable_names_the_database(filled, monkeypatch, tmp_path):
    monkeypatch.setenv("LRBENCH_DB", "other.sqlite")
    _, _, err = filled("list")
    assert err.startswith("created other.sqlite with ")
    monkeypatch.setenv("LRBENCH_DB", "")
    _, out, err = filled("list")
    assert (len(out.splitlines()) > 3, err) == (True, "")
    assert {path.name for path in tmp_path.iterdir()} == {"other.sqlite", "results", "home"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--target", "1.5"], "error: --target is 1.5, but an accuracy is above 0 and at most 1; "),
        (["list", "--target", "nan"], "error: --target is nan, but an accuracy is above 0 and at most 1; "),
        (["list", "--db", "text"], "error: text: the database cannot be used: file is not a database; "),
        (["add", "results", "--db", "none/x"], "error: none/x: there is no folder none; "),
        (["list", "--db", "postgresql://me:secret@127.0.0.1:1/x"], "error: postgresql://127.0.0.1:1/x: the database "),
        (["add", "text"], "error: text: no such folder; "),
        (["import", "none"], "error: none: No such file or directory; give a file of `lrbench db export`"),
        (["import", "text"], "error: text:1: is not JSON: "),
        (["import"], "error: give a FILE, or --shipped (see lrbench db import --help)"),
        (["import", "text", "--shipped"], "error: give a FILE, or --shipped (see lrbench db import --help)"),
        (["export", "-o", "none/x"], "error: none/x: there is no folder none; create it, or change -o"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(lrbench, results, tmp_path, arguments, says):
    (tmp_path / "text").write_text("no database " * 100)
    before = set(tmp_path.rglob("*"))
    code, out, err = lrbench(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(says)
    assert err.count("\n") == 1
    assert "secret" not in err
    assert set(tmp_path.rglob("*")) - before <= {tmp_path / "home"}


def test_an_unknown_id(filled):
    code, _, err = filled("show", "zzzz")
    assert code == 2
    assert err.endswith("no entry has the id 'zzzz'; `lrbench db list` shows the ids; give 4 digits or more\n")


def test_text_from_runs_cannot_steer_the_terminal_or_a_spreadsheet(lrbench, tmp_path, nothing_shipped):
    workload = fake_runs.WORKLOAD | {"net": {"name": "=cmd|net", "sha256": "a" * 64}}
    fake_runs.write_run(tmp_path / "results", "=FIX(k0=1)", workload=workload)
    lrbench("add", "results")
    _, out, _ = lrbench("list", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["policy"], row["workload"][0]) == ("'=FIX(k0=1)", "'")
    _, out, _ = lrbench("list", "--format", "markdown")
    assert "=cmd\\|net" in out


@pytest.mark.caffe
def test_runs_of_real_caffe_go_from_training_to_the_list(caffe_environment, own_home, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 64, test_batch_size: 100, iterations: 20, "
        "test_interval: 10}\npolicies: [FIX(k0=0.01), FIX(k0=10)]\n"
    )
    results = str(tmp_path / "results")
    for arguments in (["run", spec, "--results", results], ["db", "add", results]):
        assert typed(*arguments).returncode == 0
    answer = typed("db", "list", "--dataset", "digits", "--format", "json")
    found = {each["policy"]: each for each in json.loads(answer.stdout) if not each["shipped"]}
    assert {policy: each["diverged_share"] for policy, each in found.items()} == {"FIX(k0=0.01)": 0, "FIX(k0=10)": 1}
    curves = [run["curve"] for run in found["FIX(k0=0.01)"]["runs"]]
    assert all(curve[0][0] in (10, 20) and curve[0][1] > 0.05 for curve in curves)
    assert found["FIX(k0=10)"]["spread"]["best_accuracy"]["n"] == 0
