"""``lrbench compose`` on programs: stages go on from what the program saved, and the policy found gives the same again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories.program_folder import CANARY, DESCENT, SPEC, ProgramFolder

SETTINGS = ("search.rates=[0.01, 0.1]", "search.functions=[FIX, EXP]", "search.baselines=[]")


def script(momentum: float = 0.5) -> str:
    """Gradient descent with momentum, and a state that it saves and restores."""
    return f"""
import json
import random
import lrbench

state = {{}}


def save(folder):
    with open(folder + "/state.json", "w") as file:
        json.dump(state, file)


def restore(folder):
    with open(folder + "/state.json") as file:
        state.update(json.load(file))


run = lrbench.attach(iterations=120, evaluate_every=10, save=save, restore=restore)
first = random.Random(run.seed)
for name in ("slow", "fast"):
    state.setdefault(name, 1 + first.random())
    state.setdefault("moving " + name, 0.0)
for t in run:
    loss = 0.0
    for name, curvature in (("slow", 1), ("fast", 10)):
        loss += curvature * state[name] * state[name] / 2
        state["moving " + name] = {momentum} * state["moving " + name] + curvature * state[name]
        state[name] -= run.rate * state["moving " + name]
    run.step(loss)
    if run.should_evaluate:
        run.report(distance=abs(state["slow"]) + abs(state["fast"]))
"""


FUNCTION = """
import lrbench.torch
import torch


def training(seed):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.randn(4, 2)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2))
    batches = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, targets), batch_size=16, shuffle=True
    )
    return lrbench.torch.Training(
        model, torch.optim.Adam(model.parameters(), lr=0.01), batches=batches,
        loss=torch.nn.functional.mse_loss, evaluate_on=[(inputs, targets)],
    )
"""
SHORT = "workload: {program: train.py, iterations: 120, evaluate_every: 10}"


@pytest.fixture
def folder(tmp_path):
    spec = SPEC.replace("workload: {program: train.py, iterations: 200, evaluate_every: 40}", SHORT)
    return ProgramFolder(tmp_path, script(), f"{spec}composition: {{stages: 3, candidates: 3}}\n")


def same_from_scratch(folder: ProgramFolder, found: dict[str, Any]) -> None:
    """Train the composite policy without stages, with the seed of the search; its evaluations are the same."""
    run = found["stages"][-1]["chosen"][0]["run"]
    in_stages = folder.evaluations(folder.path / "results/train-compose" / run)
    done = folder.lrbench(
        "run", "train.yaml", "--program", "name=whole", f"policies=[{json.dumps(found['policy'])}]", "seeds=[1000]"
    )
    assert done.returncode == 0, done.stderr
    (whole,) = folder.runs("whole")
    assert folder.evaluations(whole) == in_stages


def test_a_script_that_saves_its_state_is_composed_as_if_it_had_trained_in_one_piece(folder):
    found = folder.answer("compose", "train.yaml", "--program", *SETTINGS, "search.sampler_seed=1")
    assert found["chosen_on"] == "test"  # the script takes no split
    assert found["images"] is None
    assert [stage["end"] for stage in found["stages"]] == [40, 80, 120]
    assert any("branch" in folder.described(run) for run in folder.runs("train-compose"))
    assert found["composite"]
    distances = [one["distance"] for one in found["stages"][-1]["tried"]]
    assert distances == sorted(distances)
    same_from_scratch(folder, found)


@pytest.mark.usefixtures("warm_programs")
def test_a_training_with_adam_is_composed_as_if_it_had_trained_in_one_piece(folder):
    folder.write("train.py", FUNCTION)
    spec = (folder.path / "train.yaml").read_text()
    spec = spec.replace("program: train.py,", "program: train.py, function: training,")
    folder.write("train.yaml", spec.replace("{metric: distance, goal: minimize}", "{metric: test_loss}"))
    found = folder.answer("compose", "train.yaml", "--program", *SETTINGS, "composition={stages: 2, candidates: 2}")
    assert found["composite"]
    same_from_scratch(folder, found)


def test_a_program_that_cannot_resume_is_refused_before_it_trains(folder):
    folder.write("train.py", DESCENT.replace("for t in run:", "for t in run:\n    open('trained', 'w')"))
    done = folder.lrbench("compose", "train.yaml", "--program")
    assert done.returncode == 2
    assert done.stderr.splitlines()[2:] == [
        "error: train.yaml:2: compose needs a training that can be resumed, but train.py cannot be resumed: give save= "
        "and restore= to lrbench.attach, or hand over an lrbench.torch.Training"
    ]
    assert not (folder.path / "trained").exists()
    assert not folder.runs()


def test_a_program_that_fails_before_it_trains_is_named_with_its_line(folder):
    folder.write("train.py", script().replace("first = random", "first = randon"))
    done = folder.lrbench("compose", "train.yaml", "--program", *SETTINGS)
    assert done.returncode == 1
    folder.write("train.py", "import nothing_of_the_kind\n")
    done = folder.lrbench("compose", "train.yaml", "--program", *SETTINGS)
    assert done.returncode == 2
    assert "train.py:1: compose needs a training that can be resumed, but it cannot be started: Module" in done.stderr


def test_nothing_is_executed_without_consent(folder):
    folder.write("train.py", CANARY + script())
    done = folder.lrbench("compose", "train.yaml", *SETTINGS)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "needs your consent" in done.stderr
    assert not (folder.path / "executed").exists()


def test_stages_end_at_plateaus_of_any_metric_that_the_program_reports(folder):
    text = script().replace("distance=", "progress=state['slow'] > 0.5, distance=")
    folder.write("train.py", text)
    plateau = ("composition={stages: 3, candidates: 2, ends: plateau, monitor: progress, patience: 2}",)
    refused = folder.lrbench("compose", "train.yaml", "--program", *SETTINGS, *plateau)
    assert refused.returncode == 2
    assert "composition.monitor is progress, a name that does not tell whether low or high" in refused.stderr
    plateau = ("composition={stages: 3, candidates: 2, ends: plateau, monitor: other_loss, patience: 2}",)
    refused = folder.lrbench("compose", "train.yaml", "--program", *SETTINGS, *plateau)
    assert refused.returncode == 2
    assert "other_loss, which is not among the metrics of an evaluation: progress, distance" in refused.stderr
    plateau = ("composition={stages: 3, candidates: 2, ends: plateau, monitor: train_loss, patience: 2}",)
    found = folder.answer("compose", "train.yaml", "--program", *SETTINGS, *plateau)
    assert found["stages"][-1]["end"] == 120
