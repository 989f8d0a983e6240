"""``lrbench serve`` and ``lrbench watch`` as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

import pytest
from factories import fake_runs

from lrbench.api.environment import serve_token
from lrbench.cli import watch

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"


@pytest.fixture
def underway(tmp_path):
    """A run that this process holds."""
    run = fake_runs.write_run(tmp_path / "results", TRI, [0.1, 0.9], status="running")
    with fake_runs.held(run):
        yield run


def test_serve_prints_its_address_serves_and_ends_with_ctrl_c(tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    command = [sys.executable, "-m", "lrbench", "serve", str(tmp_path), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}data.json", timeout=100) as answer:
            assert json.load(answer)["report"]["policies"][0]["policy"] == FIX
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert err.splitlines() == ["press Ctrl-C to stop", "", "interrupted"]


@pytest.mark.parametrize("token", ["short", "a token with blanks, 24"])
def test_serve_refuses_a_weak_token(lrbench, tmp_path, monkeypatch, token):
    fake_runs.write_run(tmp_path, FIX)
    monkeypatch.setenv("LRBENCH_TOKEN", token)
    code, out, err = lrbench("serve", tmp_path, "--token")
    assert (code, out) == (2, "")
    assert err == (
        "error: LRBENCH_TOKEN: the token is not 16 or more letters, digits and - . _ ~; unset it for a random token\n"
    )


def test_a_new_token_is_random_and_long(monkeypatch):
    monkeypatch.delenv("LRBENCH_TOKEN", raising=False)
    assert len({serve_token() for _ in range(10)}) == 10
    assert len(serve_token()) == 32


def test_serve_refuses_what_is_not_there_in_one_line(lrbench, tmp_path):
    code, out, err = lrbench("serve", tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert err == (f"error: {tmp_path / 'nowhere'}: no such file or folder; give a results folder or a Caffe log\n")
    assert lrbench("serve", tmp_path, "--port", "70000")[0] == 2


def test_the_page_is_written_as_a_file(lrbench, tmp_path):
    fake_runs.write_run(tmp_path / "results", FIX)
    code, out, err = lrbench("report", tmp_path / "results", "--format", "html", "-o", tmp_path / "report.html")
    assert (code, out, err) == (0, "", f"wrote {tmp_path / 'report.html'}\n")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_comparison_is_a_page_of_its_own(lrbench, tmp_path):
    for kind in ("SGD", "Adam"):
        fake_runs.write_run(tmp_path, FIX, solver={**fake_runs.SOLVER, "type": kind})
    code, out, err = lrbench("report", tmp_path, "--by", "solver", "--format", "html")
    assert (code, err) == (0, "")
    assert out.startswith("<!doctype html>")
    assert "policies x solvers</h2>" in out
    assert "<script" not in out


def test_watch_once_shows_each_run_under_way(lrbench, tmp_path, underway):
    fake_runs.write_run(tmp_path / "results", FIX)
    fake_runs.write_run(tmp_path / "results", FIX, seed=1, status="running")  # says so, but nobody holds it
    code, out, err = lrbench("watch", tmp_path / "results", "--once")
    assert (code, err) == (0, "")
    assert out == (
        f"{TRI}, SGD, seed 0: iteration 500 of 2,000, accuracy 90.00 %, best 90.00 %, rate 0.01, 36 s left\n"
    )


def test_watch_follows_until_nothing_is_under_way(lrbench, tmp_path, underway, monkeypatch):
    moments = iter(["evaluated", "quiet", "ended", "quiet", "quiet", "quiet"])

    def wait(_seconds):
        moment = next(moments)
        if moment == "evaluated":
            with (underway / "evaluations.jsonl").open("a") as file:
                file.write(json.dumps(fake_runs.evaluation(1000, 0.85)) + "\n")
        if moment == "ended":
            (underway / "status.json").write_text(json.dumps({"status": "finished", "iteration": 2000, "reason": None}))

    monkeypatch.setattr(watch, "wait", wait)
    monkeypatch.chdir(tmp_path)
    code, out, err = lrbench("watch", "results")
    assert code == 0
    assert [line.partition(": ")[2] for line in out.splitlines()] == [
        "iteration 500 of 2,000, accuracy 90.00 %, best 90.00 %, rate 0.01, 36 s left",
        "iteration 1,000 of 2,000, accuracy 85.00 %, best 90.00 %, rate 0.01, 23 s left",
    ]
    assert err == "all runs have ended\nnext: lrbench report results\n"
    assert list(moments) == ["quiet"]  # a moment between two runs is no end


def test_watch_names_once_what_it_cannot_read_and_shows_the_rest(lrbench, tmp_path, underway, monkeypatch):
    newer = fake_runs.write_run(tmp_path / "results", FIX, status="running")
    told = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**told, "schema": 99}))
    ended = json.dumps({"status": "finished", "iteration": 2000, "reason": None})
    monkeypatch.setattr(watch, "wait", lambda _seconds: (underway / "status.json").write_text(ended))
    code, out, err = lrbench("watch", tmp_path / "results")
    assert code == 0
    assert out.startswith(f"{TRI}, SGD, seed 0: ")
    problem, end, _ = err.splitlines()
    assert problem.startswith(f"left out: {newer}: run.json has schema 99, this version reads up to 1; ")
    assert end == "all runs have ended"


def test_watch_of_a_folder_without_runs_is_refused(lrbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    code, out, err = lrbench("watch", "photos")
    assert (code, out) == (2, "")
    assert err == (
        "error: photos: there is no run in this folder, so there is nothing to watch; start one: lrbench run SPEC\n"
    )


def test_watch_says_when_nothing_is_under_way_from_the_start(lrbench, tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    code, out, err = lrbench("watch", tmp_path)
    assert (code, out) == (0, "")
    assert err == f"no runs are active\nnext: lrbench report {tmp_path}\n"
    code, _, err = lrbench("watch", tmp_path / "nowhere")
    assert code == 2
    assert "no such folder" in err


def test_watch_lists_all_in_a_terminal(tmp_path):
    from rich.console import Console

    from lrbench.report.progress import find_progress

    with ExitStack() as stack:
        for seed in range(2):
            run = fake_runs.write_run(tmp_path, "FIX(k0=\x1b[2J1)", [0.1, 0.9], seed=seed, status="running")
            stack.enter_context(fake_runs.held(run))
        console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
        console.print(watch._table(find_progress([tmp_path])))
    text = console.export_text(clear=False)
    head, *lines, progress = text.splitlines()
    assert head.split() == ["run", "iteration", "accuracy", "best", "rate", "time", "left"]
    assert len(lines) == 2
    assert progress.split() == ["exp:", "0", "runs", "done,", "2", "active,", "about", "36", "s", "left"]
    for seed, line in enumerate(lines):
        assert line.startswith(f"FIX(k0=[2J1), SGD, seed {seed} ")
        assert line.split()[-10:] == ["500", "of", "2,000", "90.00", "%", "90.00", "%", "0.01", "36", "s"]
    assert "\x1b" not in text
