"""The entries that come with LRBench, measured by its authors: ``seed.jsonl``, written by scripts/generate_seed."""

from __future__ import annotations

from importlib.resources import files

from lrbench.tuning.database.entry import Entry
from lrbench.tuning.database.lines import from_lines

SEED = "seed.jsonl"


def shipped_entries() -> list[Entry]:
    """Every one of them, its runs marked as shipped."""
    return from_lines(files(__package__).joinpath(SEED).read_bytes(), SEED)
