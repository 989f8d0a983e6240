"""The programs of docs/how-to/train-your-own-program.md run as they stand, alone and under LRBench."""

from __future__ import annotations

import difflib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import typed

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/train-your-own-program.md"
PROGRAMS = PAGE.parent / "programs"
NAMES = ("mlp", "transformer", "jax_loop")


def changes(name: str) -> list[str]:
    plain, attached = ((PROGRAMS / f"{each}.py").read_text().splitlines() for each in (name, f"{name}_with_lrbench"))
    return list(difflib.unified_diff(plain, attached, lineterm="", n=1))[2:]


@pytest.mark.parametrize("name", NAMES)
def test_at_most_five_lines_are_added_or_changed_and_the_page_shows_them(name):
    assert sum(line.startswith("+") for line in changes(name)) <= 5
    assert "\n".join(changes(name)) in PAGE.read_text(encoding="utf-8")


def shortened(name: str, folder: Path, function: str | None = None) -> Path:
    """Copy a program into a folder, with a spec of 20 iterations; return the spec."""
    shutil.copy(PROGRAMS / name, folder / "train.py")
    workload = {"program": "train.py", "iterations": 20, "evaluate_every": 10}
    settings = {
        "workload": workload | ({"function": function} if function else {}),
        "objective": {"metric": "test_loss"},
        "policies": ["FIX(k0=0.001)"],
    }
    (folder / "train.yaml").write_text(json.dumps(settings))
    return folder / "train.yaml"


def trained(spec: Path) -> list[dict[str, float]]:
    """Run the spec, and return the evaluations of its one run."""
    pytest.importorskip("sklearn")
    done = typed("run", spec.name, "--program", cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    (file,) = spec.parent.glob("results/train/*/evaluations.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.engines
@pytest.mark.usefixtures("warm_programs")
@pytest.mark.parametrize("name", NAMES)
def test_each_program_trains_under_lrbench(name, tmp_path):
    pytest.importorskip("jax" if name == "jax_loop" else "torch")
    rows = trained(shortened(f"{name}_with_lrbench.py", tmp_path))
    assert [row["iteration"] for row in rows] == [10, 20]
    assert rows[1]["test_loss"] < rows[0]["test_loss"]


@pytest.mark.usefixtures("warm_programs")
def test_alone_a_program_ends_as_it_did_before(tmp_path):
    pytest.importorskip("torch")
    outputs = []
    for name in ("mlp.py", "mlp_with_lrbench.py"):
        text = (PROGRAMS / name).read_text().replace("600", "30")
        (tmp_path / name).write_text(text)
        done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert "test_loss" in outputs[0]


@pytest.mark.engines
@pytest.mark.usefixtures("warm_programs")
def test_the_function_of_the_page_trains(tmp_path):
    pytest.importorskip("torch")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "lrbench.torch.Training(" in block]
    spec = shortened("mlp.py", tmp_path, "training")
    (tmp_path / "train.py").write_text(block)
    rows = trained(spec)
    assert rows[1]["test_loss"] < rows[0]["test_loss"]
    assert 0 < rows[1]["accuracy_top1"] < 1
