"""Programs and functions that cannot be trained: one clear line, before training where that can be known."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories.script_folder import PLAIN, Folder

FUNCTIONS = {
    "nothing": (
        "def training(seed):\n    pass\n",
        "training() returned nothing, but must return an lrbench.torch.Training",
    ),
    "a number": (
        "def training(seed):\n    return 3\n",
        "training() returned int, but must return an lrbench.torch.Training",
    ),
    "no argument": ("def training():\n    pass\n", "training() cannot be called with seed"),
    "no function": ("training = 3\n", "train.py has no function 'training'"),
}
"""By name: the program, and the reason of the failed run."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_gives_no_training_fails_the_run_with_the_reason(folder, name):
    program, reason = FUNCTIONS[name]
    folder.write("train.py", program)
    done = folder.train("--set", "seeds=[0]", "--set", "workload.function=training")
    assert done.returncode == 1
    (status,) = folder.statuses()
    assert reason in status["reason"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("program", "settings", "message"),
    [
        (
            "def training(seed):\n    pass\n",
            "workload.function=trainin",
            "train.py has no function 'trainin'; did you mean",
        ),
        ("x = 1\n", "workload.function=training", "train.py has no function 'training'; correct workload.function"),
        ("import part\n", "seeds=[0]", "part.py:1: is no Python: "),
        ("x = 1\0\n", "seeds=[0]", "train.py"),
        (PLAIN, "workload.inputs=[absent.npz]", "absent.npz"),
        (PLAIN, "workload.program=.", "there is no file"),
    ],
)
def test_what_can_be_known_is_refused_in_one_line_before_training(folder, program, settings, message):
    folder.write("train.py", program)
    folder.write("part.py", "this is no program\n")
    done = folder.train("--set", settings)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.runs


def test_a_program_that_attaches_and_trains_nothing_fails(folder):
    folder.write("train.py", "import lrbench\nrun = lrbench.attach()\n")
    assert folder.train("--set", "seeds=[0]").returncode == 1
    assert "train.py ended before its first evaluation" in folder.statuses()[0]["reason"]
