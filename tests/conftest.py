"""What many tests need: Caffe, prepared data, and the real data sets where they are at hand."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
from hypothesis import HealthCheck, settings
from postgresql_server import postgresql  # noqa: F401  a fixture
from property_settings import EXAMPLES, SEARCH_FACTOR
from slurm_cluster import slurm_cluster  # noqa: F401  a fixture
from warm_torch import template, template_of_programs, warm_programs, warm_torch  # noqa: F401  fixtures

from lrbench.api.environment import home
from lrbench.data import Prepared, prepare
from lrbench.engines.caffe.environment import CaffeEnvironment, find_environment
from lrbench.errors import EngineUnavailable

# The suite tries the same examples each time, so that it never fails by chance; "search" looks for new ones.
settings.register_profile(
    "suite",
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search", settings.get_profile("suite"), max_examples=SEARCH_FACTOR * EXAMPLES, derandomize=False, print_blob=True
)
settings.load_profile("suite")

pytest_plugins = ["tiers"]

MEMORY, ROOM = Path("/dev/shm"), 4 << 30
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # tests write many small files, each to the disk

NO_IMAGE_TOOLS = "import sys, types\nsys.modules['caffe.io'] = types.ModuleType('caffe.io')\n"
"""Spares the import of SciPy and scikit-image, as LRBench's own worker does."""
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Ctrl-C means what it means in a terminal, also where the tests run in the background with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def caffe_environment() -> CaffeEnvironment:
    """The Caffe of this machine; a test that needs one fails without it, as ``scripts/setup`` installs it."""
    try:
        return find_environment(home(), os.environ.get("LRBENCH_CAFFE"))
    except EngineUnavailable as error:
        pytest.fail(f"these tests need Caffe: {error}")


@pytest.fixture(scope="session")
def caffe_python(caffe_environment: CaffeEnvironment) -> Callable[[str], str]:
    """Runs a script's text in Caffe's Python, without pycaffe's image tools, and returns what it printed."""

    def run(script: str) -> str:
        command = caffe_environment.command((*caffe_environment.python, "-c", NO_IMAGE_TOOLS + script), threads=1)
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        assert answer.returncode == 0, answer.stderr[-2000:]
        return answer.stdout

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with real MNIST and CIFAR-10: ``LRBENCH_DATA``, or ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("LRBENCH_DATA", REPOSITORY.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"real MNIST and CIFAR-10 are not at hand: {folder} does not exist; LRBENCH_DATA may name a folder")
    return folder


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of one run of the suite share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def digits(of_all_workers: Path) -> Prepared:
    """scikit-learn's digits, prepared by the first process that needs them."""
    return prepare("digits", of_all_workers / "digits_home", None)


@pytest.fixture(scope="session")
def jpeg(real_data: Path, of_all_workers: Path) -> Path:
    """Real CIFAR-10 in the binary version, after JPEG: the published labels with other pixels; unpacked once."""
    script = real_data / "cifar10" / "unpack.py"
    if not script.is_file():
        pytest.skip(f"no CIFAR-10 to unpack: {script} does not exist")
    folder = of_all_workers / "cifar-10-batches-bin"
    with filelock.FileLock(of_all_workers / "unpack.lock"):
        if not (folder / "batches.meta.txt").is_file():
            subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def cifar(jpeg: Path, of_all_workers: Path) -> Callable[[str], Prepared]:
    """Real CIFAR-10, as the data set of that name, with a test set of 100 images; prepared once."""
    return lambda name: replace(prepare(name, of_all_workers / "cifar_home", jpeg, allow_altered=True), test_count=100)


@pytest.fixture
def own_home(caffe_environment: CaffeEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LRBENCH_HOME but for Caffe, so that a test prepares its own data."""
    folder = tmp_path / "home"
    folder.mkdir()
    if (home() / "caffe").is_dir():
        (folder / "caffe").symlink_to(home() / "caffe")
    monkeypatch.setenv("LRBENCH_HOME", str(folder))
    return folder
