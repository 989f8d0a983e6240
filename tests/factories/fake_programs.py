"""Writes the run directories of a program of the user's own, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from factories import fake_runs

CLOCKS = ("iteration", "learning_rate", "train_loss", "train_seconds", "evaluation_seconds", "cpu_seconds")
TEST_LOSS = {"metric": "test_loss", "at": "final"}
OWN = {"optimizer": "AdamW", "dataset": "Digits", "samples": "1000", "split_used": True}


def write_program_run(
    results: Path,
    policy: str,
    metrics: Mapping[str, Sequence[float | None]],
    *,
    seed: int = 0,
    program: str = "train.py",
    split: str = "test",
    arguments: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] = OWN,
    **description: Any,
) -> Path:
    """A run of a program with an evaluation every 500 iterations from 500 on, and exactly these metrics.

    Its training loss is the first metric's values.
    """
    first = next(iter(metrics.values()))
    parts = {"name": program, "sha256": "c" * 64, "sources": {}, "inputs": {}, "split": split}
    settings: dict[str, Any] = {
        "objective": TEST_LOSS,
        "engine": {"name": "program", "driver": "stepping", "device": "cpu", "interpreter": "python"},
        "workload": {"program": parts, "iterations": 2000, "test_interval": 500},
        "solver": {"type": "program", **(arguments or {})},
        "run_id": f"{policy[:20]}-program-{split}-{len(arguments or {})}{sorted((arguments or {}).items())}-s{seed}",
        "facts": dict(facts),
        **description,
    }
    folder = fake_runs.write_run(results, policy, [0.1, *([0.5] * len(first))], seed=seed, **settings)
    rows = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()][1:]
    kept = [{key: row[key] for key in (*CLOCKS, "peak_memory_bytes")} for row in rows]
    lines = []
    for index, row in enumerate(kept):
        values = {name: column[index] for name, column in metrics.items()}
        lines.append(json.dumps({**row, "train_loss": first[index], **values}))
    (folder / "evaluations.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder
