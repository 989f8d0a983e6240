"""File operations: a crash, a kill or a full disk leaves the old content of a file or the new one, whole."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from io import BufferedReader
from pathlib import Path

from lrbench.errors import UsageError

_AS_A_FILE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags not all of which every system has."""
PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Return a folder of files that LRBench ships: in the installed package, or beside the package in a checkout.

    Raises:
        UsageError: the installation lacks it.
    """
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"the folder {name} is missing from LRBench", where=str(PACKAGE), remedy="install LRBench anew")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes; a pipe or a device is refused, since reading it might never end.

    Raises:
        OSError: there is none, it may not be read, or it is not a regular file.
    """
    return open(_opened(path)[0], "rb")


def read_regular(path: Path, most: int = sys.maxsize) -> bytes:
    """Read the content of a regular file.

    Args:
        most: largest number of bytes that a file may have.

    Raises:
        OSError: as ``open_regular``; ``EFBIG`` for a file that is larger.
    """
    descriptor, size = _opened(path)
    try:  # without a file object, which takes longer to make than a small file takes to read
        if size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        parts = []
        while part := os.read(descriptor, min(size + 1, 1 << 20)):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> tuple[int, int]:
    """Return the descriptor of a regular file and its size."""
    descriptor = os.open(path, os.O_RDONLY | _AS_A_FILE)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor, found.st_size
    os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def is_irregular(path: Path) -> bool:
    """Return whether ``path`` exists and is not a regular file, such as a pipe, a device or a folder."""
    return path.exists() and not path.is_file()


def atomic_write(path: Path, content: bytes, *, sync_name: bool = True) -> None:
    """Replace ``path`` with ``content``, which reaches the disk before the name points to it.

    Args:
        sync_name: whether to wait until the name, too, is on the disk; without it the old content may be there after
            the machine loses its power.

    Raises:
        OSError: it could not be written; what was there is unchanged and nothing is left beside it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write_durably(partial, content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if sync_name:
        sync(path.parent)


def remove_partials(folder: Path) -> None:
    """Delete the partial files of killed ``atomic_write`` calls, at any depth; nobody else may write there."""
    for path in folder.rglob(".*.partial"):
        path.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(staging: Path, folder: Path) -> None:
    """Rename a folder of finished files once all of them are on the disk; ``folder`` does not exist yet."""
    for path in (staging, *staging.rglob("*")):
        sync(path)
    staging.rename(folder)
    sync(folder.parent)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """Return the system's description of an error, such as "No space left on device"."""
    return getattr(error, "strerror", None) or str(error)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a folder; links are not followed, and what vanishes meanwhile counts nothing."""
    size = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                size += path.stat().st_size
        except OSError:
            continue
    return size
