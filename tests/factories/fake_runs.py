"""Writes run directories as the runner would, for tests of what reads them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrbench.runs.description import RunDescription
from lrbench.runs.directory import RunDirectory

WORKLOAD: dict[str, Any] = {
    "net": {"name": "lenet", "sha256": "a" * 64},
    "dataset": {"name": "mnist", "sha256": "b" * 64, "label": "MNIST"},
    "batch_size": 100,
    "test_batch_size": 100,
    "iterations": 2000,
    "test_interval": 500,
    "display_interval": 100,
}
SOLVER: dict[str, Any] = {"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005, "lr_scale": 1.0}
ENGINE: dict[str, Any] = {"name": "caffe", "driver": "stepping", "device": "cpu", "version": "1.0.0"}


def description(**values: Any) -> RunDescription:
    """The description of a run with those fields over the usual ones."""
    usual = {"run_id": "a", "experiment": "exp", "policy": "FIX(k0=1)", "function": "FIX", "lr_scale": 1.0, "seed": 0}
    return RunDescription(**{**usual, "solver": SOLVER, "workload": WORKLOAD, "engine": ENGINE, **values})


def evaluation(iteration: int, accuracy: float | None, **values: float | None) -> dict[str, float | None]:
    """One evaluation; a None accuracy is a diverged net's."""
    known = accuracy is not None and not math.isnan(accuracy)
    at = accuracy if known and accuracy is not None else math.nan
    row = {
        "iteration": iteration,
        "learning_rate": 0.01,
        "train_loss": 1 - at,
        "test_loss": 1.1 - at,
        "accuracy_top1": at,
        "accuracy_top5": min(1.0, at + 0.05),
        "average_confidence": 0.5 + at / 2,
        "confidence_deviation": 0.2 - at / 10,
        "confidence_deviation_across_classes": 0.1 - at / 20,
        "loss_difference": 0.1 if known else math.nan,
        "expected_calibration_error": 0.05,
        "train_seconds": iteration / 50,
        "evaluation_seconds": 1 + iteration / 500,
        "cpu_seconds": 2 + iteration / 40,
        "peak_memory_bytes": 400_000_000,
        **values,
    }
    return {name: None if value is None or math.isnan(value) else value for name, value in row.items()}


def write_run(
    results: Path,
    policy: str,
    accuracies: Sequence[float | None] = (0.1, 0.9, 0.95, 0.96, 0.97),
    *,
    seed: int = 0,
    status: str = "finished",
    reason: str | None = None,
    **description: Any,
) -> Path:
    """A run directory with an evaluation every 500 iterations, and run.json's keys as given over the usual ones.

    The first of several accuracies is that of iteration 0, before any training; a single one is that of iteration 500.
    """
    run = {
        "schema": 1,
        "experiment": "exp",
        "policy": policy,
        "function": policy.partition("(")[0],
        "lr_scale": 1.0,
        "seed": seed,
        "solver": SOLVER,
        "workload": WORKLOAD,
        "engine": ENGINE,
        "target_accuracy": None,
        "stopping": {},
        "robustness_scales": [],
        "created": "2026-01-01T00:00:00+00:00",
        "versions": {"lrbench": "0.1.0"},
        "machine": {"cores": 2},
        **description,
    }
    name = "".join(c if c.isalnum() or c in ".-" else "_" for c in policy)[:60]
    run.setdefault("run_id", f"{name}-{run['solver']['type']}-s{seed}-x{run['lr_scale']}")
    folder = results / str(run["experiment"]) / str(run["run_id"])
    folder.mkdir(parents=True)
    first = 0 if len(accuracies) > 1 else 1
    rows = [evaluation(500 * index, accuracy) for index, accuracy in enumerate(accuracies, start=first)]
    (folder / "run.json").write_text(json.dumps(run))
    iteration = rows[-1]["iteration"] if rows else 0
    updated = "2026-01-01T00:10:00+00:00"
    (folder / "status.json").write_text(
        json.dumps({"status": status, "reason": reason, "iteration": iteration, "updated": updated})
    )
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold a run as the process that trains it does."""
    with RunDirectory(run).locked():
        yield
