"""Too little memory is one line and exit code 2, whichever command runs out of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from factories import fake_runs

from lrbench.serving.live_page import LivePage


@pytest.mark.parametrize("command", ["report", "plot", "serve", "db add"])
def test_a_limit_of_the_shell(tmp_path, command):
    run = fake_runs.write_run(tmp_path / "results", "FIX(k0=0.01)")
    with (run / "evaluations.jsonl").open("ab") as file:
        file.truncate(900 << 20)  # a line of zeros that never ends, and takes no place on the disk
    more = {"plot": ["-o", "x.svg"], "db add": ["--db", "x.sqlite"]}.get(command, [])
    limited = ["bash", "-c", f'ulimit -v {1 << 20}; exec "$@"', "bash", sys.executable, "-m", "lrbench"]  # KiB
    ended = subprocess.run(
        [*limited, *command.split(), "results", *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: not enough memory; free some, raise the limit (ulimit -v), or give less at a time\n"


def test_a_live_page_keeps_the_last_one(tmp_path, monkeypatch):
    from lrbench.report.load import read_report

    results = fake_runs.write_run(tmp_path, "FIX(k0=0.01)")
    notices: list[str] = []
    page = LivePage(lambda: read_report([results], "best_accuracy"), [results], notices.append)
    before = page.version()
    monkeypatch.setattr("lrbench.serving.live_page.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("lrbench.serving.live_page.SHARE", 0.0)

    def fill(_paths):
        raise MemoryError

    monkeypatch.setattr("lrbench.serving.live_page.fingerprint", fill)
    assert page.version() is before
    assert page.version() is before
    assert len(notices) == 1
    assert notices[0].startswith("not enough memory; ")
