"""Seals on snapshots that a program's own ``restore`` reads: it gets none that was written elsewhere or changed.

Such a snapshot may hold pickles, which execute what they like when they are read. The seal is a keyed hash of its files
and of the program's sources; the key is made once on each machine, and is readable by the user alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from lrbench.runs.files import CHECKSUMS
from lrbench.storage import atomic_write, file_sha256, read_regular

SEAL = "SEAL"
KEY = "snapshots.key"
KEY_BYTES = 32


class Seal:
    """The seal of one program's snapshots on this machine.

    Args:
        home: LRBench's data folder, which holds the key.
        sources: SHA-256 of the program's files by path.

    Raises:
        OSError: the key can neither be read nor made.
    """

    def __init__(self, home: Path, sources: Mapping[str, str]) -> None:
        self._key = read_key(home)
        self._sources = "".join(f"{digest}  {name}\n" for name, digest in sorted(sources.items()))

    def write(self, folder: Path) -> None:
        """Seal a snapshot that the program has just written."""
        atomic_write(folder / SEAL, self._of(folder).encode())

    def fits(self, folder: Path) -> bool:
        """Whether the files of a snapshot are those that were sealed, for this program and with this machine's key."""
        try:
            written = read_regular(folder / SEAL)
        except OSError:
            return False
        return hmac.compare_digest(written, self._of(folder).encode())

    def _of(self, folder: Path) -> str:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (SEAL, CHECKSUMS))
        content = "".join(f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
        return hmac.new(self._key, (self._sources + "\n" + content).encode(), hashlib.sha256).hexdigest()


def read_key(home: Path) -> bytes:
    """Read the key of this machine, which the first call makes.

    Args:
        home: LRBench's data folder, which holds it.

    Raises:
        OSError: it can neither be read nor made.
    """
    path = home / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            if not path.exists():
                os.link(partial, path)
        except FileExistsError:
            pass  # another process has just made it
        finally:
            partial.unlink()
    key = read_regular(path)
    if len(key) != KEY_BYTES:
        raise OSError(0, "is damaged: remove it", str(path))
    return key
