"""The names of LRBench's own engines, for what must not load them."""

from __future__ import annotations

ENGINES = ("caffe", "torch", "program")


def is_own(name: str) -> bool:
    """Whether the engine of this name comes with LRBench, not with another package."""
    return name in ENGINES
