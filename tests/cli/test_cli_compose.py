"""``lrbench compose`` as a user types it: a policy from a spec, cut off and gone on with, and bad input."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import typed
from factories.measured import measured
from factories.nets import LINEAR

SPEC = """\
workload: {net: linear.prototxt, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 30, test_interval: 5}
solver: {type: SGD, momentum: 0.9}
seeds: [0]
target_accuracy: 0.3
search:
  {rates: [0.005, 0.03], validation: 200, sampler_seed: 1, functions: [FIX, TRI, POLY, EXP], baselines: [FIX(k0=0.01)]}
composition: {stages: 2, candidates: 3, explore: 0.34}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lrbench", "compose", "trial.yaml", *arguments]


def compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed("compose", "trial.yaml", *arguments, cwd=folder)


def runs(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the evaluations of each run by its directory, relative to the results folder."""
    folders = (path.parent for path in sorted(results.glob("*/*/evaluations.jsonl")))
    return {str(folder.relative_to(results)): measured(folder) for folder in folders}


def check_found(found: dict[str, Any]) -> None:
    """What the spec asks for, whichever engine trains."""
    assert [(stage["start"], stage["end"]) for stage in found["stages"]] == [(0, 15), (15, 30)]
    assert [len(stage["tried"]) for stage in found["stages"]] == [3, 3]
    assert found["stages"][1]["chosen"][0]["policy"] == found["policy"]
    assert {one["drawn"] for one in found["stages"][1]["tried"]} == {"as it was", "near a good one", "afresh"}
    assert found["chosen_on"] == "validation"
    assert found["cost"]["iterations"] == 3 * 15 + 3 * 15
    assert found["cost"]["full_runs"] == 3
    assert found["confirmed"][0]["policy"] == found["policy"]
    assert found["confirmed"][-1]["role"] == "baseline"
    assert 0.2 < found["confirmed"][0]["best_accuracy"]["mean"] <= 1


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.slow
def test_a_policy_composed_on_pytorch_cut_off_and_gone_on_with(folder):
    engine = ("--engine", "torch", "--set", "engine.lanes=3")  # a stage's candidates share a worker
    whole = compose(folder, *engine, "--results", "whole", "--format", "json")
    assert whole.returncode == 0, whole.stderr
    check_found(json.loads(whole.stdout))
    with subprocess.Popen(
        command(*engine, "--format", "json"),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        told: list[str] = []
        while not any("resuming at iteration 15" in line for line in told):
            told.append(process.stderr.readline())
            assert told[-1], "".join(told)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=200)
    assert process.returncode == 130, rest
    assert "interrupted; completed work is kept; to resume, type: lrbench compose trial.yaml --engine torch" in rest
    again = compose(folder, *engine, "--format", "json")
    assert again.returncode == 0, again.stderr
    assert "the best of 3 from iteration 15 to 30: validation accuracy" in again.stderr
    assert runs(folder / "results") == runs(folder / "whole")
    first, second = json.loads(whole.stdout), json.loads(again.stdout)
    for found in (first, second):
        del found["cost"]["seconds"]
        for row in found["confirmed"]:
            del row["seeds"]
    assert second == first
    shown = compose(folder, *engine)
    assert shown.returncode == 0, shown.stderr
    assert first["policy"] in shown.stdout
    assert "chosen on validation images, which were held out of the training set" in shown.stdout
    assert "cost of the search: 5 runs, 90 training iterations" in " ".join(shown.stdout.split())
    assert "started" not in shown.stderr, "all of it was done before"


@pytest.mark.slow
@pytest.mark.caffe
def test_a_policy_composed_on_caffe_is_an_ordinary_one(folder):
    answer = compose(folder, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    check_found(found)
    confirmed = runs(folder / "results")
    spec = folder / "again.yaml"
    spec.write_text(SPEC + f"policies: ['{found['policy']}']\n")
    again = typed("run", "again.yaml", cwd=folder)
    assert again.returncode == 0, again.stderr
    alone = [rows for name, rows in runs(folder / "results").items() if name.startswith("again/")]
    assert alone == [
        rows
        for name, rows in confirmed.items()
        if name == f"trial-confirmed/{found['confirmed'][0]['seeds'][0]['run']}"
    ]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["composition.boundaries=[7]"],
            "composition.boundaries.0 is 7, but there is an evaluation every 5 iterations",
        ),
        (["composition.stretch=40"], "composition.stretch is 40, but a run has 30 iterations"),
        (["composition.candidate=3"], "did you mean candidates?"),
        (["search.functions=[FIXX]"], "no shapes are known to search for the LR function 'FIXX'"),
        (["search.baselines=[FIX(k1=3)]"], 'unknown parameter "k1"'),
        (["search.objective=iterations", "target_accuracy=null"], "there is no target_accuracy"),
        (["target_accuracy=1.2"], "target_accuracy is 1.2"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, overrides, words):
    answer = compose(folder, "--engine", "torch", *(part for one in overrides for part in ("--set", one)))
    assert answer.returncode == 2, answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("error: ") == 1
    assert not list(folder.glob("results/*/*"))


@pytest.mark.caffe
def test_a_driver_that_cannot_train_a_composition_is_refused(folder):
    answer = compose(folder, "--set", "engine.driver=native")
    assert answer.returncode == 2
    assert "has no native form" in answer.stderr
    assert not list(folder.glob("results/*/*"))
