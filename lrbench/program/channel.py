"""The program's end of the channel to LRBench: framed JSON and raw bytes over two descriptors of its own.

A thread reads what LRBench sends, so that the program and the processes it started end within moments of LRBench, even
after LRBench was killed and while the program computes.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

Message = dict[str, Any]

LARGEST_MESSAGE = 1 << 30


class Channel:
    """Messages to and from LRBench.

    Args:
        source, sink: the connections that are read and written, which no process that the program starts inherits.
        rank: number of this process among those of the program, which all receive the same messages.
        launcher: number of the process that started the ranks; None: there is no launcher.
    """

    def __init__(self, source: Connection, sink: Connection, rank: int = 0, launcher: int | None = None) -> None:
        self.rank = rank
        self._launcher = launcher
        self._owner = os.getpid()
        self._source, self._sink = source, sink
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

    def report(self, message: Message, payload: bytes = b"", others: Message | None = None) -> None:
        """Send what rank 0 alone tells of the training that all ranks make together; other ranks send ``others``."""
        if self.rank == 0:
            self.send(message, payload)
        elif others is not None:
            self.send(others)

    def leave(self) -> None:
        """Tell that this process ends by itself, if anybody still listens."""
        with suppress(OSError):
            self.send({"event": "left"})

    def own_folder(self, folder: str) -> str:
        """Return the folder of this rank's state in that of a snapshot, which is made where it is missing."""
        if self.rank == 0:
            return folder
        own = os.path.join(folder, f"rank_{self.rank}")
        os.makedirs(own, exist_ok=True)
        return own

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
            end_processes(self._launcher)


def end_processes(launcher: int | None) -> None:
    """End this process at once, its launcher, and where it leads a group the processes of the group, too."""
    if launcher is not None and os.getppid() == launcher:
        with suppress(OSError):
            os.kill(launcher, getattr(signal, "SIGKILL", signal.SIGTERM))
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


_connected: Channel | None = None


def connect(place: str) -> Channel:
    """Open the channel of this process, once, before the program begins.

    Args:
        place: two descriptors, ``3,4``; ``port``, where ``LRBENCH_CHANNEL`` names a port of this machine and a secret;
            or ``ranks``, with a port, too, for each of the processes that a launcher has started.
    """
    global _connected
    if place == "ranks":
        rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        _connected = Channel(*_meet(rank, ranks), rank, os.getppid())
    elif place == "port":
        _connected = Channel(*_meet(0, 1))
    else:
        reading, writing = map(int, place.split(","))
        for descriptor in (reading, writing):
            os.set_inheritable(descriptor, False)
        _connected = Channel(Connection(reading, writable=False), Connection(writing, readable=False))
    return _connected


def _meet(rank: int, ranks: int) -> tuple[Connection, Connection]:
    port, secret = os.environ.pop("LRBENCH_CHANNEL").split(":")
    line = socket.create_connection(("127.0.0.1", int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(line.detach())
    connection.send_bytes(json.dumps({"secret": secret, "rank": rank, "ranks": ranks}).encode())
    return connection, connection


def connected() -> Channel | None:
    """The channel, None in a process that LRBench did not start."""
    return _connected if _connected is not None and _connected.is_own else None
