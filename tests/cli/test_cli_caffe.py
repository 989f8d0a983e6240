"""``lrbench caffe`` and ``lrbench doctor``: what is there, what is broken, what to type."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lrbench.cli.home import home
from lrbench.engines.caffe.environment import MANIFEST, CaffeEnvironment

pytestmark = pytest.mark.caffe


def lrbench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lrbench", *arguments], capture_output=True, text=True, check=False,
                          env=os.environ | variables)


def wrapper(folder: Path, caffe: CaffeEnvironment, program: str) -> Path:
    """A program as a CUDA build on a server would have it: one file that starts Caffe's Python or tool."""
    command = caffe.command(caffe.python if program == "python" else caffe.tool or (), threads=1)
    path = folder / program
    path.write_text("#!/bin/sh\nexec " + " ".join(f"'{part}'" for part in command) + ' "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_doctor_says_what_works(caffe_environment):
    answer = lrbench("doctor")
    assert answer.returncode == 0
    assert "1.0.0" in answer.stdout
    assert "stepping driver: yes; native driver: yes" in answer.stdout


def test_a_python_of_the_users_serves_both_drivers(caffe_environment, tmp_path):
    python = wrapper(tmp_path, caffe_environment, "python")
    wrapper(tmp_path, caffe_environment, "caffe")
    answer = lrbench("doctor", LRBENCH_CAFFE=str(python))
    assert answer.returncode == 0, answer.stdout
    assert f"{python} (LRBENCH_CAFFE)" in answer.stdout
    spec = tmp_path / "trial.yaml"
    spec.write_text("workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
                    " test_interval: 2}\nsolver: SGD\npolicies: [FIX(k0=0.01)]\n")
    for driver in ("stepping", "native"):
        answer = lrbench("run", str(spec), "--results", str(tmp_path / "results"), "--set", f"engine.driver={driver}",
                         LRBENCH_CAFFE=str(python))
        assert answer.returncode == 0, answer.stderr
        assert "1 runs: 1 finished" in answer.stderr


def test_a_broken_caffe_is_named_with_the_remedy(tmp_path):
    root = tmp_path / "caffe"
    (root / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (root / MANIFEST).write_text("{}")
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "its loader is missing; type: lrbench caffe install --force" in answer.stdout
    loader = root / "lib/x86_64-linux-gnu/ld-2.31.so"
    shutil.copy("/bin/false", loader)
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "Caffe does not start" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_nothing_installed_is_said_in_one_line(tmp_path):
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "Caffe is not installed; type: lrbench caffe install" in answer.stdout


@pytest.mark.skipif("LRBENCH_CAFFE" in os.environ, reason="another Caffe is in use than the installed one")
def test_installing_again_does_nothing(caffe_environment):
    answer = lrbench("caffe", "install")
    assert answer.returncode == 0
    assert answer.stderr == f"Caffe is there already, in {home() / 'caffe'}\n"


def test_without_mmdebstrap_the_line_says_what_to_type(tmp_path):
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path), PATH=str(tmp_path))
    assert answer.returncode == 2
    assert "sudo apt-get install mmdebstrap" in answer.stderr
    assert not (tmp_path / "caffe").exists()


def test_a_failing_mmdebstrap_leaves_nothing_and_is_quoted(tmp_path):
    program = tmp_path / "mmdebstrap"
    program.write_text('#!/bin/sh\nfor last; do :; done\n/bin/mkdir -p "$last/usr"\n'
                       'echo "E: no network here" >&2\nexit 1\n')
    program.chmod(0o755)
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path / "home"), PATH=str(tmp_path))
    assert answer.returncode == 2
    assert "mmdebstrap failed: E: no network here" in answer.stderr
    assert not (tmp_path / "home/caffe").exists()
    assert not (tmp_path / "home/caffe.partial").exists()
