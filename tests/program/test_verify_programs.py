"""``lrbench verify`` on programs: the target of the spec, by any metric."""

from __future__ import annotations

import pytest
from factories.program_folder import CANARY, DESCENT, ProgramFolder

TARGET = "target={metric: distance, value: 0.01}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_DB", str(tmp_path / "policies.sqlite"))
    return ProgramFolder(tmp_path)


def test_a_policy_that_reaches_the_value_of_a_metric_is_verified_and_its_runs_end_there(folder):
    found = folder.answer("verify", "train.yaml", "--program", TARGET, "--policy", "FIX(k0=0.1)", "seeds=[0, 1]")
    assert found["reached"]
    assert found["target"] == {"metric": "distance", "goal": "minimize", "value": 0.01}
    (attempt,) = found["attempts"]
    assert [seed["status"] for seed in attempt["seeds"]] == ["stopped", "stopped"]
    assert all(seed["best_value"] <= 0.01 for seed in attempt["seeds"])


def test_where_the_policy_fails_the_database_and_the_search_are_asked(folder):
    add = ("run", "train.yaml", "--program", "policies=['FIX(k0=0.1)']", "seeds=[5]")
    assert folder.lrbench(*add).returncode == 0
    assert folder.lrbench("db", "add", "results").returncode == 0
    done = folder.lrbench("verify", "train.yaml", "--program", TARGET, "--policy", "FIX(k0=0.001)")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.startswith("distance 0.01 on the test set within 200 iterations?")
    assert "known policies: FIX(k0=0.1) (reached it with 1 of 1 seeds on: same program, same iterations" in text
    assert "REACHED: distance 0.01 within 200 iterations, by FIX(k0=0.1)" in text


def test_a_search_composes_nothing_for_a_program_that_cannot_resume_and_says_so(folder):
    search = ("search.rates=[0.001, 0.002]", "search.functions=[FIX]", "search.trials=2", "search.final_seeds=0")
    done = folder.lrbench("verify", "train.yaml", "--program", TARGET, "--phase", "search", *search)
    assert done.returncode == 1
    assert "NOT REACHED: distance 0.01 within 200 iterations" in done.stdout
    assert "no policy was composed: train.yaml:2: compose needs a training that can be resumed" in " ".join(
        done.stdout.split()
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--target", "0.9"),
            "the target is an accuracy, 0.9, but the spec judges by distance; give distance=0.9, or set target in the spec",
        ),
        ((), "there is no target to reach"),
    ],
)
def test_a_missing_or_unfit_target_is_one_line_before_anything_runs(folder, words, message):
    done = folder.lrbench("verify", "train.yaml", "--program", "--policy", "FIX(k0=0.1)", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.runs()


def test_nothing_is_executed_without_consent(folder):
    folder.write("train.py", CANARY + DESCENT)
    done = folder.lrbench("verify", "train.yaml", TARGET, "--policy", "FIX(k0=0.1)")
    assert done.returncode == 2
    assert "needs your consent" in done.stderr
    assert not (folder.path / "executed").exists()
