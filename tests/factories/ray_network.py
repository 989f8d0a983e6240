"""A real Ray cluster on this machine whose nodes have a network of their own each, which can be cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from postgresql_server import free_port

from factories.ray_cluster import SETTINGS, TESTS, processes_of

BRIDGE = "lrbench0"
NETWORK = "10.77.{}.{}"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
START_SECONDS = 240
ALIVE = """
import sys
from ray._private.state import state
from ray._raylet import GcsClientOptions
state._initialize_global_state(GcsClientOptions.create(sys.argv[1], None, True, False))
print(*(node["NodeManagerAddress"] for node in state.node_table() if node["Alive"]))
"""


def missing() -> str | None:
    """Return why networks cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "making a network needs root"
    if shutil.which("ip") is None:
        return "there is no command ip (Debian's package iproute2)"
    try:
        _ip("netns", "add", f"{BRIDGE}-trial")
        _ip("netns", "delete", f"{BRIDGE}-trial")
    except subprocess.CalledProcessError as error:
        return f"networks cannot be made here: {error.stderr.strip()}"
    return None


class RayNetwork:
    """A head on a bridge, and nodes in network namespaces that are connected to it; as ``RayCluster`` to its users.

    Each node has its own mount of the folder that Ray keeps its sockets in, as on a machine of its own.

    Attributes:
        address: HOST:PORT for ``--executor ray://HOST:PORT``.
        settings: environment variables of a driver.
    """

    def __init__(self, nodes: int) -> None:
        self.settings: Mapping[str, str] = {
            name: value for name, value in SETTINGS.items() if name != "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
        }
        self.folder = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))  # sockets need a short path
        self._head_folder = self.folder / "head"
        self._environment = {
            **os.environ,
            **self.settings,
            "RAY_TMPDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS))),
        }
        self._count = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._names: dict[int, str] = {}
        self._third = os.getpid() % 250
        port = free_port()
        self.address = f"{self._host(1)}:{port}"
        try:
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("address", "add", f"{self._host(1)}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
            head = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"]
            self._start([], [*head, f"--temp-dir={self._head_folder}"], self._host(1))
            self._wait(self._host(1))
            self.add(nodes)
            self._wait(*(self._host(number + 1) for number in self._names))
        except BaseException:
            self.close()
            raise

    def add(self, count: int) -> None:
        """Start further nodes; they join some seconds later."""
        for _ in range(count):
            self._count += 1
            number, name = self._count, f"{BRIDGE}-{self._count}"
            own = self.folder / str(number)
            own.mkdir()
            _ip("netns", "add", name)
            self._names[number] = name
            _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", name, "master", BRIDGE, "up")
            _ip("-n", name, "address", "add", f"{self._host(number + 1)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
            mounted = f'mount --bind {own} {self._head_folder} && exec "$@"'
            inside = ["ip", "netns", "exec", name, "sh", "-c", mounted, "sh"]
            self._start(inside, [f"--address={self.address}", "--num-cpus=1"], self._host(number + 1))

    def raylets(self) -> list[int]:
        """Numbers of the nodes that are not cut off, the oldest first."""
        return list(self._names)

    def kill(self, number: int) -> None:
        """Cut the network of a node, whose processes go on."""
        _ip("link", "set", f"{BRIDGE}-{number}", "down")
        del self._names[number]

    def workers(self) -> list[int]:
        """Process numbers of LRBench's workers on nodes that are not cut off."""
        found = []
        for pid in (int(pid) for name in self._names.values() for pid in _ip("netns", "pids", name).split()):
            with suppress(psutil.Error, IndexError):
                if psutil.Process(pid).cmdline()[0].startswith("ray::Worker"):
                    found.append(pid)
        return found

    def close(self) -> None:
        """End every process of the cluster, and take its networks away."""
        names = [f"{BRIDGE}-{number}" for number in range(1, self._count + 1)]
        for name in names:  # also those that are cut off, whose processes may have another environment
            with suppress(subprocess.CalledProcessError):
                for pid in _ip("netns", "pids", name).split():
                    _kill(int(pid))
        for process in processes_of(self.folder):
            _kill(process.pid)
        for node in self._processes:
            node.wait()
        links = [("link", f"{BRIDGE}-{number}") for number in range(1, self._count + 1)]
        for kind, name in (*(("netns", name) for name in names), *links, ("link", BRIDGE)):
            with suppress(subprocess.CalledProcessError):
                _ip(kind, "delete", name)

    def _host(self, number: int) -> str:
        return NETWORK.format(self._third, number)

    def _start(self, inside: list[str], words: list[str], host: str) -> None:
        words = [*RAY, "start", *words, f"--node-ip-address={host}", "--object-store-memory=80000000", "--block"]
        with (self.folder / f"{host}.txt").open("w") as log:
            process = subprocess.Popen(
                [*inside, *words], env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            self._processes.append(process)

    def _wait(self, *hosts: str) -> None:
        """Wait until the cluster has these nodes."""
        end = time.monotonic() + START_SECONDS
        while not set(hosts) <= self._alive():
            if time.monotonic() > end:
                said = [path.read_text()[-1000:] for path in self.folder.glob("*.txt")]
                raise RuntimeError(f"the Ray nodes have not started: {said}")
            time.sleep(0.5)

    def _alive(self) -> set[str]:
        """The addresses of the cluster's nodes, the head among them; none before there is a head."""
        words = [sys.executable, "-c", ALIVE, self.address]
        done = subprocess.run(words, env=self._environment, capture_output=True, text=True, check=False, timeout=60)
        return set(done.stdout.split()) if done.returncode == 0 else set()


def _kill(pid: int) -> None:
    with suppress(psutil.Error):
        psutil.Process(pid).kill()


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
