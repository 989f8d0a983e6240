"""Checksums of a snapshot's files, in the form of ``sha256sum``: a flipped bit must not train on as if it were data."""

from __future__ import annotations

from pathlib import Path

from lrbench.errors import ResultsError
from lrbench.storage import file_sha256, read_regular

CHECKSUMS = "SHA256SUMS"


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
