"""Memory that a huge file takes: less than its size, which scripts/measure_memory measures at 548 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fake_runs

MEGABYTES = 40


def peak_bytes(results: Path) -> int:
    """The highest resident memory of `lrbench report`, as a process of its own."""
    with subprocess.Popen([sys.executable, "-m", "lrbench", "report", str(results)], stdout=subprocess.PIPE) as process:
        assert b"FIX" in process.stdout.read()
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
