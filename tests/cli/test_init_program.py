"""``lrbench init train.py``: a spec for a program of the user's own, which is executed for it."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.spec.program import ProgramSettings, ProgramWorkload
from lrbench.spec.program_starter import ProgramFacts, program_starter_text
from lrbench.spec.reading import read_experiment
from lrbench.spec.starter_spec import starter_experiment

SCRIPT = """
import lrbench

run = lrbench.attach(policy="EXP(k0=0.2, gamma=0.99)", iterations=40, evaluate_every=10, width=3, name="a: 'b' # c")
weight = 1.0
for t in run:
    loss = weight**2
    weight -= run.rate * 2 * weight
    run.step(loss, lambda: {"test_loss": weight**2, "score": 1 - weight})
    print("iteration", t, file=open("trace.txt", "a"))
"""

FUNCTION = """
class Parts:
    resumable = "the loader has no state"
    own_rate = 0.05
    epoch_iterations = 52

    def train(self, rates): return [1.0 for _ in rates]
    def evaluate(self): return {"error": 0.5}
    def describe(self): return {}
    def save(self, folder): pass
    def restore(self, folder): pass

def training(seed, split, width=64, cut=None): return Parts()
def nothing(seed): pass
"""

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("logs")))  # where logs of failures are kept
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "parts.py").write_text(FUNCTION)
    return tmp_path


@pytest.fixture
def command(here: Path, lrbench: Callable[..., tuple[int, str, str]]) -> Command:
    """Gives the exit code and standard error of a command."""
    return lambda *arguments: lrbench(*arguments)[::2]


def test_the_spec_of_a_script_has_what_the_script_says_and_its_speed(command, here):
    code, said = command("init", "train.py")
    assert code == 0, said
    assert said.startswith(f"executing {here}/train.py (SHA-256 ")
    assert "next: lrbench run train.yaml --program   #" in said
    assert (here / "trace.txt").read_text().splitlines() == ["iteration 0", "iteration 1"]
    text = (here / "train.yaml").read_text()
    assert re.search(
        r"^# Speed: \S+ iterations a second, \S+ s an evaluation; a run would take about 0:00:0\d", text, re.M
    )
    assert "# A run that is cut off starts over: lrbench.attach has no save= and restore=." in text
    assert "# The program reports test_loss, score." in text
    experiment = read_experiment(here / "train.yaml")
    settings, workload = experiment.settings, experiment.settings.workload
    assert isinstance(workload, ProgramSettings)
    assert (workload.program, workload.function, workload.iterations, workload.evaluate_every) == (
        "train.py",
        None,
        40,
        10,
    )
    assert workload.arguments == {"width": 3, "name": "a: 'b' # c"}
    assert (settings.objective.metric, settings.objective.goal, settings.seeds) == ("test_loss", "minimize", [0, 1, 2])
    assert [settings.policies[0]] == settings.search.baselines
    assert settings.policies[0] == "EXP(k0=0.2, gamma=0.99)"
    assert settings.search.rates == pytest.approx([0.02, 2])


def test_the_spec_of_a_script_runs_and_is_tuned_as_it_stands(command, here):
    assert command("init", "train.py")[0] == 0
    assert command("run", "train.yaml", "--program", "--set", "seeds=1")[0] == 0
    few = ("search.trials=1", "search.final_seeds=0", "seeds=1")
    code, said = command("tune", "train.yaml", "--program", *(word for each in few for word in ("--set", each)))
    assert code == 0, said


def test_the_spec_of_a_function_has_its_defaults_and_ten_epochs(command, here):
    code, said = command("init", "parts.py:training", "-o", "first.yaml")
    assert code == 0, said
    text = (here / "first.yaml").read_text()
    assert "# A run that is cut off starts over: the loader has no state." in text
    workload = read_experiment(here / "first.yaml").settings.workload
    assert isinstance(workload, ProgramSettings)
    assert (workload.function, workload.arguments, workload.iterations) == ("training", {"width": 64}, 500)
    assert command("run", "first.yaml", "--program", "--set", "seeds=1")[0] == 0


def test_a_program_elsewhere_gets_its_spec_beside_it_unless_told_otherwise(command, here):
    (here / "sub").mkdir()
    (here / "sub/train.py").write_text(SCRIPT)
    assert command("init", "sub/train.py")[0] == 0
    assert read_experiment(here / "sub/train.yaml").settings.workload
    (here / "specs").mkdir()
    code, said = command("init", "sub/train.py", "-o", "specs/train.yaml")
    assert code == 0
    assert f"next: lrbench run specs/train.yaml --program {here}/sub/train.py" in said
    experiment = read_experiment(here / "specs/train.yaml")
    assert isinstance(experiment.workload, ProgramWorkload)
    assert experiment.workload.path == here / "sub/train.py"


def test_a_goal_that_no_name_tells_is_asked_for(command, here):
    (here / "train.py").write_text(SCRIPT.replace('"test_loss": weight**2, ', ""))
    code, said = command("init", "train.py")
    assert code == 0
    assert "set objective.goal in train.yaml: the name score does not tell it" in said
    code, said = command("run", "train.yaml", "--program")
    assert code == 2
    assert "objective.goal is missing: the name score does not tell whether low or high values are better" in said
    text = (here / "train.yaml").read_text()
    (here / "train.yaml").write_text(text.replace("  # goal: maximize", "  goal: maximize"))
    assert read_experiment(here / "train.yaml").settings.objective.goal == "maximize"


WRONG = {
    "absent.py": "error: there is no file absent.py; give the path of your training program",
    "broken.py": "error: broken.py:1: is no Python: invalid syntax; workload.program is a Python file",
    "plain.py": "error: plain.py does not use lrbench, so that it would train as it does by itself; call lrbench.attach",
    "never.py": "error: never.py ended before its first evaluation; call run.report when run.should_evaluate",
    "failing.py": "error: failing.py:3: ZeroDivisionError: division by zero; see ",
    "parts.py:absent": "error: parts.py: TypeError: parts.py has no function 'absent'; see ",
    "parts.py:nothing": "TypeError: nothing() returned nothing, but must return an lrbench.torch.Training; see ",
}


@pytest.mark.parametrize("typed", WRONG)
def test_what_cannot_be_a_program_gets_one_line_and_nothing_is_written(command, here, typed):
    (here / "broken.py").write_text("this is no program\n")
    (here / "plain.py").write_text("open('executed', 'w')\n")
    (here / "never.py").write_text(
        "import lrbench\nfor t in (run := lrbench.attach(iterations=9)): run.step(run.rate)\n"
    )
    (here / "failing.py").write_text("import lrbench\nrun = lrbench.attach(iterations=9)\n1 / 0\n")
    before = sorted(here.iterdir())
    code, said = command("init", typed)
    assert code == 2
    errors = [line for line in said.splitlines() if not line.startswith("executing ")]
    assert len(errors) == 1
    assert WRONG[typed] in errors[0]
    assert [path for path in sorted(here.iterdir()) if path.name != "__pycache__"] == before


@pytest.mark.parametrize("typed", ["train.yaml", "net.prototxt", "train.sh", "train.py:", "train.py:1", "."])
def test_a_file_of_another_kind_is_never_executed(command, here, typed):
    for name in ("train.yaml", "net.prototxt", "train.sh"):
        (here / name).write_text("#!/bin/sh\ntouch executed\n")
        (here / name).chmod(0o755)
    code, said = command("init", typed)
    assert code == 2
    assert said == (
        f"error: {typed} is not a Python file; give FILE.py or FILE.py:FUNCTION; for a net, --net and --dataset\n"
    )
    assert not (here / "executed").exists()


def test_a_net_is_not_asked_for_a_program_and_an_existing_spec_is_kept(command, here):
    assert "--net is for a net, not for the program train.py" in command("init", "train.py", "--net", "lenet")[1]
    assert "--python is for a program of your own" in command("init", "--python", sys.executable)[1]
    (here / "train.yaml").write_text("mine")
    code, said = command("init", "train.py")
    assert (code, said) == (2, "error: train.yaml: already exists; give -o another name, or add --force\n")
    assert (here / "train.yaml").read_text() == "mine"


@pytest.mark.parametrize("iterations", [1, 2, 7, 3000])
@pytest.mark.parametrize(
    "policy", [None, "FIX(k0=0)", "PLATEAU(k0=0.1, gamma=0.5, patience=2)", "nonsense", "COSDECAY(k0=0.001)"]
)
def test_the_spec_is_right_whatever_the_program_says(iterations, policy, tmp_path):
    facts = ProgramFacts(
        ("loss", "perplexity"), {}, policy, iterations, 5000, None, None, 0.0, 0.0, "it: has # no state\n"
    )
    experiment = starter_experiment(program_starter_text(facts, "a b", __file__, None), tmp_path / "x.yaml")
    assert experiment.settings.objective.metric == "loss"
    assert experiment.workload.iterations == iterations
