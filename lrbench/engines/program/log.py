"""The log of a program's process: what it prints, up to a limit."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import IO

LOG_NAME = "program.log"
MOST_BYTES = 16 << 20
JOIN_SECONDS = 2.0


class BoundedLog:
    """Copies the output of a process into a file until that has ``MOST_BYTES``; the rest is read and left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread: threading.Thread | None = None

    def follow(self, stream: IO[bytes]) -> None:
        """Copy the stream from now on, in a thread."""
        self._thread = threading.Thread(target=self._copy, args=(stream,), name="program log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until what was printed is in the file; the process has ended."""
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _copy(self, stream: IO[bytes]) -> None:
        left = MOST_BYTES - (self.path.stat().st_size if self.path.exists() else 0)
        with stream, self.path.open("ab", buffering=0) as file:
            while chunk := stream.read1(1 << 16):  # type: ignore[attr-defined]
                try:
                    file.write(chunk[: max(left, 0)])
                    if 0 <= left < len(chunk):
                        file.write(b"\n[this log has reached its limit: what follows is left out]\n")
                except OSError:  # a full disk must not stop the program, which would wait for its output to be read
                    left = 0
                left -= len(chunk)
