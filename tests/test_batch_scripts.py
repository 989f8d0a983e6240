"""The batch scripts, with a stand-in for ``lrbench`` that notes what it was asked to do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder for PATH; its lrbench writes its arguments to ``calls`` and fails on share 2/3."""
    program = tmp_path / "lrbench"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase "$*" in *"--shard 2/3"*) exit 1;; esac\n')
    program.chmod(0o755)
    return tmp_path


def call(script: Path, *arguments: str, path: Path, **variables: str) -> int:
    environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}"} | variables
    return subprocess.run([script, *arguments], env=environment, check=False).returncode


def test_one_process_a_gpu_each_with_its_share(repository, stand_in):
    code = call(repository / "scripts/run_per_gpu", "spec.yaml", "0,1,5", "--results", "out", path=stand_in)
    assert code == 1, "the worst exit code of all"
    assert sorted((stand_in / "calls").read_text().splitlines()) == [
        f"run spec.yaml --shard {share}/3 --set engine.device=gpu --set engine.device_ids=[{gpu}] --results out"
        for share, gpu in ((1, 0), (2, 1), (3, 5))
    ]


def test_a_slurm_task_does_its_share(repository, stand_in):
    array = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}
    code = call(repository / "scripts/slurm_array", "spec.yaml", "--results", "out", path=stand_in, **array)
    assert code == 0
    assert (stand_in / "calls").read_text() == (
        "run spec.yaml --shard 3/4 --set engine.device=gpu --set engine.device_ids=[0] --results out\n"
    )
