"""Predictions on public training curves of language models, a slice of which lies in ``tests/data_files``.

These are 22 logs that Schaipp and others published with arXiv:2501.18965 (github.com/fabian-sp/lr-scheduling, MIT
licence): two small groups, and the runs of one rate and length of a larger model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def measured(repository: Path) -> dict[str, Any]:
    curves = repository / "tests/data_files/llm_curves.jsonl.gz"
    command = [sys.executable, str(repository / "scripts/measure_predict"), str(curves), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_errors_are_small_where_runs_of_one_rate_are_fitted(measured):
    for setting in ("A", "B"):
        found = measured["settings"][setting]
        assert found["median_error"] <= 0.25
        assert found["worst_error"] <= 1.0
        assert found["median_error"] <= found["naive_median_error"] / 2


def test_errors_are_small_where_three_runs_of_two_rates_are_fitted(measured):
    found = measured["settings"]["D"]
    assert found["judged"] == 6
    assert found["median_error"] <= 0.35
    assert found["worst_error"] <= 0.9


def test_intervals_cover_and_are_narrow(measured):
    assert measured["all"]["coverage"] >= 85
    assert measured["all"]["median_half_width"] <= 1


def test_the_run_that_ranks_first_is_nearly_the_best(measured):
    assert measured["all"]["worst_regret"] <= 0.0045


def test_no_run_of_these_is_refused(measured):
    assert measured["all"]["refused"] == 0
