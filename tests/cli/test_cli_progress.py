"""What a user sees of runs under way: one line each at any width of the terminal, plain lines where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest
from rich.cells import cell_len

from lrbench.cli import progress as progress_module
from lrbench.cli.progress import RunProgress
from lrbench.engines.base import Progress
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.objective import ObjectiveSettings

LABEL = "WARMUP(policy=COSDECAY(k0=0.03, k1=0), l=30, k0=0, count=stage) SGD seed 0"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def task(number: int, label: str = LABEL) -> Any:
    settings = SimpleNamespace(objective=ObjectiveSettings())
    experiment = SimpleNamespace(workload=SimpleNamespace(iterations=64000), settings=settings)
    return SimpleNamespace(number=number, label=label, experiment=experiment)


def feed(listener: RunProgress, label: str = LABEL) -> None:
    """Two runs at their widest numbers."""
    tasks = [task(1, label), task(21, label)]
    for run in tasks:
        listener.started(run)
        listener.evaluated(run, Evaluation(500, {"accuracy_top1": 0.987654, "train_loss": 2.0}, learning_rate=0.01))
        listener.progressed(run, Progress(63999, 0.00001234, 1.2345e-05))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[int], list[str]]:
    """The last two lines that a terminal of that width gets: the last picture, if each run has one line."""

    def at(width: int) -> list[str]:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", "30")
        with RunProgress(21) as listener:
            feed(listener)
        output = ESCAPES.sub("", capsys.readouterr().err)
        return [line.rsplit("\r", 1)[-1] for line in output.splitlines() if line.strip()][-2:]

    return at


@pytest.mark.parametrize("width", [80, 100, 120, 150])
def test_each_run_has_one_line_with_all_its_numbers(shown, width):
    lines = shown(width)
    for line, number in zip(lines, (" 1", "21"), strict=True):
        assert line.startswith(f"[{number}/21] WARMUP(")
        assert cell_len(line) <= width
        for number in ("63999/64000", "lr 1.23e-05", "loss 1.23e-05", "best 98.77%"):
            assert number in line
        assert re.search(r"best 98\.77% [-0-9]+:", line)


def test_the_bar_gives_way_before_the_label(shown):
    assert "━" not in shown(80)[0]
    assert "━" in shown(150)[0]
    assert LABEL in shown(180)[0]


def test_a_label_cannot_steer_the_terminal(capsys):
    with RunProgress(21) as listener:
        feed(listener, "FIX(k0=\x1b[2J1)\r")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[ 1/21] FIX(k0=[2J1)  started"
    assert all(line.isprintable() for line in lines)


def test_without_a_terminal_there_are_plain_lines(monkeypatch, capsys):
    monkeypatch.setattr(progress_module, "PLAIN_SECONDS", -1)
    with RunProgress(21) as listener:
        feed(listener, "FIX(k0=1)")
    assert capsys.readouterr().err.splitlines()[:3] == [
        "[ 1/21] FIX(k0=1)  started",
        "[ 1/21] FIX(k0=1)  iteration 500  lr 0.01  loss 2  accuracy 98.77%",
        "[ 1/21] FIX(k0=1)  iteration 63999/64000  lr 1.23e-05  loss 1.23e-05  best 98.77%",
    ]


def test_runs_go_on_when_nobody_reads_of_them(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(click, "echo", broken)
    with RunProgress(21) as listener:
        feed(listener)
