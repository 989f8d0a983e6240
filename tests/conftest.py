"""What many tests need: Caffe, prepared data, and the real data sets where they are at hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.cli.home import home
from lrbench.data import Prepared, prepare
from lrbench.engines.caffe.environment import CaffeEnvironment, find_environment
from lrbench.errors import EngineUnavailable

REPOSITORY = Path(__file__).resolve().parent.parent


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
    """Runs a script's text in Caffe's Python and returns what it printed."""

    def run(script: str) -> str:
        command = caffe_environment.command((*caffe_environment.python, "-c", script), threads=1)
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
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """scikit-learn's digits, prepared."""
    return prepare("digits", tmp_path_factory.mktemp("digits_home"), None)
