"""``lrbench.run`` and ``lrbench.tune`` on a function: of a file, of a notebook, and where they are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lrbench

PARTS = """
import random

class Parts:
    resumable = None

    def __init__(self, weight):
        self.weight = weight

    def train(self, rates):
        losses = []
        for rate in rates:
            losses.append(self.weight**2)
            self.weight -= rate * 2 * self.weight + random.random() / 1000
        return losses

    def evaluate(self): return {"test_loss": self.weight**2}
    def describe(self): return {"optimizer": "none"}
    def save(self, folder): open(folder + "/weight", "w").write(str(self.weight))
    def restore(self, folder): self.weight = float(open(folder + "/weight").read())
"""

TRAINING = """
def training(seed, split, start=1.0):
    random.seed(seed)
    return Parts(start if split == "test" else 2 * start)
"""

RUN = """
results = lrbench.run(training, policies=["FIX(k0=0.1)"], iterations=12, evaluate_every=4, seeds=2,
                      objective={"metric": "test_loss"})
print(sorted(results.runs["status"]), len(results.report.problems))
"""

SPEC = """
workload: {program: train.py, function: training, iterations: 12, evaluate_every: 4}
objective: {metric: test_loss}
seeds: 2
policies: ["FIX(k0=0.1)"]
"""

# What IPython does: each cell is code of __main__ under a made-up file name, whose source is in linecache.
NOTEBOOK = """
import json, linecache, sys
cells = json.load(open("cells.json"))
main = sys.modules["__main__"].__dict__
del main["cells"]
for number, cell in enumerate(json.load(open("cells.json"))):
    name = f"<cell {number}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), main)
"""


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def python(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.path,
            # Without a terminal's width the commands print as wide as Python does.
            env={name: value for name, value in os.environ.items() if name != "COLUMNS"} | environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def script(self, text: str, name: str = "train.py") -> subprocess.CompletedProcess[str]:
        (self.path / name).write_text(text)
        return self.python(name)

    def notebook(self, *cells: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.path / "cells.json").write_text(json.dumps(["import lrbench, random", *cells]))
        return self.python("-c", NOTEBOOK, **environment)

    def runs(self, experiment: str = "training") -> list[Path]:
        return sorted(path.parent for path in self.path.glob(f"results/{experiment}/*/run.json"))

    def evaluations(self, experiment: str = "training") -> list[list[tuple[float, float]]]:
        rows = [(run / "evaluations.jsonl").read_text().splitlines() for run in self.runs(experiment)]
        return [[(row["train_loss"], row["test_loss"]) for row in map(json.loads, lines)] for lines in rows]

    def description(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.runs()[0] / "run.json").read_text())
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


GUARDED = "import lrbench\n" + PARTS + TRAINING + 'if __name__ == "__main__":' + RUN.replace("\n", "\n    ")


@pytest.mark.usefixtures("warm_programs")
def test_a_function_of_a_script_gives_the_runs_of_the_command(folder):
    done = folder.script(GUARDED)
    assert done.stdout == "['finished', 'finished'] 0\n", done.stderr
    (folder.path / "training.yaml").write_text(SPEC)
    again = folder.python("-m", "lrbench", "run", "training.yaml", "--program")
    assert "2 already done, skipped" in again.stderr


def test_a_script_that_calls_it_unguarded_fails_and_says_what_to_write(folder):
    done = folder.script("import lrbench\n" + PARTS + TRAINING + RUN)
    assert done.stdout == "['failed', 'failed'] 0\n", done.stderr
    status = json.loads((folder.runs()[0] / "status.json").read_text())
    assert status["reason"].startswith("train.py:")
    assert 'cannot start trainings itself: call LRBench under if __name__ == "__main__":' in status["reason"]


@pytest.mark.usefixtures("warm_programs")
def test_a_function_of_a_notebook_trains_as_that_of_a_file(folder):
    done = folder.notebook(PARTS, TRAINING, RUN, PYTHONHASHSEED="1")
    assert done.stdout == "['finished', 'finished'] 0\n", done.stderr
    program = folder.description()["workload"]["program"]
    assert (program["name"], list(program["sources"])) == ("training", ["training"])
    numbers = folder.evaluations()
    again = folder.notebook(PARTS, "# a comment\n" + TRAINING, RUN, PYTHONHASHSEED="2")
    assert again.stdout == done.stdout
    assert len(folder.runs()) == 2  # found, and not trained again
    assert folder.script(GUARDED.replace("seeds=2,", "seeds=2, name='file',")).returncode == 0
    assert folder.evaluations("file") == numbers


CHANGES = {
    "the function": TRAINING.replace("2 * start", "3 * start"),
    "its default": TRAINING.replace("start=1.0", "start=1.5"),
    "a global that it reads": "FACTOR = [4]\n" + TRAINING.replace("2 * start", "FACTOR[0] * start"),
    "the value of that global": "FACTOR = [5]\n" + TRAINING.replace("2 * start", "FACTOR[0] * start"),
    "a module of the folder": "import helper\n" + TRAINING.replace("2 * start", "helper.double(start)"),
}


@pytest.mark.usefixtures("warm_programs")
def test_what_the_function_uses_decides_which_run_it_is(folder):
    (folder.path / "helper.py").write_text("import inner\ndef double(x): return inner.TWO * x\n")
    (folder.path / "inner.py").write_text("TWO = 2\n")
    run = RUN.replace("seeds=2", "seeds=1").replace("print(", "print(len(glob.glob('results/training/*')), ")
    cells = [cell for change in CHANGES.values() for cell in (change, run)]
    edited = "open('inner.py', 'w').write('TWO = 2.5')"
    loss = PARTS.replace("self.weight**2}", "abs(self.weight)}")
    done = folder.notebook("import glob", PARTS, *cells, edited, run, loss, run)
    expected = [f"{count} ['finished'] 0" for count in range(1, len(CHANGES) + 3)]
    assert done.stdout.splitlines() == expected, done.stderr


@pytest.mark.usefixtures("warm_programs")
def test_a_failure_in_a_cell_names_function_and_line(folder):
    done = folder.notebook(PARTS, TRAINING.replace("random.seed(seed)", "1 / 0"), RUN)
    assert done.stdout == "['failed', 'failed'] 0\n", done.stderr
    status = json.loads((folder.runs()[0] / "status.json").read_text())
    assert status["reason"].startswith("training, line 3: ZeroDivisionError: division by zero; see ")


@pytest.mark.usefixtures("warm_programs")
def test_a_search_on_a_function_is_that_of_the_command(folder):
    search = '{"rates": [0.01, 0.1], "functions": ["FIX"], "trials": 2, "final_seeds": 0}'
    text = GUARDED.replace("lrbench.run(", f"lrbench.tune(search={search}, spec=").replace(
        'print(sorted(results.runs["status"]), len(results.report.problems))', "print(results, end='')"
    )
    done = folder.script(text)
    assert done.returncode == 0, done.stderr
    (folder.path / "training.yaml").write_text(f"{SPEC}\nsearch: {search}\n")
    before = sorted(folder.path.glob("results/*/*/run.json"))
    again = folder.python("-m", "lrbench", "tune", "training.yaml", "--program")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    assert sorted(folder.path.glob("results/*/*/run.json")) == before


@pytest.mark.usefixtures("warm_programs")
def test_a_range_test_on_a_function_is_that_of_the_command(folder):
    settings = '{"iterations": 20, "lengths": [20], "rates": 3, "seeds": 1}'
    text = GUARDED.replace("iterations=12", f"iterations=20, range={settings}").replace(
        "lrbench.run(", "lrbench.range("
    )
    done = folder.script(
        text.replace('sorted(results.runs["status"]), len(results.report.problems)', "results, end=''")
    )
    assert done.returncode == 0, done.stderr
    assert "test loss on its validation data" in done.stdout
    (folder.path / "training.yaml").write_text(f"{SPEC.replace('12', '20')}\nrange: {settings}\n")
    before = sorted(folder.path.glob("results/*/*/run.json"))
    again = folder.python("-m", "lrbench", "range", "training.yaml", "--program")
    assert again.stdout == done.stdout
    assert sorted(folder.path.glob("results/*/*/run.json")) == before


def test_a_program_that_only_a_spec_names_is_not_executed_from_python(folder):
    (folder.path / "train.py").write_text("open('executed', 'w')\n" + PARTS + TRAINING)
    (folder.path / "training.yaml").write_text(SPEC)
    done = folder.python("-c", "import lrbench; lrbench.run('training.yaml')")
    assert "train.py would be executed, which needs your consent" in done.stderr
    assert not (folder.path / "executed").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"program": "other.py"},
        {"workload": {"program": "other.py"}},
        {"workload.program": "other.py"},
        {"function": "other"},
        {"workload": {"program": "training", "function": "other"}},
    ],
)
def test_passing_a_function_consents_to_no_other_program(values, tmp_path, monkeypatch):
    def training(seed: int) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.py").write_text("open('executed', 'w')\n")
    with pytest.raises(lrbench.LRBenchError, match="the function training is the program, so that no other can be set"):
        lrbench.run(training, policies=["FIX(k0=0.1)"], iterations=10, **values)
    assert [path.name for path in tmp_path.iterdir()] == ["other.py"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "the spec: the key 'workload.iterations' is missing; for example iterations: 3000; also wrong: "),
        ({"iterations": 0}, "the argument workload.iterations: workload.iterations is 0, but must be at least 1; "),
        (
            {"iterations": 9, "seeds": 0},
            "the argument seeds: seeds is 0, but must be a list, or a count from 1 to 100,000; ",
        ),
        ({"iterations": 9, "batch_size": 3}, "the argument batch_size: unknown key 'batch_size'; "),
        ({"iterations": 9, "jobs": 0}, "jobs is 0, but must be at least 1"),
    ],
)
def test_a_wrong_value_gets_one_line(values, message):
    with pytest.raises(lrbench.LRBenchError) as refused:
        lrbench.run(lambda seed: None, policies=["FIX(k0=0.1)"], **values)
    assert str(refused.value).startswith(message)


LOADER = """
class Numbers:
    def __len__(self): return 64
    def __getitem__(self, index): return [float(index)] * 4, index % 2

def collate(samples):
    import torch
    inputs, labels = zip(*samples)
    return torch.tensor(inputs), torch.tensor(labels)

def training(seed, context):
    import torch
    import lrbench.torch
    torch.set_num_threads(1)
    model = torch.nn.Linear(4, 2)
    workers = {"num_workers": 2, "multiprocessing_context": context}
    batches = torch.utils.data.DataLoader(Numbers(), batch_size=32, collate_fn=collate, **workers)
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=1e-3), torch.nn.functional.cross_entropy
    return lrbench.torch.Training(model, optimizer, batches=batches, loss=loss, evaluate=lambda model: {"accuracy": 0.5})
"""


@pytest.mark.usefixtures("warm_programs")
def test_workers_of_a_loader_are_forked_in_a_function_of_a_notebook(folder):
    cell = """
for context in ("fork", "spawn"):
    results = lrbench.run(training, policies=["FIX(k0=0.001)"], iterations=1, name=context, arguments={"context": context})
    print(*results.runs["status"])
"""
    done = folder.notebook(LOADER, cell)
    assert done.stdout.split() == ["finished", "failed"], done.stderr
    (run,) = folder.runs("spawn")
    reason = json.loads((run / "status.json").read_text())["reason"]
    assert "__main__" in reason
    assert "put it into a file and import it, or give the loader multiprocessing_context=" in reason


@pytest.mark.engines
def test_the_notebook_of_the_guide_runs(tmp_path, template_of_programs):
    """In a kernel of Jupyter, where there is one; its trainings are forks."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("sklearn")
    path = Path(__file__).resolve().parents[2] / "docs/how-to/programs/notebook.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("iterations=600", "iterations=20").replace("seeds=3", "seeds=1")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"import sys; sys.executable = {str(template_of_programs)!r}"))
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("<table" in output.get("data", {}).get("text/html", "") for output in outputs)
    assert len(list(tmp_path.glob("results/training/*/evaluations.jsonl"))) == 3
