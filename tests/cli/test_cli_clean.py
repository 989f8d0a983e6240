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


@pytest.fixture
def data(tmp_path, monkeypatch):
    """LRBench's data folder: a data set, a folder of the user, and samples of two seeds of 1 MB each."""
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home/data"
    for name in ("mnist/train_lmdb", "mnist/test_lmdb", "mine-order1-0123456789ab/train"):
        (folder / name).mkdir(parents=True)
    for seed in (10, 2):
        samples = folder / f"mnist-order{seed}-55467a018e7e/train_lmdb"
        samples.mkdir(parents=True)
        (samples / "data.mdb").write_bytes(bytes(1_000_000))
    return folder


def test_orders_are_shown_first_and_then_deleted(lrbench, data):
    code, out, _ = lrbench("clean", "--orders")
    assert code == 0
    assert ["mnist", "2,", "10", "2"] in [line.split() for line in out.splitlines()]
    assert out.splitlines()[-3:] == [
        "nothing is deleted yet; runs make ordered samples again",
        "",
        "next: lrbench clean --orders --yes   # deletes them",
    ]
    assert len(list(data.iterdir())) == 4
    found = json.loads(lrbench("clean", "--orders", "--yes", "--format", "json")[1])
    assert found["freed_bytes"] == 2_000_000
    assert [(each["data_set"], each["seed"]) for each in found["ordered_samples"]] == [("mnist", 2), ("mnist", 10)]
    left = {path.name for path in data.iterdir() if not path.name.startswith(".")}
    assert left == {"mnist", "mine-order1-0123456789ab"}
    assert lrbench("clean", "--orders")[1] == "no training samples are stored in the order of a seed\n"


def test_runs_and_orders_may_be_cleaned_together(lrbench, runs, data, tmp_path):
    out = lrbench("clean", tmp_path / "results", "--orders", "--yes")[1]
    assert "freed 8 MB" in out


def test_something_to_clean_is_named(lrbench):
    code, _, err = lrbench("clean")
    assert (code, err) == (2, "error: there is nothing to clean; give a results folder, or --orders\n")


def test_a_folder_that_is_not_there_is_one_line(lrbench, tmp_path):
    code, _, err = lrbench("clean", tmp_path / "nowhere")
    assert code == 2
    assert "no such folder; give a results folder or a run's folder" in err
