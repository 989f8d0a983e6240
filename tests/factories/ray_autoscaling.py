"""A real Ray cluster whose autoscaler starts and ends nodes, each of which is processes on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from postgresql_server import free_port
from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider

from factories.ray_cluster import SETTINGS, TESTS, RayProcesses, processes_of

HEAD = "ray.head.default"


class Provider(FakeMultiNodeProvider):
    """Ray's own provider for tests, for nodes that have memory: Ray refuses to take that as a resource of its node."""

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: Any, count: int, resources: dict[str, float], labels: Any
    ) -> None:
        given = {name: amount for name, amount in resources.items() if name != "memory"}
        super()._create_node_with_resources_and_labels(node_config, tags, count, given, labels)


class RayAutoscaling(RayProcesses):
    """A head without processors, which starts nodes with one as they are asked for; as ``RayCluster`` to its users.

    Args:
        most: largest number of nodes, those that are lost and not noticed yet among them.

    Attributes:
        address: HOST:PORT for ``--executor ray://HOST:PORT``.
        settings: environment variables of a driver.
    """

    def __init__(self, most: int) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp")))  # sockets need a short path
        self.settings: Mapping[str, str] = SETTINGS
        self.address = f"127.0.0.1:{free_port()}"
        configuration = self.folder / "autoscaler.json"
        configuration.write_text(json.dumps(_configuration(most, self.address)))
        environment = {
            **os.environ,
            **SETTINGS,
            "RAY_TMPDIR": str(self.folder),
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "AUTOSCALER_HEARTBEAT_TIMEOUT_S": "10",
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS))),
        }
        ports = {"port": self.address.split(":")[1], "ray-client-server-port": free_port(), "min-worker-port": 0}
        words = ["start", "--head", "--num-cpus=0", "--object-store-memory=80000000", "--include-dashboard=false"]
        words += [f"--{name}={number}" for name, number in {**ports, "max-worker-port": 0}.items()]
        words += ["--dashboard-agent-listen-port=0", f"--autoscaling-config={configuration}"]
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", *words], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            self.close()
            raise RuntimeError(f"the Ray cluster has not started: {done.stdout[-1000:]} {done.stderr[-1000:]}")

    def add(self, count: int) -> None:
        """Leave a lost node to the autoscaler."""

    def raylets(self) -> list[int]:
        """Process numbers of the nodes that live, without the head."""
        found = []
        for process in processes_of(self.folder):
            with suppress(psutil.Error):
                if process.name() == "raylet" and "--head" not in process.cmdline():
                    found.append(process.pid)
        return found


def _configuration(most: int, address: str) -> dict[str, Any]:
    """Return the autoscaler's configuration, which has to name every key."""
    node = {"CPU": 1, "memory": 2 << 30, "object_store_memory": 80 << 20}
    provider = {"type": "external", "module": "factories.ray_autoscaling.Provider", "gcs_address": address}
    lists = [f"{who}{what}" for who in ("", "head_", "worker_") for what in ("setup_commands", "start_ray_commands")]
    return {
        "cluster_name": "autoscaling",
        "max_workers": most,
        "provider": {
            **provider,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "node": {"resources": node, "node_config": {}, "min_workers": 0, "max_workers": most},
        },
        "head_node_type": HEAD,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.2,
        "file_mounts_sync_continuously": False,
        **{name: {} for name in ("docker", "auth", "head_node", "worker_nodes", "file_mounts")},
        **{name: [] for name in (*lists, "initialization_commands", "cluster_synced_files")},
        **{name: [] for name in ("rsync_exclude", "rsync_filter")},
    }
