"""A program that an older Python executes than LRBench's own: Caffe's, which has neither LRBench nor its dependencies."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from command_line import typed

from lrbench.engines.caffe.environment import CaffeEnvironment

pytestmark = [pytest.mark.caffe, pytest.mark.engines]

PROGRAM = """
import sys
import lrbench

run = lrbench.attach(iterations=12, evaluate_every=4)
weight = 1.0 + run.seed
for t in run:
    loss = weight**2
    weight -= run.rate * 2 * weight
    run.step(loss)
    if run.should_evaluate:
        run.report(test_loss=weight**2, version=sys.version_info[0] + sys.version_info[1] / 100)
"""

SPEC = """
workload: {program: train.py, iterations: 12, evaluate_every: 4}
seeds: [0, 1]
policies: ["COSDECAY(k0=0.1)"]
objective: {metric: test_loss}
"""


@pytest.fixture
def python(caffe_environment: CaffeEnvironment, tmp_path: Path) -> Path:
    """Caffe's Python as one executable file."""
    words = shlex.join(["env", *caffe_environment.settings, *caffe_environment.python])
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path


def evaluations(results: Path) -> list[list[tuple[int, float, float, float]]]:
    rows = [list(map(json.loads, path.read_text().splitlines())) for path in sorted(results.rglob("evaluations.jsonl"))]
    return [[(row["iteration"], row["learning_rate"], row["test_loss"], row["version"]) for row in run] for run in rows]


def test_it_trains_as_with_this_python(tmp_path, python, caffe_python):
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "train.yaml").write_text(SPEC)
    for name, words in {"older": ["--python", str(python)], "own": []}.items():
        done = typed("run", tmp_path / "train.yaml", "--program", *words, "--results", tmp_path / name)
        assert done.returncode == 0, done.stderr
    older, own = evaluations(tmp_path / "older"), evaluations(tmp_path / "own")
    assert [[row[:3] for row in run] for run in older] == [[row[:3] for row in run] for run in own]
    version = float(caffe_python("import sys; print(sys.version_info[0] + sys.version_info[1] / 100)"))
    assert {row[3] for run in older for row in run} == {version}
    assert {row[3] for run in own for row in run} == {sys.version_info[0] + sys.version_info[1] / 100}
