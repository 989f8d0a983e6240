"""A Python with PyTorch loaded, whose forks stand in for the processes that the PyTorch engine starts.

Loading PyTorch takes seconds of processor time, a fork of a process that has it takes milliseconds. ``sys.executable``
names a small program meanwhile, which has a template fork, lends the fork its pipes, passes signals on, and ends as the
fork ends; killed, it is followed by the fork a moment later. It starts modules (``-m``), ``lrbench`` among them, and the
programs of users, which find PyTorch's compiler loaded, too.

Not for tests that look into the process, limit it or kill a whole command line: what they know is the small program.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import multiprocessing.spawn
import os
import random
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PRELOADED = {
    "engine": ["lrbench.engines.torch.worker"],
    "programs": [
        "torch._dynamo",
        "click",
        "google.protobuf.text_format",
        "numpy",
        "optuna",
        "pydantic",
        "scipy.stats",
        "yaml",
    ],
}
"""Modules to load. PyTorch's compiler comes with the first optimizer of a program, and takes as long as PyTorch itself."""
FAR = 200
"""A descriptor above all those that a caller lends."""
SETTINGS = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**63 - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect({address!r})
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: connection.send(b"%d" % number))
open_files = {{int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)}}
lent = sorted({{0, 1, 2}} | open_files - {{connection.fileno()}})
call = [sys.argv[1:], os.getcwd(), dict(os.environ), lent]
socket.send_fds(connection, [json.dumps(call).encode()], lent)
for descriptor in lent:
    os.close(descriptor)
status = int(connection.recv(16) or b"1")
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@contextmanager
def _template(folder: Path, kind: str) -> Iterator[Path]:
    address, program = folder / "socket", folder / "python"
    program.write_text(PROGRAM.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, str(address), str(program), kind]
    with subprocess.Popen(
        command, env=os.environ | SETTINGS, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield program
        process.kill()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small program for the engine's processes."""
    with _template(tmp_path_factory.mktemp("warm"), "engine") as program:
        yield program


@pytest.fixture(scope="session")
def template_of_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small program for programs of users, which may make an optimizer."""
    with _template(tmp_path_factory.mktemp("warm_programs"), "programs") as program:
        yield program


@pytest.fixture
def warm_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that this test starts with ``sys.executable`` are forks, unless it is marked ``cold``."""
    if not request.node.get_closest_marker("cold"):
        monkeypatch.setattr(sys, "executable", str(request.getfixturevalue("template")))


@pytest.fixture
def warm_programs(template_of_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that this test has LRBench train with ``sys.executable`` are forks, as are processes of multiprocessing."""
    monkeypatch.setattr(sys, "executable", str(template_of_programs))
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", os.fsencode(template_of_programs))


class Template:
    """Forks for each connection."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ, self._accept)

    def serve(self) -> tuple[Any, list[int]]:
        """Serve until killed; returns in a fork only, with what it is to run and its pipes."""
        while True:
            for key, _ in self._selector.select():
                if key.fd in self._selector.get_map():  # else an earlier event of this round has ended it
                    react: Callable[[], tuple[Any, list[int]] | None] = key.data
                    if (call := react()) is not None:
                        return call

    def _accept(self) -> tuple[Any, list[int]] | None:
        connection, _ = self._listening.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 16)
        child = os.fork()
        if child == 0:
            connection.close()
            self._listening.close()
            self._selector.close()
            return json.loads(message), descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        ended = os.pidfd_open(child)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._pass_on(child, connection))
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._end(child, ended, connection))
        return None

    def _pass_on(self, child: int, connection: socket.socket) -> None:
        """A signal for the fork; the end of the small program is one, too."""
        number = int(connection.recv(16) or signal.SIGKILL)
        os.kill(child, number)
        if number == signal.SIGKILL:
            self._selector.unregister(connection)

    def _end(self, child: int, ended: int, connection: socket.socket) -> None:
        _, status = os.waitpid(child, 0)
        self._selector.unregister(ended)
        os.close(ended)
        with suppress(KeyError):
            self._selector.unregister(connection)
        with suppress(OSError):  # the small program was killed
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        connection.close()


def become(call: Any, descriptors: list[int]) -> list[str]:
    """Take over the caller's folder, variables and descriptors; return its arguments."""
    arguments, folder, variables, numbers = call
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FAR) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    return list(map(str, arguments))


def run_program(arguments: list[str], own: list[str]) -> None:
    """Run a script as a Python of its own would, whose modules LRBench's are not."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "lrbench"]:
        del sys.modules[name]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [str(Path(arguments[0]).parent), *filter(None, given), *own]
    sys.argv = arguments
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    random.seed()
    runpy.run_path(arguments[0], run_name="__main__")


def run(arguments: list[str], own: list[str]) -> None:
    """Run what the arguments of a Python name: a module, a text or a script."""
    while arguments[0] in ("-u", "-B"):  # as torchrun and multiprocessing start theirs; the template has what they set
        del arguments[0]
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.path.insert(0, "")
        sys.modules["__main__"] = ModuleType("__main__")
        exec(arguments[1], vars(sys.modules["__main__"]))
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        run_program(arguments, own)


def main(address: str, program: str, kind: str) -> None:
    """Load what the processes load, then fork on call until killed."""
    for name in PRELOADED[kind]:
        __import__(name)
    sys.modules.pop("lrbench.engines.torch.worker", None)  # a fork runs it as __main__
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [place for place in sys.path[1:] if place not in given]
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has only one of the threads of its template"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(address)
    listening.listen(64)
    gc.freeze()  # a fork would copy and search all that memory when it ends
    os.write(1, b"ready\n")
    arguments = become(*Template(listening).serve())
    atexit._clear()  # of the modules that are loaded, which have nothing to end yet
    sys.executable = program
    try:
        run(arguments, own)
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        sys.stderr.write(f"{stop.code}\n" if isinstance(stop.code, str) else "")
    except BaseException:  # noqa: BLE001  as Python itself ends
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)  # to take PyTorch's modules apart takes half a second


if __name__ == "__main__":
    main(*sys.argv[1:])
