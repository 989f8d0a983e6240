"""``lrbench clean``: what is shown and deleted, and that everything else stays."""

from __future__ import annotations

import json

import pytest
from factories import fake_runs

from lrbench.runs.directory import RunDirectory


@pytest.fixture
def runs(tmp_path):
    """A finished run, a diverged one and one to be resumed, each with three snapshots of 1 MB."""
    for policy, status in (("FIX(k0=0.01)", "finished"), ("FIX(k0=1)", "diverged"), ("FIX(k0=0.1)", "running")):
        fake_runs.write_run(tmp_path / "results", policy, [0.1, 0.9], status=status)
    folders = {
        json.loads((path.parent / "status.json").read_text())["status"]: path.parent
        for path in tmp_path.rglob("run.json")
    }
    for folder in folders.values():
        for iteration in (10, 20, 30):
            snapshot = folder / f"snapshots/iter_{iteration:08d}"
            snapshot.mkdir(parents=True)
            (snapshot / "state").write_bytes(bytes(1_000_000))
    return folders


def kept(folder):
    return [iteration for iteration, _ in RunDirectory(folder).snapshots()]


def test_it_shows_first_what_would_go(lrbench, runs, tmp_path):
    code, out, _ = lrbench("clean", tmp_path / "results")
    assert code == 0
    assert out.splitlines()[-1] == f"next: lrbench clean {tmp_path / 'results'} --yes   # deletes them"
    assert "1 run is not done; snapshots to resume from stay" in out
    assert [kept(folder) for folder in runs.values()] == [[10, 20, 30]] * 3
    found = json.loads(lrbench("clean", tmp_path / "results", "--format", "json")[1])
    assert sorted((run["done"], run["snapshots"], run["bytes"]) for run in found["runs"]) == [
        (False, 0, 0),
        (True, 3, 3_000_000),
        (True, 3, 3_000_000),
    ]


@pytest.mark.parametrize(("options", "left", "freed"), [([], [], "6"), (["--keep", "1"], [30], "4")])
def test_yes_deletes_the_snapshots_of_done_runs_alone(lrbench, runs, tmp_path, options, left, freed):
    before = lrbench("report", tmp_path / "results", "--format", "json")[1]
    code, out, _ = lrbench("clean", tmp_path / "results", *options, "--yes")
    assert code == 0
    assert f"freed {freed} MB" in out
    assert {status: kept(folder) for status, folder in runs.items()} == {
        "finished": left,
        "diverged": left,
        "running": [10, 20, 30],
    }
    assert lrbench("report", tmp_path / "results", "--format", "json")[1] == before


def test_a_run_that_another_process_holds_stays(lrbench, runs, tmp_path):
    with RunDirectory(runs["finished"]).locked():
        lrbench("clean", tmp_path / "results", "--yes")
    assert kept(runs["finished"]) == [10, 20, 30]
    assert kept(runs["diverged"]) == []


def test_where_there_is_nothing_it_says_so(lrbench, tmp_path):
    fake_runs.write_run(tmp_path / "results", "FIX(k0=0.01)", [0.1, 0.9])
    assert lrbench("clean", tmp_path / "results")[1] == "no done run has a snapshot to delete\n"


def test_a_folder_that_is_not_there_is_one_line(lrbench, tmp_path):
    code, _, err = lrbench("clean", tmp_path / "nowhere")
    assert code == 2
    assert "no such folder; give a results folder or a run's folder" in err
