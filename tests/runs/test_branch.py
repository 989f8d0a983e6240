"""A run directory that begins as a copy of another: whole, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from factories import fake_runs

from lrbench.errors import ResultsError
from lrbench.runs.description import RunDescription
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.records import read_run
from lrbench.runs.status import Status


def evaluation(iteration: int) -> Evaluation:
    return Evaluation(iteration, {"accuracy_top1": iteration / 100}, 0.1, 1.0, 1.0, 1.0, 1)


def describe(run_id: str) -> RunDescription:
    return fake_runs.description(run_id=run_id)


@pytest.fixture
def parent(tmp_path: Path) -> RunDirectory:
    """A run of three evaluations, with snapshots of the last two."""
    directory = RunDirectory(tmp_path / "parent")
    with directory.locked():
        directory.describe(describe("parent"))
    for iteration in (10, 20, 30):
        directory.append(evaluation(iteration))
        if iteration > 10:
            directory.snapshot(iteration).mkdir(parents=True)
            (directory.snapshot(iteration) / "weights").write_text(f"weights at {iteration}")
    directory.write_status(Status("finished", 30))
    return directory


@pytest.fixture
def child(tmp_path: Path) -> RunDirectory:
    """A run that has not begun."""
    directory = RunDirectory(tmp_path / "child")
    with directory.locked():
        return directory


def files(directory: RunDirectory) -> dict[str, str]:
    return {
        str(path.relative_to(directory.path)): path.read_text()
        for path in directory.path.rglob("*")
        if path.is_file() and path.name not in ("lock", "status.json")
    }


def test_a_branch_has_the_evaluations_and_the_snapshot_up_to_there_and_its_own_description(parent, child):
    before = files(parent)
    assert child.branch(parent, 20, describe("child"))
    assert child.evaluations() == parent.evaluations()[:2]
    assert child.status() == Status("pending", 20)
    assert [(iteration, (path / "weights").read_text()) for iteration, path in child.snapshots()] == [
        (20, "weights at 20")
    ]
    assert json.loads((child.path / "run.json").read_text()) == {
        **json.loads(describe("child").content()),
        "branch": {"run": "parent", "iteration": 20},
    }
    assert child.branched_at == 20
    assert parent.branched_at == 0
    assert files(parent) == before


@pytest.mark.parametrize("iteration", [10, 15, 40, 0])
def test_there_is_no_branch_where_the_parent_has_no_snapshot_or_no_evaluation(parent, child, iteration):
    assert not child.branch(parent, iteration, describe("child"))
    assert files(child) == {}
    assert child.status() == Status("pending")


def test_there_is_no_branch_of_a_parent_that_is_gone(parent, child):
    shutil.rmtree(parent.path)
    assert not child.branch(parent, 20, describe("child"))
    assert files(child) == {}


@pytest.mark.parametrize("step", ["copytree", "put_in_place", "describe", "keep"])
def test_one_that_was_cut_off_is_none_and_is_made_whole_the_next_time(parent, child, monkeypatch, step):
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    owner = {"copytree": shutil, "put_in_place": __import__("lrbench.runs.directory").runs.directory}.get(
        step, RunDirectory
    )
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, die)
        with pytest.raises(Killed):
            child.branch(parent, 20, describe("child"))
    assert child.evaluations() == [], "so a runner would begin at iteration 0"
    assert child.branch(parent, 20, describe("child"))
    assert child.evaluations() == parent.evaluations()[:2]
    assert (child.snapshot(20) / "weights").read_text() == "weights at 20"


def test_a_full_disk_is_named_with_the_folder(parent, child, monkeypatch):
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", fail)
    with pytest.raises(ResultsError, match="cannot write the results folder: No space left on device"):
        child.branch(parent, 20, describe("child"))
    assert child.evaluations() == []


def test_reports_read_a_branch_as_any_run(parent, child):
    child.branch(parent, 20, describe("child"))
    record = read_run(child.path)
    assert record.problem is None
    assert record.evaluations["iteration"].tolist() == [10, 20]
