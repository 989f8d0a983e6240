"""Results that are half written, somebody else's, newer or damaged: each is named, and the rest is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import re

import pytest
from factories import fake_runs

from lrbench.report.render import formats

FIX = "FIX(k0=0.01)"


def newer(run):
    told = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**told, "schema": 2}))


def torn(run):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write('{"iteration": 1000, "accura')


def not_json(run):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write("\x00garbage\n")


def other_columns(run):
    (run / "evaluations.jsonl").write_text('{"iteration": 500, "my_metric": 0.5, "accuracy_top1": null}\n')


def unreadable(run):
    (run / "evaluations.jsonl").unlink()
    (run / "evaluations.jsonl").mkdir()


def a_pipe(run):
    (run / "run.json").unlink()
    os.mkfifo(run / "run.json")


def put(name, content):
    def damage(run):
        if content is None:
            (run / name).unlink()
        else:
            (run / name).write_text(content)

    return damage


LEFT_OUT = {
    "newer": (newer, "run.json has schema 2, this version reads up to 1; install a newer LRBench"),
    "half": (put("run.json", '{"schema": 1, "po'), "run.json is not JSON: "),
    "headless": (put("run.json", None), "run.json is missing"),
    "foreign": (put("run.json", '{"name": "theirs"}'), "run.json was not written by LRBench"),
    "odd": (put("run.json", '{"schema": 1, "policy": 5}'), "run.json: 'run_id' is missing or of the wrong type"),
    "status": (put("status.json", '{"status": "splendid"}'), "status.json: unknown status 'splendid'"),
    "countless": (
        put("status.json", '{"status": "finished", "iteration": 1' + "0" * 30 + "}"),
        "status.json: 'iteration' is not a whole number of 64 bits",
    ),
    "folder": (unreadable, "evaluations.jsonl cannot be read: Is a directory"),
    "pipe": (a_pipe, "run.json cannot be read: not a regular file"),
}
"""How a run is damaged beyond use, and what is said of it."""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Results with a good run and one of each damage; a run is named by its damage."""
    results = tmp_path_factory.mktemp("damaged") / "results"
    fake_runs.write_run(results, FIX, [0.1, 0.9])
    (results / "exp" / "plots").mkdir()
    (results / "exp" / "plots" / "rates.png").touch()  # no run, and nobody's business
    for name, (damage, _) in LEFT_OUT.items():
        damage(fake_runs.write_run(results, f"FIX(k0={len(name)})", [0.1, 0.8], run_id=name))
    for name, damage in {"torn": torn, "garbage": not_json, "columns": other_columns}.items():
        damage(fake_runs.write_run(results, f"EXP(k0=0.01, gamma=0.9{ord(name[0])})", [0.1, 0.7], run_id=name))
    return results


@pytest.mark.parametrize("command", [*formats(), "plot"])
def test_each_is_named_and_the_rest_is_shown(damaged, lrbench, tmp_path, command):
    empty = tmp_path / "empty"
    empty.mkdir()
    drawn = tmp_path / "x.svg"
    typed = ["plot", "--what", "rates", "-o", drawn] if command == "plot" else ["report", "--format", command]
    code, out, err = lrbench(*typed, damaged, empty)
    assert code == 0
    for name, (_, why) in LEFT_OUT.items():
        assert re.search(rf"^left out: \S*/{name}: {re.escape(why)}", err, re.MULTILINE), name
    assert f"left out: {empty}: there is no run in this folder\n" in err
    assert "garbage: evaluations.jsonl:3 is not JSON; only the evaluations before that are shown\n" in err
    said = [line for line in err.splitlines() if not line.startswith("wrote ")]
    assert len(said) == len(LEFT_OUT) + 2
    assert drawn.stat().st_size > 0 if command == "plot" else FIX in out.replace("\\", "").replace("allowbreak{}", "")


def test_what_is_left_of_a_damaged_run_is_no_outcome(damaged, lrbench):
    _, out, _ = lrbench("report", damaged, "--format", "json")
    runs = {run["run_id"]: run for run in json.loads(out)["runs"]}
    assert len(runs) == 4
    assert (runs["torn"]["status"], runs["torn"]["best_accuracy"]) == ("finished", 0.7)
    assert (runs["garbage"]["status"], runs["garbage"]["best_accuracy"]) == ("cut off", 0.7)
    assert (runs["columns"]["status"], runs["columns"]["best_accuracy"]) == ("finished", None)
    assert runs["columns"]["evaluations"]["my_metric"] == [0.5]
    _, out, _ = lrbench("report", damaged, "--format", "csv")
    assert [line["rank"] for line in csv.DictReader(io.StringIO(out))] == ["1", "2", "", ""]


@pytest.mark.parametrize("name", ["newer", "half", "foreign"])
def test_a_damaged_run_alone_is_one_line_and_code_2(damaged, lrbench, tmp_path, name):
    for command in (["report"], ["plot", "-o", tmp_path / "x.svg"]):
        code, out, err = lrbench(*command, damaged / "exp" / name)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        problem, _, remedy = LEFT_OUT[name][1].partition("; ")
        assert f"{name}: {problem}" in err
        assert f", so there is nothing to report; {remedy}" in err


def test_a_refusal_names_the_folder_and_the_remedy_whatever_the_folder_is_called(lrbench, tmp_path):
    run = fake_runs.write_run(tmp_path / "old: results; kept", "FIX(k0=0.1)")
    newer(run)
    code, _, err = lrbench("report", tmp_path / "old: results; kept")
    assert (code, err) == (
        2,
        f"error: {run}: run.json has schema 2, this version reads up to 1, so there is nothing to report; "
        "install a newer LRBench\n",
    )
