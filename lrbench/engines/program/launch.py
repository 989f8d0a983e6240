"""Starting a program: as one process, or by a launcher as several, its ranks."""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

import lrbench.program
from lrbench.engines.base import ProgramJob
from lrbench.engines.program.ends import Ends
from lrbench.engines.program.log import BoundedLog
from lrbench.engines.program.processes import end_group
from lrbench.engines.site import Consent
from lrbench.errors import EngineFailed

START = Path(lrbench.program.__file__).parent / "start.py"
SHADOW = START.parent / "path"
LAUNCHERS: Mapping[str, Sequence[str]] = {"torchrun": ("-m", "torch.distributed.run", "--standalone")}
"""Words of each launcher behind those of the Python that starts it; its options follow, then the script."""
INHERITS_DESCRIPTORS = os.name == "posix"
MEETING_SECONDS = 0.2
HELLO_SECONDS = 5.0
LONGEST_HELLO = 1000
LOOPBACK = "127.0.0.1"


def start(job: ProgramJob, consent: Consent, log: BoundedLog) -> tuple[subprocess.Popen[bytes], Ends]:
    """Start the program's process, or its launcher, and return it with the channels to the program.

    Args:
        log: receives what its processes print.

    Raises:
        EngineFailed: the interpreter or the launcher cannot be started.
    """
    if consent.launcher or not INHERITS_DESCRIPTORS:
        return _start_and_meet(job, consent, log)
    return _start_with_descriptors(job, consent, log)


def _start_with_descriptors(job: ProgramJob, consent: Consent, log: BoundedLog) -> tuple[subprocess.Popen[bytes], Ends]:
    receiving, its_writing = os.pipe()
    its_reading, sending = os.pipe()
    ends = Ends([(Connection(receiving, writable=False), Connection(sending, readable=False))])
    words = [str(START), f"{its_reading},{its_writing}", *_program(job)]
    try:
        process = _popen([consent.python, *words], _environment(job, consent), job, (its_reading, its_writing))
    except BaseException:
        ends.close()
        raise
    finally:
        os.close(its_reading)
        os.close(its_writing)
    _follow(process, log)
    return process, ends


def _start_and_meet(job: ProgramJob, consent: Consent, log: BoundedLog) -> tuple[subprocess.Popen[bytes], Ends]:
    """Start the program or its launcher, which passes no descriptor on, and wait until every rank has connected.

    Ranks connect to a port of this machine, and show the secret that they find in their environment.
    """
    name, *options = consent.launcher or [consent.python]
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(MEETING_SECONDS)
        secret = secrets.token_hex(32)
        address = {"LRBENCH_CHANNEL": f"{server.getsockname()[1]}:{secret}", "PYTHON_EXEC": consent.python}
        place = "ranks" if consent.launcher else "port"
        words = [consent.python, *LAUNCHERS.get(name, ()), *options, str(START), place, *_program(job)]
        process = _popen(words, {**_environment(job, consent), **address}, job)
        _follow(process, log)
        met: dict[int, Connection] = {}
        try:
            count = 1
            while len(met) < count:
                if process.poll() is not None:
                    raise EngineFailed(
                        f"{name} ended with status {process.returncode} before the program began",
                        remedy=f"see {log.path}",
                    )
                met, count = _met(server, secret, met, count)
        except BaseException:
            for connection in met.values():
                connection.close()
            end_group(process.pid)
            process.wait()
            log.close()
            raise
    return process, Ends([(met[rank], met[rank]) for rank in range(count)])


def _met(
    server: socket.socket, secret: str, met: Mapping[int, Connection], count: int
) -> tuple[dict[int, Connection], int]:
    """Return the ranks that have connected, one more where one did just now, and how many there are."""
    try:
        line, _ = server.accept()
    except TimeoutError:
        return dict(met), count
    line.setblocking(True)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(line.detach())
    try:
        hello = orjson.loads(connection.recv_bytes(LONGEST_HELLO)) if connection.poll(HELLO_SECONDS) else {}
        if hmac.compare_digest(str(hello["secret"]).encode(), secret.encode()):
            return {**met, int(hello["rank"]): connection}, int(hello["ranks"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # of another program on this machine
        pass
    connection.close()
    return dict(met), count


def _follow(process: subprocess.Popen[bytes], log: BoundedLog) -> None:
    assert process.stdout is not None
    log.follow(process.stdout)


def _program(job: ProgramJob) -> list[str]:
    function = [] if job.function is None else [job.function] if job.carried is None else [job.function, "carried"]
    return [str(job.program), *function]


def _popen(
    command: Sequence[str], environment: Mapping[str, str], job: ProgramJob, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=job.program.parent,
            env=environment,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C is for LRBench, and the processes it starts end with its group
        )
    except OSError as error:
        raise EngineFailed(f"{command[0]} cannot be started: {error.strerror}") from error


def _environment(job: ProgramJob, consent: Consent) -> dict[str, str]:
    """The environment of the process: LRBench's own module first, and the threads and the GPUs of the run."""
    given = consent.environment
    path = os.pathsep.join(filter(None, (str(SHADOW), given.get("PYTHONPATH"))))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(job.threads))
    devices = job.engine.device_ids if consent.launcher else [job.device_id]
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, devices))} if len(job.engine.device_ids) > 1 else {}
    own = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "LRBENCH_PROGRAM": job.program.name}
    return {**given, **threads, **gpus, **own}
