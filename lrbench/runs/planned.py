"""Runs that an experiment's last command was to make, listed in its folder, so that readers know what is to come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson

from lrbench.runs.files import DamagedRun, read_object
from lrbench.storage import atomic_write

PLANNED = ".planned.json"


def write_planned(folder: Path, run_ids: Sequence[str]) -> None:
    """List the runs in the experiment's folder, which exists, unless they are listed there already.

    Readers do without the list where it cannot be written.
    """
    if read_planned(folder) != list(run_ids):
        with suppress(OSError):
            atomic_write(folder / PLANNED, orjson.dumps({"schema": 1, "runs": list(run_ids)}))


def read_planned(folder: Path) -> list[str]:
    """Return the ids of the planned runs; empty where the folder has no list, or a damaged one."""
    try:
        found = (read_object(folder / PLANNED) or {}).get("runs")
    except DamagedRun:
        return []
    return [run_id for run_id in found if isinstance(run_id, str)] if isinstance(found, list) else []
