"""Connection to a Ray cluster, with every refusal in one line."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from lrbench._version import __version__
from lrbench.errors import EngineUnavailable, UsageError

REACH_SECONDS = 3.0
NODE_SECONDS = 8.0
"""Time in which a node that works has answered; one that is busy may take longer, and is left out of the checks."""
CLIENT = "ray://"


def connect(address: str | None) -> None:
    """Connect this process to a cluster.

    Args:
        address: HOST:PORT of a cluster that this machine is a node of, or of a cluster's client server; None: the
            cluster that this machine is a node of, or the one of ``RAY_ADDRESS``.

    Raises:
        UsageError: Ray is not installed, nothing answers there, or the versions of Ray or Python differ.
    """
    try:
        import ray
        from ray._private import services, worker
    except ImportError as error:
        raise UsageError(
            "--executor ray needs Ray, which is not installed", remedy="type: pip install 'lrbench[ray]'"
        ) from error
    where = f"--executor {CLIENT}{address}" if address else "--executor ray"
    given = address
    if given is None:
        try:
            given = services.canonicalize_bootstrap_address("auto")
        except (ConnectionError, ValueError) as error:
            raise UsageError(
                "this machine is not a node of a Ray cluster",
                where=where,
                remedy="start one with: ray start --head, or give an address: ray://HOST:PORT",
            ) from error
        if given is None:
            raise UsageError("RAY_ADDRESS is local, which is no cluster", where=where, remedy="give an address")
    target = given.removeprefix(CLIENT)
    _reach(target, where)
    joined = services.find_gcs_addresses()  # type: ignore[no-untyped-call]  # of the clusters of this machine
    is_client = given != target or (address is not None and target not in joined)
    if not is_client:  # Ray takes this machine's own address for localhost, and waits for minutes where nothing answers
        target = services.canonicalize_bootstrap_address(target) or target
        _reach(target, where)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=CLIENT + target if is_client else target,
            logging_level=logging.ERROR,
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:  # of many classes
        text = " ".join(str(error).split())
        if "ersion mismatch" in text or "mismatched" in text:
            raise UsageError(
                f"the cluster has another version of Ray or Python: {text}",
                where=where,
                remedy="use the same on all machines",
            ) from error
        slow = "Starting Ray client server failed" in text  # Ray waits 30 s for a server of this client's own
        raise UsageError(
            f"no Ray cluster can be joined there: {text}",
            where=where,
            remedy="the head is busy: type the command again" if slow else "check the address with: ray status",
        ) from error
    finally:
        worker.print_to_stdstream = _ignore  # it prints what happens to nodes on standard output, which is for data
        if threading.current_thread() is threading.main_thread():  # Ray would end the process, and lose its status
            signal.signal(signal.SIGTERM, handler)


def _ignore(*_news: object, **_more: object) -> None:
    """Take what Ray would print: a lost worker is no news for the user, as its runs go on."""


def _reach(address: str, where: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no HOST:PORT", where=where, remedy="such as ray://head:10001")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"nothing answers at {address}: {reason}", where=where, remedy="correct the address, or start the cluster"
        ) from error


def alive_nodes() -> list[Mapping[str, Any]]:
    """Return the nodes that live and can run anything."""
    import ray

    nodes: Sequence[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"] and node["Resources"].get("CPU")]


def check_resources(needed: Mapping[str, float]) -> None:
    """Raise UsageError where no node has these resources in all, unless the cluster makes nodes as they are asked for.

    Args:
        needed: amounts by Ray's names, the memory in bytes.
    """
    nodes = alive_nodes()
    if is_autoscaling() or any(has_resources(node, needed) for node in nodes):
        return
    most = {name: max((node["Resources"].get(name, 0) for node in nodes), default=0) for name in needed}
    raise UsageError(
        f"a session needs {_amounts(needed)}, but no node of the cluster has that; the most that one has: "
        f"{_amounts(most)}",
        where="--executor ray",
        remedy="add such a node, or lower --threads or set engine.device",
    )


def has_resources(node: Mapping[str, Any], needed: Mapping[str, float]) -> bool:
    """Whether a node has these resources in all, free or not."""
    return all(node["Resources"].get(name, 0) >= amount for name, amount in needed.items())


def _amounts(resources: Mapping[str, float]) -> str:
    return ", ".join(
        f"{amount / (1 << 30):.3g} GiB of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in resources.items()
        if amount or name == "CPU" or name == "GPU"
    )


def is_autoscaling() -> bool:
    """Whether the cluster starts nodes by itself; its nodes then have types, not names made of their ids."""
    from ray.experimental.internal_kv import _internal_kv_get

    content = _internal_kv_get("__autoscaling_status")
    report = json.loads(content).get("autoscaler_report") if content else None
    types = (report or {}).get("node_type_mapping") or {}
    return any(kind != f"node_{node}" for node, kind in types.items())


def check_version(version: str, node: str) -> None:
    """Raise EngineUnavailable where a node has another version of LRBench."""
    if version != __version__:
        raise EngineUnavailable(
            f"has LRBench {version}, this machine {__version__}",
            where=f"node {node}",
            remedy="install the same version on all machines, or in the cluster's runtime environment",
        )
