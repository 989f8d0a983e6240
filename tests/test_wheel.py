"""The source distribution builds the wheel, and the wheel is enough by itself: tried in a clean environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

import lrbench

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

Typed = Callable[..., subprocess.CompletedProcess[str]]


def hatchling(folder: Path, target: str, output: Path) -> Path:
    """Build a distribution of the project in a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(output)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution alone."""
    folder = tmp_path_factory.mktemp("distributions")
    shutil.unpack_archive(hatchling(repository, "sdist", folder / "sdist"), folder / "source")
    (source,) = (folder / "source").iterdir()
    return hatchling(source, "wheel", folder / "wheel")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """``lrbench`` of the wheel, in an environment and a folder of its own.

    The dependencies are those of this environment: their folder is named by a .pth file, and Python reads no .pth file
    in such a folder, so that an editable LRBench is not seen.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    (folder / "work").mkdir()
    unwanted = ("PYTHONPATH", "LRBENCH_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python.parent / "lrbench", *arguments],
            cwd=folder / "work",
            env=own | {"LRBENCH_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_wheel_holds_nets_ready_specs_license_and_types(wheel, repository):
    names = set(ZipFile(wheel).namelist())
    shipped = [*(repository / "prototxt").glob("*.prototxt"), *(repository / "configs").glob("*.yaml")]
    assert len(shipped) > 10
    assert not {f"lrbench/{path.parent.name}/{path.name}" for path in shipped} - names
    assert {"lrbench/py.typed", "lrbench/nets/caffe.proto", "lrbench/testing/engines.py"} <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not {name.partition("/")[0] for name in names} - {"lrbench", f"lrbench-{lrbench.__version__}.dist-info"}


def test_its_metadata_name_license_and_readme(wheel):
    archive = ZipFile(wheel)
    (path,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
    metadata = HeaderParser().parsestr(archive.read(path).decode())
    assert metadata["Version"] == lrbench.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_it_runs_outside_the_checkout(installed, repository):
    assert installed("--version").stdout == f"lrbench, version {lrbench.__version__}\n"
    listed = installed("configs")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[2:] if line[:1] != " "} == {
        path.stem for path in (repository / "configs").glob("*.yaml")
    }
    copied = installed("configs", "copy", "quickstart")
    assert (copied.returncode, copied.stderr.splitlines()[0]) == (0, "wrote quickstart.yaml")
    planned = installed("run", "quickstart.yaml", "--engine", "torch", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert len(planned.stdout.splitlines()) == 21


def test_it_trains_and_reports_outside_the_checkout(installed):
    installed("configs", "copy", "quickstart", "--force")
    settings = ("seeds=[0]", "policies=['FIX(k0=0.01)']", "workload.iterations=4", "workload.test_interval=2")
    overrides = [word for setting in settings for word in ("--set", setting)]
    trained = installed("run", "quickstart.yaml", "--engine", "torch", *overrides)
    assert trained.returncode == 0, trained.stderr
    reported = installed("report", "results")
    assert reported.returncode == 0
    assert "FIX(k0=0.01)" in reported.stdout
