"""Memory that a huge file takes: less than its size, which scripts/measure_memory measures at 548 MB and 200 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from factories import fake_runs

MEGABYTES = 40
LOG_MEGABYTES = 20


def peak_bytes(results: Path, shown: bytes = b"FIX") -> int:
    """The highest resident memory of `lrbench report`, as a process of its own."""
    wide = {**os.environ, "COLUMNS": "200"}  # no policy is broken over two lines
    with subprocess.Popen(
        [sys.executable, "-m", "lrbench", "report", str(results)], stdout=subprocess.PIPE, env=wide
    ) as process:
        assert process.stdout is not None
        assert shown in process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss * 1024


def test_evaluations_take_less_memory_than_their_file(tmp_path):
    run = fake_runs.write_run(tmp_path, "FIX(k0=0.01)")
    few = peak_bytes(tmp_path)
    with (run / "evaluations.jsonl").open("w") as file:
        for iteration in range(1, MEGABYTES * 1_000_000 // 450):
            file.write(json.dumps(fake_runs.evaluation(iteration, 0.123456789012345)) + "\n")
    size = (run / "evaluations.jsonl").stat().st_size
    assert size > 0.9e6 * MEGABYTES
    assert peak_bytes(tmp_path) - few < size


def write_log(path: Path, megabytes: float, *, displays: bool) -> int:
    """A training log of Caffe, a test pass every hundred iterations and a display every one; returns its size."""
    with path.open("w") as file:
        for iteration in range(0, round(1e6 * megabytes) // (138 if displays else 2), 1 if displays else 100):
            start = f"I0101 {iteration // 3600 % 24:02}:{iteration // 60 % 60:02}:{iteration % 60:02}.0  1234"
            if iteration % 100 == 0:
                file.write(
                    f"{start} solver.cpp:337] Iteration {iteration}, Testing net (#0)\n"
                    f"{start} solver.cpp:404]     Test net output #0: accuracy = 0.9{iteration % 97:02}\n"
                    f"{start} solver.cpp:404]     Test net output #1: loss = 0.2{iteration % 89:02}\n"
                )
            if displays:
                file.write(
                    f"{start} solver.cpp:228] Iteration {iteration}, loss = 0.3{iteration % 83:02}\n"
                    f"{start} sgd_solver.cpp:106] Iteration {iteration}, lr = 0.01\n"
                )
    return path.stat().st_size


@pytest.mark.parametrize(("displays", "policy"), [(True, b"0.01 as displayed"), (False, b"unknown policy")])
def test_a_log_takes_less_memory_than_its_file(displays, policy, tmp_path):
    log = tmp_path / "train.log"
    write_log(log, 0.1, displays=displays)
    small = peak_bytes(log, policy)
    size = write_log(log, LOG_MEGABYTES, displays=displays)
    assert size > 0.9e6 * LOG_MEGABYTES
    assert peak_bytes(log, policy) - small < size
