"""The files of a run directory: their names, how one is opened and parsed, and the checksums of a snapshot's."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lrbench.errors import ResultsError
from lrbench.storage import file_sha256, open_regular, read_regular

RUN, STATUS, EVALUATIONS, SNAPSHOTS, LOCK = "run.json", "status.json", "evaluations.jsonl", "snapshots", "lock"
LARGEST_FILE = 1 << 30
CHECKSUMS = "SHA256SUMS"
"""Checksums of a snapshot's files as ``sha256sum`` writes them: a flipped bit must not train on as if it were data."""


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
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DamagedRun:
    if error.errno == errno.EFBIG:
        return DamagedRun(f"{path.name} is larger than {LARGEST_FILE >> 30} GiB")
    return DamagedRun(f"{path.name} cannot be read: {error.strerror}")


def read_object(path: Path) -> dict[str, Any] | None:
    """Parse a file that holds one JSON object; None where there is no such file.

    Raises:
        DamagedRun: it cannot be read, or holds something else.
    """
    try:
        value = orjson.loads(read_regular(path, LARGEST_FILE))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    except orjson.JSONDecodeError as error:
        raise DamagedRun(f"{path.name} is not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(value, dict):
        raise DamagedRun(f"{path.name} is not a JSON object")
    return value


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file of ``folder`` into its file ``SHA256SUMS``.

    Raises:
        OSError: a file cannot be read, or the checksums cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    (folder / CHECKSUMS).write_text("".join(lines))


def check_checksums(folder: Path) -> None:
    """Compare the files of ``folder`` with its checksums.

    A folder without them is one that an older version wrote, and is taken as it is: a snapshot gets its name only when
    its checksums are in it.

    Raises:
        ResultsError: a file is not what was written, or the checksums themselves are damaged.
        OSError: a file is missing or cannot be read.
    """
    try:
        lines = read_regular(folder / CHECKSUMS).splitlines()
    except FileNotFoundError:
        return
    sums = {name.decode(errors="replace"): digest for digest, _, name in (line.partition(b"  ") for line in lines)}
    for name, digest in sums.items():
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ResultsError(f"{CHECKSUMS} is damaged")
        if file_sha256(folder / name).encode() != digest:
            raise ResultsError(f"the checksum of {name} is not the one that was written")
    if not sums:
        raise ResultsError(f"{CHECKSUMS} is empty")
