"""Facts about the program's process that LRBench is told with each evaluation."""

from __future__ import annotations

import os
import sys
from typing import Any

from lrbench.program.sources import LoadedSources

_loaded: LoadedSources | None = None


def watch_sources(folder: str) -> LoadedSources:
    """Look under the program's folder for what it imports."""
    global _loaded
    _loaded = LoadedSources(folder)
    return _loaded


def sources() -> dict[str, str]:
    """SHA-256 of each of the program's files that it has loaded, by path relative to its folder."""
    return {} if _loaded is None else _loaded.current()


def usage() -> dict[str, Any]:
    """Processor seconds of this process and of its children that have ended, and its peak memory, 0 if not known."""
    times = os.times()
    try:
        import resource
    except ImportError:
        peak = 0
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"cpu_seconds": sum(times[:4]), "peak_memory_bytes": peak}
