"""``--notify``, which is told how a command ended, and ``run --gpus``, which starts a process for each GPU."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

from lrbench.cli import gpus as gpus_module
from lrbench.errors import Interrupted

SPEC = """\
name: exp
workload: {net: lenet, dataset: digits, batch_size: 50, test_batch_size: 100, iterations: 20, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
seeds: [0, 1, 2, 3, 4]
policies: ["FIX(k0=0.01)"]
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp.yaml").write_text(SPEC)
    return "exp.yaml"


@pytest.mark.parametrize(
    ("raised", "returned", "code", "words"),
    [
        (None, 0, 0, "done after"),
        (None, 1, 1, "a run failed after"),
        (Interrupted("interrupted; completed work is kept"), 0, 130, "interrupted; completed work is kept after"),
    ],
)
def test_the_command_is_told_how_the_run_ended(lrbench, spec, tmp_path, monkeypatch, raised, returned, code, words):
    def read_experiment(*_):
        raise raised

    def run_on_gpus(*_):
        return returned

    if raised is not None:
        monkeypatch.setattr("lrbench.spec.reading.read_experiment", read_experiment)
    monkeypatch.setattr("lrbench.cli.run.run_on_gpus", run_on_gpus)
    script = f'cat > {tmp_path}/told; echo "$LRBENCH_EXIT_CODE $LRBENCH_MESSAGE" > {tmp_path}/environment'
    command = shlex.join(["sh", "-c", script])
    found, out, err = lrbench("run", spec, "--gpus", "0", "--notify", command)
    assert (found, out) == (code, "")
    assert err == ("" if raised is None else f"error: {raised}\n")
    told = (tmp_path / "told").read_text()
    assert told == f"lrbench run exp.yaml: {words} 0 s\n"
    assert (tmp_path / "environment").read_text() == f"{code} {told}"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'exit 7'", "the command ended with exit code 7"),
        ("sleep 100", "the command took longer than 0.1 s and was ended"),
    ],
)
def test_a_notice_that_fails_changes_nothing(lrbench, spec, monkeypatch, command, words):
    monkeypatch.setattr("lrbench.cli.run.run_on_gpus", lambda *_: 0)
    if "sleep" in command:
        monkeypatch.setattr("lrbench.cli.notify.SECONDS", 0.1)
    code, _, err = lrbench("run", spec, "--gpus", "0", "--notify", command)
    assert (code, err) == (0, f"--notify: {words}\n")


def test_bad_input_is_told_too(lrbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = lrbench("tune", "nowhere.yaml", "--notify", "tee told")
    assert code == 2
    assert err.startswith("error: nowhere.yaml: there is no such spec file")
    assert (tmp_path / "told").read_text().startswith("lrbench tune nowhere.yaml: nowhere.yaml: there is no such")


STAND_IN = """\
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
print("started", os.environ["CUDA_VISIBLE_DEVICES"], file=sys.stderr, flush=True)
open(f"call-{os.environ['CUDA_VISIBLE_DEVICES']}", "w").write(json.dumps(sys.argv[1:]))
if "--hold" in sys.argv:
    time.sleep(600)
sys.exit(1 if os.environ["CUDA_VISIBLE_DEVICES"] == "5" else 0)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A module ``lrbench`` in the working directory, in place of LRBench's own."""
    (tmp_path / "lrbench.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


@pytest.mark.engines
def test_each_gpu_has_a_process_with_its_share(lrbench, spec, stand_in, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,GPU-7")
    code, out, err = lrbench("run", spec, "--gpus", "all", "--shard", "2/2", "-j", 3, "--set", "seeds=8")
    assert (code, out) == (1, ""), "the worst exit code of all"
    assert sorted(err.splitlines()) == [f"GPU {gpu}: started {gpu}" for gpu in ("2", "5", "GPU-7")]
    for share, gpu in (("2/6", "2"), ("4/6", "5"), ("6/6", "GPU-7")):
        words = json.loads((stand_in / f"call-{gpu}").read_text())
        assert words == [
            *("run", "exp.yaml", "-j", "3", "--set", "seeds=8"),
            *("--set", "engine.device=gpu", "--set", "engine.device_ids=[0]", "--shard", share),
        ]


@pytest.mark.engines
def test_ctrl_c_ends_all_processes_once(spec, stand_in):
    script = "from lrbench.cli.gpus import run_on_gpus; run_on_gpus(['--hold'], ['0', '1'], (1, 1))"
    script = f"import os; os.environ['PYTHONPATH'] = {str(stand_in)!r}\n{script}"
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(gpus_module.__file__)))}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", script], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert {process.stderr.readline(), process.stderr.readline()} == {"GPU 0: started 0\n", "GPU 1: started 1\n"}
        process.send_signal(signal.SIGINT)
        assert "Interrupted: interrupted; completed work is kept" in process.stderr.read()


def test_the_gpus_are_those_that_the_driver_offers(lrbench, spec, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("lrbench.cli.gpus.count_gpus", lambda: 4)
    calls = []

    def run_on_gpus(*call):
        calls.append(call)
        return 0

    monkeypatch.setattr("lrbench.cli.run.run_on_gpus", run_on_gpus)
    assert lrbench("run", spec, "--gpus", "all")[0] == 0
    assert lrbench("run", spec, "--gpus", "3,1")[0] == 0
    assert lrbench("run", spec, "--gpus", "all", "--set", "seeds=2")[0] == 0
    assert [gpus for _, gpus, _ in calls] == [("0", "1", "2", "3"), ("3", "1"), ("0", "1")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gpus", "all"], "error: --gpus: no GPU is found on this machine; see lrbench doctor"),
        (["--gpus", "0,0"], "'0,0' is neither all nor different numbers of GPUs, such as 0,1"),
        (["--notify", "no-such-program at all"], "there is no program 'no-such-program'"),
        (["--notify", "mail 'unclosed"], "No closing quotation"),
        (["--gpus", "a"], "'a' is neither all nor different numbers of GPUs, such as 0,1"),
        (["--gpus", "0", "--dry-run"], "--gpus trains; leave it out of a dry run"),
    ],
)
def test_gpus_that_are_not_there_are_one_line(lrbench, spec, monkeypatch, options, words):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("lrbench.cli.gpus.count_gpus", lambda: 0)
    code, out, err = lrbench("run", spec, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
