"""Reading run directories: whole, under way, cut off and damaged."""

from __future__ import annotations

import json
import math
import os

import pytest
from factories import fake_runs
from filelock import FileLock

from lrbench.errors import ResultsError
from lrbench.runs.directory import RunDirectory
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import find_runs, read_run

FIX = "FIX(k0=0.01)"


@pytest.fixture
def run(tmp_path):
    return fake_runs.write_run(tmp_path, FIX, [0.1, None, 0.8])


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_finished_run(run):
    record = read_run(run)
    assert record.problem is None
    assert record.run.policy == FIX
    assert record.status.status == "finished"
    assert not record.cut_off
    assert record.evaluations["iteration"].tolist() == [0, 500, 1000]
    accuracy = record.evaluations["accuracy_top1"].tolist()
    assert (accuracy[0], accuracy[2]) == (0.1, 0.8)
    assert math.isnan(accuracy[1])


def test_reading_changes_nothing(run):
    (run / "status.json").write_text('{"status": "running", "reason": null, "iteration": 0}')
    before = listing(run)
    read_run(run)
    assert listing(run) == before


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_last_line_is_ignored(run, cut):
    path = run / "evaluations.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    record = read_run(run)
    assert record.problem is None
    whole = cut == 1  # only the line end is missing: nothing of the evaluation is
    assert record.evaluations["iteration"].tolist() == [0, 500, 1000][: 3 if whole else 2]


@pytest.mark.parametrize("line", ["{", "", "1,2", '{"iteration": 1}, {"iteration": 2}', '{"iteration": 500, "x": NaN}'])
def test_a_broken_line_in_the_middle_is_named(run, line):
    path = run / "evaluations.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:], ""]))
    record = read_run(run)
    assert record.problem == "evaluations.jsonl:2 is not JSON"
    assert record.evaluations["iteration"].tolist() == [0]  # those before it


@pytest.mark.parametrize("line", ["[1]", "7", '{"accuracy_top1": 0.5}', '{"iteration": "soon"}', '{"iteration": [1]}'])
def test_a_line_that_is_no_evaluation_is_named(run, line):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write(line + "\n")
    record = read_run(run)
    assert record.problem == "evaluations.jsonl:4 is not an evaluation: numbers by name, with its iteration"
    assert record.evaluations["iteration"].tolist() == [0, 500, 1000]
    assert record.evaluations["accuracy_top1"][2] == 0.8


def test_a_file_of_lines_that_are_no_evaluations_leaves_none(run):
    (run / "evaluations.jsonl").write_text('{"iteration": [1]}\n' * 3)
    record = read_run(run)
    assert record.problem == "evaluations.jsonl:1 is not an evaluation: numbers by name, with its iteration"
    assert record.evaluations["iteration"].tolist() == []


def test_an_iteration_written_twice_counts_once_and_the_later_line_wins(run):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps(fake_runs.evaluation(500, 0.7)) + "\n")
    columns = read_run(run).evaluations
    assert columns["iteration"].tolist() == [0, 500, 1000]
    assert columns["accuracy_top1"].tolist() == [0.1, 0.7, 0.8]


@pytest.fixture
def in_small_batches(monkeypatch):
    """Every line of a file is a batch of its own."""
    monkeypatch.setattr("lrbench.runs.evaluations.BATCH_BYTES", 1)


@pytest.mark.usefixtures("in_small_batches")
def test_batches_are_put_together_with_the_columns_of_the_first_and_the_last_line(run):
    lines = [
        {"iteration": 1, "old": 0.5},
        {"iteration": 2, "old": 0.6, "passing": 1},
        {"iteration": 3},
        {"iteration": 2, "new": 0.7},
        {"iteration": 4, "new": None},
        {"iteration": 5, "new": 0.9},
    ]
    (run / "evaluations.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    record = read_run(run)
    assert record.problem is None
    assert list(record.evaluations) == ["iteration", "old", "new"]
    assert record.evaluations["iteration"].tolist() == [1, 2, 3, 4, 5]
    assert str(record.evaluations["old"].tolist()) == "[0.5, nan, nan, nan, nan]"
    assert str(record.evaluations["new"].tolist()) == "[nan, 0.7, nan, nan, 0.9]"


@pytest.mark.usefixtures("in_small_batches")
def test_a_broken_line_is_named_by_its_number_in_the_file(run):
    path = run / "evaluations.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "garbage", lines[0], ""]))
    record = read_run(run)
    assert record.problem == "evaluations.jsonl:4 is not JSON"
    assert record.evaluations["iteration"].tolist() == [0, 500, 1000]


def test_a_run_not_begun(run):
    (run / "evaluations.jsonl").unlink()
    (run / "status.json").unlink()
    record = read_run(run)
    assert record.problem is None
    assert record.status.status == "pending"
    assert record.evaluations["iteration"].tolist() == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("run.json", None, "run.json is missing"),
        ("run.json", "{", "run.json is not JSON"),
        ("run.json", "[]", "run.json is not a JSON object"),
        ("run.json", '{"schema": 2, "policy": "x"}', "schema 2, this version reads up to 1; install a newer"),
        ("run.json", '{"name": "somebody else\'s"}', "not written by LRBench"),
        ("run.json", '{"schema": 1, "policy": 5, "run_id": "", "experiment": ""}', "'policy' is missing or of"),
        ("status.json", "{", "status.json is not JSON"),
        ("status.json", '{"status": "splendid"}', "unknown status 'splendid'"),
        ("status.json", '{"status": ["running"]}', "unknown status"),
    ],
)
def test_a_damaged_file_is_named(run, name, content, problem):
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    with pytest.raises(DamagedRun) as refusal:
        read_run(run)
    assert problem in str(refusal.value)


@pytest.mark.timeout(100)
def test_a_pipe_in_place_of_a_file_does_not_hang(run):
    (run / "evaluations.jsonl").unlink()
    os.mkfifo(run / "evaluations.jsonl")
    with pytest.raises(DamagedRun, match=r"evaluations.jsonl cannot be read: not a regular file"):
        read_run(run)


def test_a_run_whose_process_is_gone_is_cut_off(run):
    (run / "status.json").write_text('{"status": "running", "reason": null, "iteration": 500}')
    assert read_run(run).cut_off  # no lock file
    lock = FileLock(run / "lock")
    with lock:
        assert not read_run(run).cut_off
        assert lock.is_locked
    assert read_run(run).cut_off  # a lock file that nobody holds


def test_a_runs_end_between_two_looks_is_not_a_cut_off(run, monkeypatch):
    (run / "status.json").write_text('{"status": "running", "reason": null, "iteration": 500}')

    def end_it(directory):
        (run / "status.json").write_text('{"status": "finished", "reason": null, "iteration": 1000}')
        return False

    monkeypatch.setattr(RunDirectory, "is_locked", property(end_it))
    record = read_run(run)
    assert record.status.status == "finished"
    assert not record.cut_off


def test_runs_are_found_at_every_level_and_once(tmp_path):
    runs = [fake_runs.write_run(tmp_path, FIX, seed=seed, experiment=f"e{seed}") for seed in range(2)]
    assert find_runs([tmp_path]) == runs
    assert find_runs([tmp_path / "e0"]) == runs[:1]
    assert find_runs([runs[1]]) == runs[1:]
    assert find_runs([tmp_path, tmp_path / "e0", runs[1]]) == runs


def test_links_in_circles_end(tmp_path):
    run = fake_runs.write_run(tmp_path / "results", FIX)
    (tmp_path / "results" / "loop").symlink_to(tmp_path)
    (tmp_path / "results" / "self").symlink_to("self")
    assert [path.resolve() for path in find_runs([tmp_path])] == [run]


def test_a_damaged_run_is_found_and_a_folder_of_something_else_is_not(tmp_path, run):
    (run / "run.json").unlink()
    (tmp_path / "exp" / "plots").mkdir()
    (tmp_path / "exp" / "plots" / "x.png").touch()
    assert find_runs([tmp_path]) == [run]


def test_the_search_is_bounded(tmp_path):
    run = fake_runs.write_run(tmp_path / "a/b/c/d/e", FIX)
    assert find_runs([tmp_path]) == []
    assert find_runs([tmp_path / "a/b/c"]) == [run]


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(ResultsError, match="nowhere: no such folder; give a results folder"):
        find_runs([tmp_path / "nowhere"])
