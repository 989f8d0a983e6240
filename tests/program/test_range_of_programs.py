"""``lrbench range`` on programs, and ``lrbench tune`` without rates in the spec: they go by the objective."""

from __future__ import annotations

import pytest
from factories.program_folder import BREAKS_ABOVE, CANARY, DESCENT, ProgramFolder

TUNE = ("range.seeds=[1]", "search.functions=[FIX]", "search.trials=2", "search.final_seeds=0")


@pytest.fixture
def folder(tmp_path):
    return ProgramFolder(tmp_path)


def test_the_range_of_a_program_ends_where_its_training_breaks_down(folder):
    done = folder.lrbench("range", "train.yaml", "--program", "--plot", "range.png")
    assert done.returncode == 0, done.stderr
    (solver,) = folder.answer("range", "train.yaml", "--program")["solvers"]
    low, high = solver["rates"]
    assert low < high <= BREAKS_ABOVE < 2.6 * high
    assert solver["objective"] == {"metric": "distance", "goal": "minimize", "at": "final"}
    assert solver["fixed"][-1]["reading"]["value"] == min(
        sum(values) / 2 for values in zip(*solver["fixed"][-1]["distance"], strict=True) if None not in values
    )
    text = " ".join(done.stdout.split())
    assert text.startswith("train.py on its own data, 200 iterations: rates distance on its test data, at a fixed rate")
    assert "accuracy" not in text
    assert "images" not in text
    assert "change of the distance from " in text
    assert "sweep: the loss falls from" in text
    assert (folder.path / "range.png").read_bytes().startswith(b"\x89PNG")
    low, high = solver["search_rates"]
    assert f"lrbench tune train.yaml --program --set 'search.rates=[{low:g}, {high:g}]'" in done.stderr


def test_a_program_that_tells_no_loss_is_swept_by_its_objective(folder):
    folder.write("train.py", DESCENT.replace("run.step(loss)", "run.step()"))
    solver = folder.answer("range", "train.yaml", "--program", "range.seeds=[1]")["solvers"][0]
    assert 0.01 < solver["rates"][1] <= BREAKS_ABOVE
    assert any(reason.startswith("sweep: the distance falls from") for reason in solver["reasons"])


def test_an_objective_that_is_better_high_is_read_the_other_way_round(folder):
    folder.write(
        "train.py",
        DESCENT.replace("distance=abs(slow) + abs(fast)", "score=-abs(slow) - abs(fast)").replace(
            "step(loss)", "step()"
        ),
    )
    solver = folder.answer(
        "range", "train.yaml", "--program", "range.seeds=[1]", "objective={metric: score, goal: maximize}"
    )["solvers"][0]
    assert 0.01 < solver["rates"][1] <= BREAKS_ABOVE
    reasons = " ".join(solver["reasons"])
    assert "sweep: the score rises from" in reasons
    assert "is high up to" in reasons


def test_a_program_that_knows_the_split_is_judged_on_its_validation_data(folder):
    folder.write("train.py", DESCENT.replace("distance=", "distance=(run.split == 'validation') * 1.0 + "))
    solver = folder.answer("range", "train.yaml", "--program", "range.seeds=[1]")["solvers"][0]
    assert solver["evaluated_on"] == "validation"
    assert solver["fixed"][-1]["reading"]["value"] > 1


def test_tune_without_rates_in_the_spec_runs_the_range_test_on_the_program(folder):
    done = folder.lrbench("tune", "train.yaml", "--program", *TUNE)
    assert done.returncode == 0, done.stderr
    assert "no search.rates in the spec: running a range test first" in done.stderr
    assert len(folder.runs("train-range")) >= 1 + 3
    (found,) = [line for line in done.stderr.splitlines() if line.startswith("search.rates: ")]
    low, high = map(float, found.removeprefix("search.rates: [").rstrip("]").split(","))
    rates = [float(folder.described(run)["policy"].split("=")[1].rstrip(")")) for run in folder.runs("train-tune")]
    assert rates
    assert all(low <= rate <= high for rate in rates)


@pytest.mark.parametrize("command", ["range", "tune"])
def test_nothing_is_executed_without_consent_and_a_line_says_what_to_type(folder, command):
    folder.write("train.py", CANARY + DESCENT)
    done = folder.lrbench(command, "train.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: train.yaml:2: train.py would be executed, which needs your consent; look at the program, and add "
        "--program to the command"
    ]
    assert not (folder.path / "executed").exists()
    assert not folder.runs()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--solver", "SGD"), "a program has an optimizer of its own, so that there is no solver"),
        (("range.low=20",), "range.low is 20, but the rates for a program go from 20 to 10 then; give range.high, too"),
        (("search.engine.name=torch",), "a program is trained by itself, so that a search has no engine of its own"),
    ],
)
def test_bad_input_is_one_line_before_anything_runs(folder, words, message):
    done = folder.lrbench("range", "train.yaml", "--program", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.runs()


def test_each_value_of_an_argument_has_a_range_of_its_own(folder):
    folder.write(
        "train.py",
        DESCENT.replace("evaluate_every=40", "evaluate_every=40, curve=10").replace(
            "10 * run.rate", "run.arguments['curve'] * run.rate"
        ),
    )
    done = folder.answer("range", "train.yaml", "--program", "workload.arguments={curve: [10, 100]}", "range.seeds=[1]")
    flat, steep = (solver["rates"][1] for solver in done["solvers"])
    assert steep <= 0.02 < flat
    assert [solver["solver"]["curve"] for solver in done["solvers"]] == [10, 100]
