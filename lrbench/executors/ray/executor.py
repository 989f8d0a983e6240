"""Executor of sessions on a Ray cluster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lrbench._version import __version__
from lrbench.engines.base import Engine
from lrbench.engines.program.seal import read_key
from lrbench.engines.registry import check_engine_name, open_engine
from lrbench.engines.site import Consent, Site
from lrbench.errors import EngineUnavailable, LRBenchError
from lrbench.executors.base import Executor, MakeSite, Places
from lrbench.executors.local import SESSION_BYTES
from lrbench.executors.ray.answers import EngineFacts
from lrbench.executors.ray.cluster import (
    NODE_SECONDS,
    alive_nodes,
    check_resources,
    check_version,
    connect,
    has_resources,
    is_autoscaling,
)
from lrbench.executors.ray.engine import RayEngine
from lrbench.executors.ray.pool import FEWEST_PENDING, MOST_FAILED_STARTS, PATIENCE_SECONDS, Pool, no_room
from lrbench.executors.ray.worker import Worker
from lrbench.spec.experiment import Experiment
from lrbench.spec.sections import EngineSettings

Needs = tuple[str, str, int, int]
"""Needs of a kind of worker: engine, device, threads, lanes."""
LOG = logging.getLogger("lrbench")
NEW_NODE = "that has just started"
MOST_JOBS = 256
"""Sessions at a time where the user does not say; each has a thread on the driver."""


class RayExecutor(Executor):
    """Nodes of a Ray cluster, to which this process connects.

    Args:
        address: as for ``cluster.connect``.
        make_site: returns the facts about the machine that calls it; called on the nodes.
    """

    def __init__(self, address: str | None, make_site: MakeSite) -> None:
        connect(address)
        self.name = f"ray://{address}" if address else "ray"
        self._make_site = make_site
        self._pool: Pool | None = None
        self._needs: Needs | None = None
        self._consent: Consent | None = None
        self._key: bytes | None = None
        self._switching = threading.Lock()
        self._session: tuple[str, int] = "cpu", 1
        self._facts: EngineFacts | None = None
        self._expected = 1

    def check_room(self, settings: EngineSettings, threads: int) -> None:
        self._session = settings.device, threads
        check_resources(_needed(*self._session))

    def expect(self, sessions: int) -> None:
        self._expected = sessions

    def open_engine(self, name: str, site: Site) -> Engine:
        check_engine_name(name)
        local = open_engine(name, site) if name == "program" else None
        if site.consent is not None:
            self._consent = site.consent
            with suppress(OSError):  # the session says that it cannot be resumed
                self._key = read_key(site.home)
        return RayEngine(
            name,
            self._first_workers(name),
            local,
            lambda job: self._workers(name, job.engine.device, job.threads, job.lanes),
        )

    def suggest_jobs(self, experiment: Experiment, threads: int) -> tuple[int, str]:
        if is_autoscaling():
            return MOST_JOBS, "the cluster starts nodes as they are needed"
        needed = _needed(experiment.settings.engine.device, threads)
        nodes = alive_nodes()
        room = sum(
            int(min(node["Resources"].get(name, 0) // amount for name, amount in needed.items())) for node in nodes
        )
        return max(1, min(room, MOST_JOBS)), f"room on {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}"

    def places(self, settings: EngineSettings, jobs: int, lanes: int, threads: int) -> Places:
        pool = self._workers(settings.name, settings.device, threads, lanes)
        pool.resize(jobs)
        return pool

    def close(self) -> None:
        import ray

        if self._pool is not None:
            self._pool.close()
        ray.shutdown()

    def _workers(self, engine: str, device: str, threads: int, lanes: int) -> Pool:
        """Return the workers for an engine with these resources; those for others are ended, to make room."""
        with self._switching:
            needs = (engine, device, threads, lanes)
            if self._pool is None or self._needs != needs:
                if self._pool is not None:
                    self._pool.close()
                check_resources(_needed(device, threads))
                self._pool, self._needs, self._facts = self._make_pool(needs, {}), needs, None
            return self._pool

    def _make_pool(self, needs: Needs, started: Mapping[Any, Any]) -> Pool:
        return Pool(lambda: self._start(needs), _end, needs[-1], started)

    def _start(self, needs: Needs, node: str | None = None) -> tuple[Any, Any]:
        """Ask for a worker, on a node if one is named; return it with the reference of its first answer."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        engine, device, threads, lanes = needs
        needed = _needed(device, threads)
        place = {} if node is None else {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}

        actor = (
            ray.remote(Worker)
            .options(
                num_cpus=needed["CPU"],
                num_gpus=needed.get("GPU", 0),
                memory=needed["memory"],
                # Lanes wait for each other in their calls. Where there is one, its calls are taken by the main thread,
                # which Ray wakes 100 times a second otherwise.
                max_concurrency=1 if lanes == 1 else lanes + 1,
                **place,
            )
            .remote(self._make_site, self._consent, self._key)
        )
        return actor, actor.begin.remote(engine)  # type: ignore[attr-defined]

    def _first_workers(self, engine: str) -> EngineFacts:
        """Start a worker on every node, and return the facts about an engine, the same on all that answer in time.

        As many stay as sessions are expected, and a few more are asked for where nodes are fewer; the resources of the
        others are given back.

        Raises:
            EngineUnavailable: a node does not have it, or has no LRBench of this version.
        """
        needs = engine, *self._session, 1
        with self._switching:
            if self._pool is None or self._needs != needs or self._facts is None:
                if self._pool is not None:
                    self._pool.close()
                    self._pool = None
                started, self._facts = self._looked_at(needs)
                self._pool, self._needs = self._make_pool(needs, started), needs
            return self._facts

    def _looked_at(self, needs: Needs) -> tuple[Mapping[Any, Any], EngineFacts]:
        """Return the workers that stay by their answers, and the facts."""
        nodes = self._nodes(_needed(*needs[1:3]))
        started = {answer: (actor, name) for node, name in nodes for actor, answer in [self._start(needs, node)]}
        more = [self._start(needs) for _ in range(min(self._expected - len(nodes), FEWEST_PENDING))]
        facts = self._answers({answer: name for answer, (_, name) in started.items()}, NODE_SECONDS)
        if not facts:  # all are busy, or there is none yet
            for actor, _ in (*started.values(), *more):
                _end(actor)
            more = []
            actor, answer, facts = self._first_with_room(needs)
            started = {answer: (actor, NEW_NODE)}
        (first, expected), *others = facts.items()
        for answer, other in others:
            if other != expected:
                raise EngineUnavailable(
                    f"has the engine {needs[0]} as {dict(other.description)}, but node {started[first][1]} as "
                    f"{dict(expected.description)}",
                    where=f"node {started[answer][1]}",
                    remedy="install the same version on all nodes",
                )
        found = list(facts)[: self._expected]
        for answer, (actor, _) in started.items():
            if answer not in found:
                _end(actor)
        return {answer: started[answer][0] for answer in found} | {answer: actor for actor, answer in more}, expected

    def _first_with_room(self, needs: Needs) -> tuple[Any, Any, dict[Any, EngineFacts]]:
        """Return a worker of the first node with room, also of one that is started for it, its answer and the facts."""
        import ray

        for _ in range(MOST_FAILED_STARTS):
            actor, answer = self._start(needs)
            if not ray.wait([answer], timeout=PATIENCE_SECONDS)[0]:
                LOG.warning(no_room(PATIENCE_SECONDS))
            if facts := self._answers({answer: NEW_NODE}, None):
                return actor, answer, facts
        raise EngineUnavailable(f"{MOST_FAILED_STARTS} workers in a row were lost on the Ray cluster as they started")

    @staticmethod
    def _answers(nodes: Mapping[Any, str], seconds: float | None) -> dict[Any, EngineFacts]:
        """Return the facts by the answers that come in time, or with None by all; the first that refuses ends it.

        Workers that are lost meanwhile, as with their nodes, are left out.
        """
        import ray

        facts: dict[Any, EngineFacts] = {}
        deadline = None if seconds is None else time.monotonic() + seconds
        left = list(nodes)
        while left:
            found, left = ray.wait(left, timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            if not found:
                break
            known = _facts(found[0], nodes[found[0]])
            if known is not None:
                facts[found[0]] = known
        return facts

    def _nodes(self, needed: Mapping[str, float]) -> list[tuple[str | None, str]]:
        """Return the nodes that a session fits on, by id and in words; one without an id where there are none yet."""
        found: list[tuple[str | None, str]] = [
            (node["NodeID"], f"{node['NodeManagerHostname']} {node['NodeID'][:8]}")
            for node in alive_nodes()
            if has_resources(node, needed)
        ]
        if not found:  # an autoscaling cluster starts one
            check_resources(needed)
        return found or [(None, NEW_NODE)]


def _needed(device: str, threads: int) -> dict[str, float]:
    """Return what a session needs, by Ray's names for it."""
    return {"CPU": threads, "memory": SESSION_BYTES, **({"GPU": 1} if device == "gpu" else {})}


def _end(actor: Any) -> None:
    import ray

    with suppress(Exception):  # it has ended, or the connection has
        ray.kill(actor)


def _facts(reference: Any, node: str) -> EngineFacts | None:
    """Return the facts of a worker's first answer; None where it was lost before it could answer."""
    import ray

    try:
        version, *_, facts = ray.get(reference)
    except Exception as error:
        lost = (
            ray.exceptions.ActorDiedError,
            ray.exceptions.ActorUnavailableError,
            ray.exceptions.ActorUnschedulableError,
        )
        if isinstance(error, lost) and not getattr(error, "_actor_init_failed", False):
            return None
        last = str(error).strip().splitlines()[-1]
        raise EngineUnavailable(
            f"LRBench cannot be loaded there: {last}",
            where=f"node {node}",
            remedy=f"install lrbench {__version__} on every node, or in the cluster's runtime environment",
        ) from error
    check_version(version, node)
    if isinstance(facts, LRBenchError):
        raise facts.at(f"node {node}")
    found: EngineFacts = facts
    return found
