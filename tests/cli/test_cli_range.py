"""``lrbench range`` as a user types it: on both engines, interrupted, and with bad input."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import refusal, typed
from factories.nets import LINEAR

import lrbench.executors.setup
from lrbench.data import Prepared

SPEC = """\
workload: {net: linear.prototxt, dataset: digits, batch_size: 32, test_batch_size: 100, iterations: 200, test_interval: 100}
solver: {type: SGD, momentum: 0.9}
range: {seeds: [0], rates: 3, low: 3e-3, high: 0.3, lengths: [20, 40], iterations: 40}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(SPEC)
    shutil.copy(LINEAR, tmp_path)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lrbench", "range", "trial.yaml", *arguments]


def lr_range(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed("range", "trial.yaml", *arguments, cwd=folder)


def check_found(solver: dict[str, Any]) -> None:
    """What LeNet on digits does, whichever engine trains it."""
    low, high = solver["rates"]
    assert 3e-3 <= low < 0.02 < 2 * high <= 0.6
    longest = solver["fixed"][-1]
    assert {low, high} <= set(longest["rates"])
    best = dict(zip(longest["rates"], longest["accuracy_top1"][0], strict=True))[longest["reading"]["best"]]
    assert best > 0.6
    assert solver["evaluated_on"] == "validation"


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.engines
@pytest.mark.slow
def test_a_range_on_pytorch_with_a_picture_and_again_from_what_is_done(folder):
    answer = lr_range(folder, "--engine", "torch", "-j", "2", "--format", "json", "--plot", "range.png")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    check_found(found["solvers"][0])
    assert found["workload"].startswith("linear on digits, 200 training images held out, batch 32, 200 iterations")
    assert (folder / "range.png").read_bytes().startswith(b"\x89PNG")
    low, high = found["solvers"][0]["search_rates"]
    command = "next: lrbench tune trial.yaml -j 2 --engine torch"
    assert f"{command} --set 'search.rates=[{low:g}, {high:g}]'" in answer.stderr
    again = lr_range(folder, "--engine", "torch")
    assert again.returncode == 0
    assert "started" not in again.stderr
    assert f"search:\n  rates: [{low:g}, {high:g}]\n" in again.stdout


@pytest.mark.caffe
@pytest.mark.slow
def test_a_range_on_caffe_that_was_interrupted_goes_on(folder):
    process = subprocess.Popen(command("-j", "2"), cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "FIX" in line and "finished at iteration 40" in line:
            break
    done = line.split("  ")[0]
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=200) == 130
    assert "to resume, type: lrbench range trial.yaml -j 2" in rest
    assert "Traceback" not in rest
    answer = lr_range(folder, "-j", "2", "--format", "json", "-o", "range.json")
    assert answer.returncode == 0, answer.stderr
    assert "EXP" not in answer.stderr  # the sweep was done before
    assert done not in answer.stderr
    assert "FIX" in answer.stderr
    check_found(json.loads((folder / "range.json").read_text())["solvers"][0])


@pytest.fixture
def refused(folder: Path, digits: Prepared, monkeypatch: pytest.MonkeyPatch):
    """Gives the message with which the command is refused; data are never asked for."""

    def unreached(*_arguments: object) -> None:
        raise AssertionError("data or an engine were asked for")

    monkeypatch.chdir(folder)
    monkeypatch.setattr(lrbench.executors.setup, "find_engine", unreached)
    monkeypatch.setattr(lrbench.executors.setup, "find_data", unreached)

    def run(*arguments: str) -> str:
        before = sorted(folder.rglob("*"))
        message = refusal("range", *arguments)
        assert sorted(folder.rglob("*")) == before
        return message.replace(f"{folder}/", "")

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "range.low=2"],
            "trial.yaml:3: range.high is 0.3, not above the 2 of range.low; increase it, or decrease range.low",
        ),
        (["--set", "range.low=-1"], "--set range.low: range.low is -1, but must be above 0; for example low: 1e-5"),
        (
            ["--set", "range.lengths=[100, 300]"],
            "--set range.lengths: range.lengths is 300, more than the 200 iterations of a run; shorten it, or raise "
            "workload.iterations",
        ),
        (
            ["--set", "range={low: 20}"],
            "--set range: range.low is 20, but the rates for SGD go from 20 to 10 then; give range.high, too",
        ),
        (
            ["--solver", "Adam"],
            "--solver is Adam, but the solvers of the spec are SGD; name one of those, or replace them all with --set "
            "solver=TYPE",
        ),
        (["--engine", "cafe"], "--set engine.name: unknown engine 'cafe'; did you mean caffe?"),
        (["--plot", "range.gif"], 'range.gif: the suffix is ".gif"; use .png, .svg, .pdf'),
        (["--plot", "none/range.png"], "none/range.png: there is no folder none; create it, or change --plot"),
        (["-o", "none/range.txt"], "none/range.txt: there is no folder none; create it, or change -o"),
    ],
)
def test_bad_input_is_refused_before_anything_is_done(refused, arguments, message):
    assert refused("trial.yaml", *arguments) == message


def test_a_spec_needs_no_policies_but_must_be_one(refused, folder):
    assert refused("none.yaml").startswith("none.yaml: there is no such spec file")
    (folder / "bad.yaml").write_text(SPEC.replace("linear.prototxt", "lenett"))
    assert refused("bad.yaml").startswith("bad.yaml:1: ")
