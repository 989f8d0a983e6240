"""Programs that lie in a package and import from it, as ``python -m package.train`` runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories.script_folder import PLAIN, SPEC, Folder

from lrbench.errors import SpecError
from lrbench.spec.program_sources import module_folder

IMPORTS = {
    "relatively": "from .parts.rates import FACTOR\n",
    "relatively, in a function": "def factor():\n    from .parts import rates\n    return rates.FACTOR\nFACTOR = factor()\n",
    "by the package's name": "from package.parts.rates import FACTOR\n",
}
FUNCTION = """
import lrbench.torch
import torch
from .parts.rates import FACTOR


def training(seed):
    torch.manual_seed(seed)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = [(FACTOR * torch.ones(4, 2), torch.ones(4, 1))]
    return lrbench.torch.Training(
        model, optimizer, batches=data, loss=torch.nn.functional.mse_loss, evaluate_on=data
    )
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder whose package ``package`` holds the program, its spec and a package of parts."""
    folder = Folder(tmp_path)
    for name in ("package/__init__.py", "package/parts/__init__.py"):
        folder.write(name, "")
    folder.write("package/parts/rates.py", "from ..constants import TWO as FACTOR\n")
    folder.write("package/constants.py", "TWO = 2\n")
    folder.write("package/train.yaml", SPEC)
    return folder


def sources(folder: Folder) -> set[str]:
    return set(json.loads((folder.runs[0] / "run.json").read_text())["workload"]["program"]["sources"])


FILES = {f"package/{name}" for name in ("train.py", "__init__.py", "constants.py")}
FILES |= {f"package/parts/{name}" for name in ("__init__.py", "rates.py")}


@pytest.mark.parametrize("way", IMPORTS)
def test_a_script_imports_from_its_package(folder, way):
    text = PLAIN.replace("import lrbench\n", f"import lrbench\n{IMPORTS[way]}", 1)
    folder.write("package/train.py", text.replace("run.rate * 2", "run.rate * FACTOR"))
    done = folder.lrbench("run", "package/train.yaml", "--program")
    assert done.returncode == 0, done.stderr
    assert sources(folder) == FILES
    assert (folder.path / "package/used-0.txt").exists()  # it works in the folder of the file
    values = [folder.evaluations(run) for run in folder.runs]
    folder.write("package/constants.py", "TWO = 2.5\n")
    assert folder.lrbench("run", "package/train.yaml", "--program", "--set", "seeds=[0]").returncode == 0
    assert len(folder.runs) == 3
    folder.write("train.py", PLAIN)
    assert folder.lrbench("run", "train.yaml", "--program", "--results", "alone").returncode == 0
    alone = [folder.evaluations(path) for path in sorted((folder.path / "alone/train").glob("*/"))]
    assert [row["test_loss"] for rows in values for row in rows] == [row["test_loss"] for rows in alone for row in rows]


@pytest.mark.usefixtures("warm_programs")
def test_a_function_imports_from_its_package_and_resumes(folder):
    folder.write("package/train.py", FUNCTION)
    words = ("run", "package/train.yaml", "--program", "--set", "workload.function=training", "--set", "seeds=[0]")
    assert folder.lrbench(*words).returncode == 0, folder.statuses()
    assert sources(folder) == FILES
    (run,) = folder.runs
    whole = folder.evaluations(run)
    folder.cut(run, 8)
    done = folder.lrbench(*words)
    assert "resuming at iteration 8" in done.stderr
    assert folder.evaluations(run) == whole


@pytest.mark.usefixtures("warm_programs")
def test_a_failure_in_a_package_names_the_users_line_and_workers_that_are_spawned_import_it(folder):
    text = """
import multiprocessing
import lrbench
from .constants import TWO


def double(x):
    return TWO * x


if __name__ == "__main__":
    run = lrbench.attach(iterations=12)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map_async(double, [3]).get(timeout=60) == [6]
    1 / 0
"""
    folder.write("package/train.py", text)
    assert folder.lrbench("run", "package/train.yaml", "--program", "--set", "seeds=[0]").returncode == 1
    (status,) = folder.statuses()
    assert status["reason"].startswith("package/train.py:15: ZeroDivisionError: division by zero; see ")


def test_a_first_spec_and_its_runs_of_a_program_in_a_package(folder):
    folder.write("package/train.py", PLAIN.replace("import lrbench\n", "import lrbench\nfrom . import constants\n", 1))
    (folder.path / "package/train.yaml").unlink()
    assert folder.lrbench("init", "package/train.py").returncode == 0
    done = folder.lrbench("run", "package/train.yaml", "--program", "--set", "seeds=[0]")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("run", "train.yaml", "--program"), ("init", "train.py", "-o", "new.yaml")])
def test_a_relative_import_outside_of_a_package_is_refused_in_one_line(tmp_path, words):
    folder = Folder(tmp_path)
    folder.write("train.py", f"open('executed', 'w')\nfrom .model import Net\n{PLAIN}")
    done = folder.lrbench(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "train.py:2: imports relatively, but its folder " in line
    assert line.endswith("is no package; name the module without the dot, or add an empty __init__.py to the folder")
    assert not (folder.path / "executed").exists()


def test_the_flag_permits_a_file_of_a_package_in_the_folder_of_the_spec_alone(folder):
    folder.write("package/train.py", PLAIN.replace("import lrbench\n", "import lrbench\nfrom . import constants\n", 1))
    folder.write("package/specs/train.yaml", SPEC.replace("train.py", "../train.py"))
    done = folder.lrbench("run", "package/specs/train.yaml", "--program")
    assert done.returncode == 2
    assert "is not in the folder of the spec" in done.stderr


def test_modules_are_looked_for_beside_a_file_that_imports_nothing_of_its_package(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    file = tmp_path / "package/train.py"
    own, above = tmp_path / "package", tmp_path
    texts = {
        "import model\n": own,
        "try:\n    from .model import Net\nexcept ImportError:\n    from model import Net\n": own,
        "import package_of_another\n": own,
        "if True:\n    from .model import Net\n": above,
        "import package.model\n": above,
    }
    for text, folder in texts.items():
        file.write_text(text)
        assert module_folder(file) == folder, text
    (tmp_path / "package/package.py").write_text("")
    assert module_folder(file) == own
    (tmp_path / "package/__init__.py").unlink()
    assert module_folder(file) == own
    file.write_text("from . import model\n")
    with pytest.raises(SpecError, match="imports relatively"):
        module_folder(file)
