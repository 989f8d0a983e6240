"""LRBench's ends of the channels to the processes of a program: one process, or one for each rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import orjson

from lrbench.program.channel import LARGEST_MESSAGE

ENDED: Mapping[str, Any] = {"event": "ended"}


class Ends:
    """Messages to every rank of a program, and from each.

    Args:
        pairs: for each rank, in order, the connection that is read and the one that is written.
    """

    def __init__(self, pairs: Sequence[tuple[Connection, Connection]]) -> None:
        self.ranks = range(len(pairs))
        self._pairs = pairs
        self._sources = {rank: source for rank, (source, _) in enumerate(pairs)}

    def send(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        """Send a message to every rank.

        Raises:
            OSError: rank 0 has ended.
            ValueError: the message is too large.
        """
        content = orjson.dumps({**message, "bytes": bool(payload)})
        for rank, (_, sink) in enumerate(self._pairs):
            try:
                sink.send_bytes(content)
                if payload:
                    sink.send_bytes(payload)
            except OSError:
                if rank == 0:
                    raise

    def receive(self, seconds: float) -> tuple[int, Mapping[str, Any], bytes] | None:
        """Wait for a message; return its rank, itself and the bytes behind it, or None where none came in time.

        The message of a rank other than 0 that has ended is ``ENDED``.

        Raises:
            EOFError, OSError: rank 0 has ended.
        """
        ready = wait(self._sources.values(), seconds)
        for rank, source in reversed(self._sources.items()):  # rank 0 last: why another failed comes before its end
            if source in ready:
                try:
                    message = orjson.loads(source.recv_bytes(LARGEST_MESSAGE))
                    return rank, message, source.recv_bytes(LARGEST_MESSAGE) if message["bytes"] else b""
                except (EOFError, OSError):
                    if rank == 0:
                        raise
                    del self._sources[rank]
                    return rank, ENDED, b""
        return None

    def close(self) -> None:
        """Close the channels, upon which every rank that still lives ends itself."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.close()
