"""The files of a run directory: their names, and how one is opened and parsed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lrbench.errors import ResultsError
from lrbench.storage import open_regular

RUN, STATUS, EVALUATIONS, SNAPSHOTS, LOCK = "run.json", "status.json", "evaluations.jsonl", "snapshots", "lock"
LARGEST_FILE = 1 << 30


class DamagedRun(ResultsError):
    """A file of a run directory cannot be read, or does not say what it should."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file of a run to read its bytes.

    Raises:
        FileNotFoundError: there is none.
        DamagedRun: it cannot be read, is not a regular file, or is larger than 1 GiB.
    """
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise DamagedRun(f"{path.name} is larger than {LARGEST_FILE >> 30} GiB")
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedRun(f"{path.name} cannot be read: {error.strerror}") from None


def read_object(path: Path) -> dict[str, Any] | None:
    """Parse a file that holds one JSON object; None where there is no such file.

    Raises:
        DamagedRun: it cannot be read, or holds something else.
    """
    try:
        with opened(path) as file:
            value = orjson.loads(file.read())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise DamagedRun(f"{path.name} is not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(value, dict):
        raise DamagedRun(f"{path.name} is not a JSON object")
    return value
