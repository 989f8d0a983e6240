"""Bad input on the command line: one line on standard error, exit code 2, nothing written or touched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import refusal
from factories.fake_engine import FakeEngine

import lrbench.cli.setup
import lrbench.executors.setup
from lrbench.data import Prepared

SPEC = """\
workload:
  net: lenet
  dataset: digits
  batch_size: 32
  test_batch_size: 100
  iterations: 100
  test_interval: 20
solver: {type: SGD, momentum: 0.9}
policies:
  - FIX(k0=0.01)
"""
Lrbench = Callable[..., str]


def content(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, with what the files hold."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a spec, older results and an empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_CAFFE", raising=False)
    (tmp_path / "trial.yaml").write_text(SPEC)
    (tmp_path / "results" / "trial").mkdir(parents=True)
    (tmp_path / "results" / "trial" / "old").write_text("precious")
    return tmp_path


@pytest.fixture
def refused(folder: Path) -> Lrbench:
    """Runs ``lrbench run`` and gives the message of its refusal."""

    def run(*arguments: str) -> str:
        before = content(folder)
        message = refusal("run", *arguments)
        assert content(folder) == before
        return message.replace(f"{folder}/", "")

    return run


@pytest.fixture
def without_training(monkeypatch: pytest.MonkeyPatch, digits: Prepared) -> None:
    """Digits at hand, and an engine that is never reached."""
    monkeypatch.setattr(lrbench.executors.setup, "find_engine", lambda *of_experiment: FakeEngine())
    monkeypatch.setattr(lrbench.executors.setup, "find_data", lambda experiment, obtain: digits)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "iterations: 100",
            "iteration: 100",
            "trial.yaml:6: unknown key 'workload.iteration'; did you mean iterations?; also wrong: workload.iterations "
            "(missing, trial.yaml:1)",
        ),
        (
            "iterations: 100",
            "iterations: 0",
            "trial.yaml:6: workload.iterations is 0, but must be at least 1; for example iterations: 10000",
        ),
        ("net: lenet", "net: lenet\n  net: cnn3", "trial.yaml:3: the key 'net' appears twice; keep one"),
        ("net: lenet", "net: ./mine.prototxt", "trial.yaml:2: mine.prototxt: no such file"),
        ("dataset: digits", "dataset: digit", "trial.yaml:3: no data set is called 'digit'; did you mean digits?"),
        (
            "type: SGD",
            "type: AdaGrad",
            "trial.yaml:8: solver.momentum is not a parameter of AdaGrad; remove it, or write a list "
            "of mappings, one per solver",
        ),
        ("FIX(k0=0.01)", "FIX(k=0.01)", 'trial.yaml:10: FIX: unknown parameter "k"; did you mean k0? it takes k0'),
        (
            "FIX(k0=0.01)",
            "POLY(k0=0.1, p=1, l=50)",
            "trial.yaml:10: POLY(k0=0.1, p=1, l=50): POLY: the rate at t = 51 is -0.002, but must be finite and not negative; "
            "change the parameters, or shorten the run",
        ),
        ("policies:", "engine: {name: cafe}\npolicies:", "trial.yaml:9: unknown engine 'cafe'; did you mean caffe?"),
        (
            "policies:",
            "x: !!python/object/apply:os.system ['touch pwned']\npolicies:",
            "trial.yaml:9: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed: a spec contains "
            "only plain values; remove it",
        ),
        (
            "policies:",
            "x: &x [*x]\npolicies:",
            "trial.yaml:9: is nested more than 50 levels deep, or contains itself; reduce the nesting",
        ),
    ],
)
def test_a_bad_spec(folder, refused, old, new, message):
    assert SPEC.count(old) == 1
    (folder / "trial.yaml").write_text(SPEC.replace(old, new))
    assert refused("trial.yaml") == message
    assert refused("trial.yaml", "--dry-run") == message


@pytest.mark.parametrize(
    ("content_", "message"),
    [
        (
            b"",
            "bad.yaml:1: the file is empty, but a spec is a mapping; write name, workload, solver and policies, such as "
            "in configs/quickstart.yaml",
        ),
        (b"\x89PNG\xff", "bad.yaml: is not a text file in UTF-8; give the path of an experiment's YAML file"),
        (b"#" * (1 << 21), "bad.yaml: is larger than 1048576 bytes; give the path of an experiment's YAML file"),
        (b"[" * 10_000, "bad.yaml:1: is nested more than 50 levels deep, or contains itself; reduce the nesting"),
    ],
)
def test_a_file_that_is_no_spec(folder, refused, content_, message):
    (folder / "bad.yaml").write_bytes(content_)
    assert refused("bad.yaml") == message


def test_a_path_that_is_no_file(refused):
    assert refused("none.yaml") == "none.yaml: there is no such spec file; give the path of an experiment's YAML file"
    assert refused("results") == "results: is a folder; give the path of an experiment's YAML file"


def test_an_override(refused):
    assert refused("trial.yaml", "--set", "workload.iteration=7") == (
        "--set workload.iteration: unknown key 'workload.iteration'; did you mean iterations?"
    )
    assert refused("trial.yaml", "--set", "seeds") == (
        "--set: 'seeds' is not KEY=VALUE; such as workload.iterations=1000"
    )


@pytest.mark.usefixtures("without_training")
def test_data_that_do_not_fit_the_test_batch_or_the_net(folder, refused):
    assert refused("trial.yaml", "--set", "workload.test_batch_size=33") == (
        "--set workload.test_batch_size: the test set of digits has 500 samples, which is not a multiple of the test "
        "batch of 33; set workload.test_batch_size, to 25 for instance"
    )
    net = Path(lrbench.cli.setup.__file__).parents[2] / "prototxt/lenet.prototxt"
    (folder / "nine.prototxt").write_text(net.read_text().replace("num_output: 10", "num_output: 9"))
    assert refused("trial.yaml", "--set", "workload.net=./nine.prototxt") == (
        "--set workload.net: nine.prototxt has 9 outputs, but digits has 10 classes; set num_output of the layer "
        "before the loss to 10"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["trial.yaml", "-j", "0"],
        ["trial.yaml", "--shard", "3/2"],
        ["trial.yaml", "--unknown"],
        [],
    ],
)
def test_an_option(refused, arguments):
    assert refused(*arguments)


def test_a_process_ends_with_the_same_line_and_no_traceback(folder):
    (folder / "trial.yaml").write_text(SPEC.replace("SGD", "SDG"))
    ended = subprocess.run(
        [sys.executable, "-m", "lrbench", "run", "trial.yaml"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: trial.yaml:8: solver.type is 'SDG', but must be 'SGD', 'Nesterov', 'AdaGrad', "
        "'RMSProp', 'AdaDelta' or 'Adam'; did you mean SGD?\n"
    )
