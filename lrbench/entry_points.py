"""Entry points of installed packages, which add LR functions, engines, executors, data sets and metrics."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

from lrbench.errors import LRBenchError


def entry_points(**wanted: str) -> EntryPoints:
    """Select entry points as ``importlib.metadata.entry_points`` does, without reading the metadata each time.

    The metadata is read again when ``sys.path`` or a folder on it has changed, as by an installation.

    Args:
        wanted: attributes that the entry points have: their ``group``, and their ``name``.
    """
    return _select(tuple((path, _changed(path)) for path in sys.path))(**wanted)


def load(point: EntryPoint, error: type[LRBenchError]) -> Any:
    """Return the object that an entry point names.

    Raises:
        LRBenchError: of the class ``error``: the package that brings it cannot be imported, or has no such object.
    """
    try:
        return point.load()
    except Exception as problem:  # whatever the module of another package does when it is imported
        raise error(
            f"{point.value} cannot be loaded: {type(problem).__name__}: {problem}",
            where=point.group,
            remedy="repair or remove the package that brings it",
        ) from problem


def _changed(path: str) -> int:
    try:
        return os.stat(path or os.curdir).st_mtime_ns
    except OSError:
        return -1


@functools.lru_cache(maxsize=1)
def _select(_places: tuple[tuple[str, int], ...]) -> Callable[..., EntryPoints]:
    return importlib.metadata.entry_points().select
