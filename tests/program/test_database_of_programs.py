"""``lrbench db`` and ``lrbench recommend`` with runs of programs: named as declared, judged by their objective."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories.program_folder import CANARY, DESCENT, ProgramFolder

POLICIES = "policies=['FIX(k0=0.1)', 'FIX(k0=0.001)']"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_DB", str(tmp_path / "policies.sqlite"))
    monkeypatch.setenv("COLUMNS", "200")
    return ProgramFolder(tmp_path)


@pytest.fixture
def added(folder):
    """The runs of two policies in the database."""
    assert folder.lrbench("run", "train.yaml", "--program", POLICIES, "seeds=[0, 1]").returncode == 0
    done = folder.lrbench("db", "add", "results")
    assert done.returncode == 0, done.stderr
    assert "4 new runs: 2 new entries" in done.stderr
    return folder


def own(folder: ProgramFolder) -> list[dict[str, Any]]:
    return [entry for entry in folder.answer("db", "list") if entry["workload"]["engine_name"] == "program"]


def test_entries_name_the_program_and_rank_by_its_objective(added):
    shown = added.lrbench("db", "list", "--net", "train.py").stdout
    assert shown.startswith("train.py on its own data, 200 iterations, judged by distance\n")
    assert "accuracy" not in shown
    assert shown.index("FIX(k0=0.1)") < shown.index("FIX(k0=0.001)")
    first, second = own(added)
    assert first["policy"] == "FIX(k0=0.1)"
    assert first["spread"]["distance"]["mean"] < second["spread"]["distance"]["mean"]
    assert first["workload"]["batch_size"] is None
    assert first["workload"]["evaluated_on"] == "test"
    by_target = added.answer("db", "list", "--net", "train.py", "--target=distance<=0.5")
    assert [entry["iterations_to_target"] for entry in by_target] == [[40, 40], [None, None]]
    assert by_target[0]["target"] == {"metric": "distance", "goal": "minimize", "value": 0.5}
    table = added.lrbench("db", "list", "--target=distance<=0.5", "--format", "markdown").stdout
    assert "iterations to distance 0.5" in table
    detail = added.lrbench("db", "show", first["id"]).stdout
    assert "program: train.py, SHA-256 " in detail
    assert "as declared by the program: optimizer not declared, data not declared" in detail
    assert "objective: minimize distance, at its final evaluation" in detail
    assert "lenet" not in detail


@pytest.mark.usefixtures("warm_programs")
def test_what_a_training_declares_is_kept(folder):
    pytest.importorskip("torch")
    folder.write(
        "train.py",
        """
import lrbench.torch
import torch


def training(seed, width=2):
    torch.manual_seed(seed)
    inputs = torch.ones(8, 2)
    model = torch.nn.Linear(2, width)
    return lrbench.torch.Training(
        model, torch.optim.AdamW(model.parameters()), batches=[(inputs, torch.ones(8, width))],
        loss=torch.nn.functional.mse_loss, evaluate_on=[(inputs, torch.ones(8, width))],
    )
""",
    )
    folder.write(
        "train.yaml",
        "workload: {program: train.py, function: training, arguments: {width: 3}, iterations: 4, evaluate_every: 2}\n"
        "objective: {metric: test_loss}\n",
    )
    assert folder.lrbench("run", "train.yaml", "--program", "policies=['FIX(k0=0.1)']").returncode == 0
    assert folder.lrbench("db", "add", "results").returncode == 0
    (entry,) = own(folder)
    detail = folder.lrbench("db", "show", entry["id"]).stdout
    assert "program: train.py:training, SHA-256 " in detail
    assert "arguments: width=3" in detail
    assert "optimizer AdamW, data not declared, model Linear (9 parameters)" in detail


def test_an_exported_entry_is_imported_as_it_was(added, tmp_path):
    exported = tmp_path / "policies.jsonl"
    assert added.lrbench("db", "export", "-o", str(exported)).returncode == 0
    other = str(tmp_path / "other.sqlite")
    assert added.lrbench("db", "import", str(exported), "--db", other).returncode == 0
    again = [json.loads(line) for line in added.lrbench("db", "export", "--db", other).stdout.splitlines()]
    assert [json.loads(line) for line in exported.read_text().splitlines()] == again
    assert {entry["runs"][0].get("objective", {}).get("metric") for entry in again} == {None, "distance"}


def test_recommend_names_the_policies_of_the_same_program_and_executes_nothing(added):
    added.write("train.py", DESCENT)
    before = added.answer("recommend", "train.yaml")["recommendations"][0]
    assert before["measured_here"] == 2
    assert [one["policy"] for one in before["shortlist"]] == ["FIX(k0=0.1)", "FIX(k0=0.001)"]
    (canary,) = (folder.write("train.py", CANARY + DESCENT) for folder in [added])
    after = added.answer("recommend", "train.yaml")["recommendations"][0]
    assert canary.exists()
    assert not (added.path / "executed").exists()
    assert after["measured_here"] == 0
    assert after["shortlist"][0]["policy"] == "FIX(k0=0.1)"
    assert after["shortlist"][0]["likeness"]["reasons"][0] == "other files of train.py"
    assert after["next"][-2].startswith("lrbench tune train.yaml --program")


def test_recommend_goes_by_the_target_of_the_spec_and_by_the_direction_of_the_objective(added):
    target = "target={metric: distance, value: 0.01}"
    found = added.answer("recommend", "train.yaml", target)["recommendations"][0]
    assert found["target"]["metric"] == "distance"
    assert [one["policy"] for one in found["shortlist"]] == ["FIX(k0=0.1)"]
    assert "FIX(k0=0.001): none of 2 seeds reached distance 0.01, best distance " in found["avoid_sentences"][-1]
    upside_down = added.answer("recommend", "train.yaml", "objective={metric: distance, goal: maximize}")
    assert upside_down["recommendations"][0]["shortlist"][0]["policy"] == "FIX(k0=0.001)"


def test_entries_that_lack_the_objective_are_left_out_with_a_note(added):
    found = added.answer("recommend", "train.yaml", "objective={metric: perplexity}")["recommendations"][0]
    assert found["shortlist"] == []
    assert "left out: 2 whose runs were not judged by the perplexity" in found["notes"]
