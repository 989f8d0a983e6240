"""The program's end of the channel to LRBench: framed JSON and raw bytes over two descriptors of its own.

A thread reads what LRBench sends, so that the program and the processes it started end within moments of LRBench, even
after LRBench was killed and while the program computes.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

Message = dict[str, Any]

LARGEST_MESSAGE = 1 << 30


class Channel:
    """Messages to and from LRBench.

    Args:
        reading, writing: the descriptors, which no process that the program starts inherits.
    """

    def __init__(self, reading: int, writing: int) -> None:
        for descriptor in (reading, writing):
            os.set_inheritable(descriptor, False)
        self._owner = os.getpid()
        self._source = Connection(reading, writable=False)
        self._sink = Connection(writing, readable=False)
        self._sending = threading.Lock()
        self._received: queue.SimpleQueue[tuple[Message, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._watch, name="lrbench", daemon=True).start()

    @property
    def is_own(self) -> bool:
        """Whether this process is the one that LRBench started, and no fork of it."""
        return os.getpid() == self._owner

    def send(self, message: Message, payload: bytes = b"") -> None:
        """Send a message, with raw bytes behind it."""
        with self._sending:
            self._sink.send_bytes(json.dumps({**message, "bytes": bool(payload)}).encode())
            if payload:
                self._sink.send_bytes(payload)

    def receive(self) -> tuple[Message, bytes]:
        """Wait for the next message of LRBench."""
        return self._received.get()

    def _watch(self) -> None:
        try:
            while True:
                message = json.loads(self._source.recv_bytes(LARGEST_MESSAGE))
                payload = self._source.recv_bytes(LARGEST_MESSAGE) if message["bytes"] else b""
                self._received.put((message, payload))
        except (EOFError, OSError):
            end_processes()


def end_processes() -> None:
    """End this process at once, and where it leads a group the processes of the group, too."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


_connected: Channel | None = None


def connect(reading: int, writing: int) -> Channel:
    """Open the channel of this process, once, before the program begins."""
    global _connected
    _connected = Channel(reading, writing)
    return _connected


def connected() -> Channel | None:
    """The channel, None in a process that LRBench did not start."""
    return _connected if _connected is not None and _connected.is_own else None
