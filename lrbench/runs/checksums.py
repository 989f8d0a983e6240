"""Checksums of a snapshot's files, in the form of ``sha256sum``: a flipped bit must not train on as if it were data."""

from __future__ import annotations

from pathlib import Path

from lrbench.errors import ResultsError
from lrbench.storage import atomic_write, file_sha256, read_regular

CHECKSUMS = "SHA256SUMS"


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file of ``folder`` into its file ``SHA256SUMS``.

    Raises:
        OSError: a file cannot be read, or the checksums cannot be written.
    """
    lines = (f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
    atomic_write(folder / CHECKSUMS, "".join(lines).encode())


def check_checksums(folder: Path) -> None:
    """Compare the files of ``folder`` with its checksums; one without them, of an older version, is taken as it is.

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
        if Path(name).name != name or not name:
            raise ResultsError(f"{CHECKSUMS} is damaged")
        if file_sha256(folder / name).encode() != digest:
            raise ResultsError(f"the checksum of {name} is not the one that was written")
    if not sums:
        raise ResultsError(f"{CHECKSUMS} is empty")
