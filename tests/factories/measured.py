"""Evaluations of runs as a repetition gives them again: without clocks and memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CLOCKS = frozenset(("train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"))


def without_clocks(evaluations: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of evaluations, without times and memory."""
    rows = [json.loads(line) for line in evaluations.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def measured(run: Path) -> list[dict[str, Any]]:
    """Return the evaluations of a run directory."""
    return without_clocks(run / "evaluations.jsonl")


def measured_runs(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the evaluations of each run in a results folder by the name of its directory."""
    return {path.parent.name: measured(path.parent) for path in sorted(results.glob("*/*/evaluations.jsonl"))}
