"""A real Ray cluster of several nodes on this machine, in processes of its own, whose nodes can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

TESTS = Path(__file__).resolve().parent.parent
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray replaces 127.0.0.1 by the machine's address
    "RAY_health_check_period_ms": "1000",  # a lost node is noticed after seconds, also where the machine is busy
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
    "RAY_health_check_initial_delay_ms": "1000",
}
SERVER = """
import sys, time
from ray._private import services
from ray.cluster_utils import Cluster
get_node = services.get_node
def patient(*of_node):  # Ray gives a node 30 s to start, which is not enough on a busy machine
    for _ in range(600):
        try:
            return get_node(*of_node)
        except RuntimeError:
            time.sleep(1)
    return get_node(*of_node)
services.get_node = patient
common = dict(node_ip_address="127.0.0.1", include_dashboard=False, object_store_memory=80 << 20)
head = dict(num_cpus=0, **common)
if sys.argv[3] != "0":
    head["ray_client_server_port"] = int(sys.argv[3])
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = []
def add(count):
    nodes.extend(cluster.add_node(wait=False, num_cpus=int(sys.argv[2]), **common) for _ in range(count))
add(int(sys.argv[1]))
cluster.wait_for_nodes(timeout=600)
print("address", cluster.address, flush=True)
for line in sys.stdin:
    word, *rest = line.split()
    if word == "add":
        add(int(rest[0]))
    print("pids", *(node.all_processes["raylet"][0].process.pid for node in nodes), flush=True)
"""


class Cluster(Protocol):
    """A cluster on this machine whose nodes can be lost.

    Attributes:
        address: HOST:PORT for ``--executor ray://HOST:PORT``.
        settings: environment variables of a driver.
    """

    address: str
    settings: Mapping[str, str]

    def add(self, count: int) -> None:
        """Start further nodes; they join some seconds later."""

    def raylets(self) -> list[int]:
        """Numbers of the nodes that live, the oldest first."""

    def kill(self, raylet: int, /) -> None:
        """Lose a node."""

    def workers(self) -> list[int]:
        """Process numbers of LRBench's workers."""


class RayProcesses:
    """The processes of a cluster on this machine.

    Args:
        folder: temporary folder of the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kill(self, raylet: int) -> None:
        """Kill a node with all that runs on it, as when a machine loses its power."""
        doomed = [psutil.Process(raylet)]
        with suppress(psutil.Error):
            doomed += doomed[0].children(recursive=True)
        for process in doomed:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)

    def workers(self) -> list[int]:
        """Process numbers of LRBench's workers."""
        found = []
        for process in processes_of(self.folder):
            with suppress(psutil.Error):
                if process.cmdline()[0].startswith("ray::Worker"):
                    found.append(process.pid)
        return found

    def close(self) -> None:
        """End every process of the cluster."""
        for process in processes_of(self.folder):
            with suppress(psutil.Error):
                process.kill()


class RayCluster(RayProcesses):
    """A head without processors and nodes with some, which have a temporary folder of their own.

    Args:
        path: folders of further modules that the nodes can import.
        client_port: port of a client server for drivers that are no node; 0: there is none.

    Attributes:
        address: HOST:PORT for ``--executor ray://HOST:PORT``; ``client_address`` is that of the client server.
        settings: environment variables of a driver.
    """

    def __init__(self, nodes: int, cpus: int = 1, path: Sequence[Path] = (), client_port: int = 0) -> None:
        self.settings: Mapping[str, str] = SETTINGS
        super().__init__(Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp")))  # sockets need a short path
        (self.folder / "ray").mkdir()
        (self.folder / "nodes").mkdir()
        environment = {
            **os.environ,
            **SETTINGS,
            "RAY_TMPDIR": str(self.folder),
            "TMPDIR": str(self.folder / "nodes"),
            "PYTHONPATH": os.pathsep.join(map(str, (*path, TESTS.parent, TESTS))),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(nodes), str(cpus), str(client_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "stderr.txt").open("w"),
            env=environment,
            text=True,
            start_new_session=True,
        )
        self.address = self._answer("address")[0]
        self.client_address = f"127.0.0.1:{client_port}"

    def add(self, count: int) -> None:
        """Start further nodes; they join some seconds later."""
        self._say(f"add {count}")

    def raylets(self) -> list[int]:
        """Process numbers of the nodes that live, the oldest first."""
        return [int(pid) for pid in self._say("pids") if _lives(int(pid))]

    def close(self) -> None:
        """End every process of the cluster."""
        with suppress(OSError):
            self._server.kill()
        super().close()
        self._server.wait()
        for stream in (self._server.stdin, self._server.stdout):
            assert stream is not None
            stream.close()

    def _say(self, line: str) -> list[str]:
        assert self._server.stdin is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        return self._answer("pids")

    def _answer(self, word: str) -> list[str]:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            first, *rest = line.split() or [""]
            if first == word:
                return rest
        self.close()
        raise RuntimeError(f"the Ray cluster has ended: {(self.folder / 'stderr.txt').read_text()[-2000:]}")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes of the cluster whose temporary folder that is."""
    mark = f"RAY_TMPDIR={folder}".encode()
    found = []
    for process in psutil.process_iter():
        with suppress(OSError):
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process)
    return found


def _lives(pid: int) -> bool:
    with suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
