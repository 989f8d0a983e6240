"""``lrbench tune`` and ``lrbench verify`` as a user types them, training for real with PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from command_line import typed
from factories.nets import LINEAR

pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'lrbench[torch]'")

pytestmark = pytest.mark.usefixtures("warm_torch")
PYTHON = sys.executable  # not a fork
SPEC = """\
name: trial
workload: {net: linear.prototxt, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 240, test_interval: 20}
solver: {type: SGD, momentum: 0.9, weight_decay: 0.0005}
engine: {name: torch}
seeds: [0, 1]
target_accuracy: 0.8
search:
  rates: [0.005, 0.05]
  functions: [FIX, SINEXP]
  trials: 4
  validation: 200
  baselines: ['FIX(k0=0.0001)']
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return tmp_path


def command(*arguments):
    return ["-m", "lrbench", *arguments]


def lrbench(folder, *arguments):
    return typed(*arguments, cwd=folder)


@pytest.mark.engines
def test_from_a_spec_to_a_decision_with_its_evidence_on_one_screen(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lanes = ("--set", "engine.lanes=2")  # half as many workers to start
    done = lrbench(folder, "tune", "trial.yaml", "-j", "2", *lanes)
    assert done.returncode == 0, done.stderr
    lines, text = done.stdout.splitlines(), " ".join(done.stdout.split())
    assert "chosen on validation images, which were held out of the training set: digits, 200 training" in text
    assert "cost of the search: 4 policies (" in text
    assert "of the confirmation: 4 runs, 960 iterations" in text
    assert "FIX(k0=0.0001)" in text
    assert lines[-1].startswith("next: lrbench export ")
    assert max(map(len, lines[:-1])) <= 120, "a command is not wrapped"
    (answer,) = [number for number, line in enumerate(lines) if line.startswith("answer: ")]
    assert len(lines[:answer]) < 50, "the evidence, the rule of the search and what the seeds can show"
    assert len(lines[answer:]) < 8

    again = json.loads(lrbench(folder, "tune", "trial.yaml", "--format", "json", *lanes).stdout)
    assert len(again["tried"]) == 4
    found, baseline = again["confirmed"]
    assert found["policy"] == again["best"][0]["policy"]
    assert [seed["seed"] for seed in found["seeds"]] == [0, 1]
    assert found["best_accuracy"]["mean"] > baseline["best_accuracy"]["mean"]
    assert again["chosen_on"] == "validation"
    for experiment, dataset in (("trial-tune", "digits-holdout200"), ("trial-confirmed", "digits")):
        for run in (folder / "results" / experiment).glob("*/run.json"):
            assert json.loads(run.read_text())["workload"]["dataset"]["name"] == dataset


def test_a_killed_search_goes_on_and_trains_nothing_twice(folder):
    process = subprocess.Popen(
        [PYTHON, *command("tune", "trial.yaml", "--set", "search.trials=3", "--set", "search.confirm=0", "-j", "1")],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "[2]" in line and "iteration 40 " in line:  # by then the snapshot of iteration 20 is whole
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    runs = folder / "results" / "trial-tune"
    before = {path.name: (path / "evaluations.jsonl").read_text() for path in runs.iterdir() if path.is_dir()}
    assert len(before) == 2
    done = lrbench(
        folder, "tune", "trial.yaml", "--set", "search.trials=3", "--set", "search.confirm=0", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["tried"]) == 3
    assert before.keys() <= {tried["run"] for tried in found["tried"]}
    for name, text in before.items():
        assert (runs / name / "evaluations.jsonl").read_text().startswith(text.splitlines()[0])
    assert "[2]" in done.stderr
    assert "resuming at iteration" in done.stderr


@pytest.fixture(params=["file", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
def storage(request):
    """Options that say where the study is kept."""
    if request.param == "file":
        return []
    return ["--storage", request.getfixturevalue("postgresql").empty_database("studies")]


def test_two_terminals_work_on_one_search_and_end_with_the_same_results(folder, storage):
    arguments = command(
        "tune", "trial.yaml", "--set", "search.trials=4", "--set", "search.confirm=0", "--format", "json", *storage
    )
    both = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=500) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    trained = [sum(" started" in line for line in errors.splitlines()) for _, errors in outputs]
    assert min(trained) >= 1
    first, second = (json.loads(output) for output, _ in outputs)
    assert first == second
    assert 4 <= len(first["tried"]) <= 5
    assert sum(trained) == len(list((folder / "results" / "trial-tune").glob("*/run.json")))
    assert (folder / "results" / "trial-tune" / "study.journal").exists() is not bool(storage)


def test_searched_with_one_engine_and_confirmed_with_another(folder, caffe_environment):
    done = lrbench(
        folder,
        "tune",
        "trial.yaml",
        "--engine",
        "caffe",
        "--set",
        "search.engine.name=torch",
        "--set",
        "search.trials=2",
        "--set",
        "seeds=[0]",
        "--set",
        "search.baselines=[]",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "search for policies: trial, with torch"
    assert "confirmed by full runs from scratch with caffe, trained on the" in " ".join(done.stdout.split())
    for experiment, engine in (("trial-tune", "torch"), ("trial-confirmed", "caffe")):
        runs = list((folder / "results" / experiment).glob("*/run.json"))
        assert {json.loads(run.read_text())["engine"]["name"] for run in runs} == {engine}


@pytest.mark.engines
def test_without_validation_the_result_is_marked(folder):
    done = lrbench(
        folder,
        "tune",
        "trial.yaml",
        "--set",
        "search.validation=0",
        "--set",
        "search.trials=2",
        "--set",
        "search.confirm=0",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].startswith("CHOSEN ON THE TEST SET of digits (search.validation is 0)")


@pytest.mark.engines
def test_a_verdict_with_its_exit_code(folder):
    reached = lrbench(
        folder,
        "verify",
        "trial.yaml",
        "--policy",
        "FIX(k0=0.02)",
        "--target",
        "0.5",
        "--phase",
        "policy",
        "--db",
        "none.sqlite",
    )
    assert reached.returncode == 0, reached.stderr
    assert "2 of 2 seeds reached it (95 % confidence interval of the share: 16% to 100%)" in reached.stdout
    assert reached.stdout.splitlines()[-3] == "REACHED: 50 % within 240 iterations, by FIX(k0=0.02)"
    assert reached.stdout.splitlines()[-1].startswith(
        "next: lrbench export 'FIX(k0=0.02)' --to torch --iterations 240 "
    )
    missed = lrbench(
        folder,
        "verify",
        "trial.yaml",
        "--policy",
        "FIX(k0=0.00001)",
        "--phase",
        "policy",
        "--db",
        "none.sqlite",
        "--format",
        "json",
    )
    assert missed.returncode == 1, missed.stderr
    verdict = json.loads(missed.stdout)
    assert verdict["reached"] is False
    assert verdict["policy"] is None
    assert verdict["attempts"][0]["confidence_interval"] == pytest.approx([0, 0.8419], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tune", "trial.yaml", "--set", "search.functions=[]"),
            "error: --set search.functions: search.functions is an empty list, but must be a list of at least 1; for example "
            "functions: [modern, SINEXP]",
        ),
        (
            ("tune", "trial.yaml", "--set", "search.functions=[SINE]"),
            "no shapes are known to search for the LR function",
        ),
        (
            ("tune", "trial.yaml", "--set", "search.rates=[0.1, 0.01]"),
            "search.rates is [0.1, 0.01]; list the lowest rate first, as in [0.001, 0.1]",
        ),
        (("tune", "trial.yaml", "--set", "search.validation=1297"), "cannot hold 1297 of 1297 training images out"),
        (
            ("tune", "trial.yaml", "--set", "search.validation=150"),
            "150 samples, which is not a multiple of the test batch",
        ),
        (("tune", "trial.yaml", "--set", "search.baselines=['FIX(k0=-1)']"), "k0 is -1"),
        (
            ("tune", "trial.yaml", "--storage", "postgresql+psycopg://me:secret@localhost:1/x"),
            "error: postgresql://localhost:1/x: cannot",
        ),
        (
            ("tune", "trial.yaml", "--storage", "postgresql:/me:secret@localhost/x"),
            "the URL of the database cannot be read",
        ),
        (("tune", "trial.yaml", "postgresql://me:secret@localhost/x"), "argument (postgresql://localhost/x)"),
        (
            ("verify", "trial.yaml", "--policy", "FIX(k0=0.01)", "--db", "postgresql:/me:secret@localhost/x"),
            "the URL of the database cannot be read",
        ),
        *(
            ((*command, "--set", "search.rates=null", *more), message)
            for command in (("tune", "trial.yaml"), ("verify", "trial.yaml", "--policy", "FIX(k0=0.01)"))
            for more, message in (
                (("--storage", "postgresql:/me:secret@localhost/x"), "the URL of the database cannot be read"),
                (("--storage", "trial.yaml"), "trial.yaml"),
                (("--set", "search.functions=[SINE]"), "no shapes are known to search for the LR function"),
            )
        ),
        (
            ("compose", "trial.yaml", "--set", "search.rates=null", "--set", "search.baselines=['FIX(k0=-1)']"),
            "k0 is -1",
        ),
        (("tune", "trial.yaml", "--set", "target_accuracy=1.5"), "target_accuracy is 1.5, but must be"),
        (
            ("tune", "trial.yaml", "--set", "search.engine.name=tensorflow"),
            "--set search.engine.name: unknown engine 'tensorflow'; the engines are caffe, torch, program",
        ),
        (
            ("tune", "trial.yaml", "--set", "search.engine.name=caffe", "--set", "search.engine.precision=bf16"),
            "precision is 'bf16', which Caffe does not support",
        ),
        (
            ("verify", "trial.yaml", "--policy", "FIX(k0=0.01)", "--target", "1.5"),
            "--target is 1.5, but an accuracy is",
        ),
        (("verify", "trial.yaml", "--phase", "policy"), "--phase policy needs a policy; add --policy"),
        (("verify", "trial.yaml", "--policy", "FIX(k=1)"), 'unknown parameter "k"'),
        (("verify", "trial.yaml", "--policy", "STEP(k0=1, gamma=0.1, l=0)"), "l is 0"),
        (("verify", "trial.yaml", "--db", "trial.yaml"), "trial.yaml"),
    ],
)
def test_bad_input_is_one_clear_line(folder, arguments, message):
    done = lrbench(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert message in line
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("results/*/*/run.json"))
