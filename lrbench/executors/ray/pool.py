"""Pool of workers on a Ray cluster: asked for as they are needed, and replaced where they are lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from lrbench.errors import EngineFailed, EngineUnavailable, Interrupted, LRBenchError
from lrbench.executors.base import Places
from lrbench.executors.plan import RunSlot

FEWEST_PENDING = 4
"""Workers that are asked for at a time beside as many as there are: an autoscaling cluster doubles what it has."""
WATCH_SECONDS = 0.2
PATIENCE_SECONDS = 30.0
"""Time without a worker after which a line says that one is waited for."""
MOST_FAILED_STARTS = 5


@dataclass(eq=False)
class Member:
    """A worker that has answered.

    Attributes:
        node: id of its node.
        free: lanes that no run has.
    """

    actor: Any
    node: str
    machine: Mapping[str, Any]
    free: int


class Pool(Places):
    """Workers of equal resources, each with a session of ``lanes`` runs.

    Args:
        start: asks the cluster for a worker, and returns it with the reference of its first answer.
        end: ends a worker.
        started: workers that were asked for before, by the references of their first answers.
    """

    def __init__(
        self,
        start: Callable[[], tuple[Any, Any]],
        end: Callable[[Any], None],
        lanes: int,
        started: Mapping[Any, Any] | None = None,
    ) -> None:
        self._start, self._end, self._lanes = start, end, lanes
        self._jobs, self.most = 1, lanes
        self._members: list[Member] = []
        self._seats: dict[int, Member] = {}
        self._pending: dict[Any, Any] = dict(started or {})
        self._numbers = count()
        self._urgent = self._failed_starts = 0
        self._error: LRBenchError | None = None
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, name="ray workers", daemon=True).start()

    def resize(self, jobs: int) -> None:
        """Set the largest number of workers, and end those beyond it that have no run."""
        with self._changed:
            self._jobs, self.most = jobs, jobs * self._lanes
            surplus = max(0, len(self._members) + len(self._pending) - jobs)
            for answer in list(self._pending)[:surplus]:
                self._end(self._pending.pop(answer))
                surplus -= 1
            for member in [member for member in self._members if member.free == self._lanes][:surplus]:
                self._members.remove(member)
                self._end(member.actor)

    def take(self) -> RunSlot | None:
        with self._changed:
            return None if self._urgent else self._take()

    def give(self, slot: RunSlot) -> None:
        with self._changed:
            member = self._seats.pop(slot.session, None)
            if member is not None:
                member.free += 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    def machine(self, slot: RunSlot) -> Mapping[str, Any]:
        return self.member(slot.session).machine

    def member(self, session: int, tell: Callable[[str], None] | None = None) -> Member:
        """Return the worker of a place; where that was lost, another as soon as there is one.

        Args:
            tell: called once, with a sentence, where there is none for ``PATIENCE_SECONDS``.
        """
        with self._changed:
            if session in self._seats:
                return self._seats[session]
            self._urgent += 1
            patient_until = time.monotonic() + PATIENCE_SECONDS
            try:
                while (slot := self._take()) is None:
                    self._changed.wait(WATCH_SECONDS)
                    if tell is not None and time.monotonic() > patient_until:
                        tell(no_room(PATIENCE_SECONDS))
                        tell = None
            finally:
                self._urgent -= 1
            member = self._seats[session] = self._seats.pop(slot.session)
            return member

    def borrow(self) -> RunSlot:
        """Take a place as soon as there is one."""
        number = next(self._numbers)
        self.member(number)
        return RunSlot(session=number, lanes=self._lanes)

    def lose(self, member: Member) -> None:
        """Give up a worker; the runs that it had get others when they ask for one."""
        with self._changed:
            if member in self._members:
                self._members.remove(member)
                self._end(member.actor)
            for session in [session for session, other in self._seats.items() if other is member]:
                del self._seats[session]
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._error = Interrupted("interrupted")
            self._changed.notify_all()

    def close(self) -> None:
        """End all workers."""
        with self._changed:
            self._closed = True
            for actor in (*self._pending.values(), *(member.actor for member in self._members)):
                self._end(actor)
            self._changed.notify_all()

    def _take(self) -> RunSlot | None:
        """Return a place of the worker with most room; ask for more workers where there is none."""
        if self._closed:
            raise EngineFailed("the workers have been ended")
        if self._error is not None:
            raise self._error
        member = max(self._members, key=lambda member: member.free, default=None)
        if member is None or not member.free:
            self._ask()
            return None
        member.free -= 1
        number = next(self._numbers)
        self._seats[number] = member
        return RunSlot(session=number, lanes=self._lanes)

    def _ask(self) -> None:
        ready, pending = len(self._members), len(self._pending)
        for _ in range(min(self._jobs - ready, max(FEWEST_PENDING, ready)) - pending):
            actor, answer = self._start()
            self._pending[answer] = actor
            self._changed.notify_all()

    def _watch(self) -> None:
        """Take in the workers that have started."""
        import ray

        while not self._closed:
            with self._changed:
                waiting = list(self._pending)
                if not waiting:
                    self._changed.wait()
                    continue
            try:
                started, _ = ray.wait(waiting, num_returns=1, timeout=WATCH_SECONDS)
            except Exception as error:  # noqa: BLE001 - the connection to the cluster is gone
                self._fail(EngineUnavailable(f"the connection to the Ray cluster is lost: {error}"))
                return
            for answer in started:
                self._admit(answer)

    def _admit(self, answer: Any) -> None:
        import ray

        try:
            found = ray.get(answer)
            *_, facts = found
            found = facts if isinstance(facts, LRBenchError) else found
        except Exception as error:  # noqa: BLE001 - its node is lost, or has no LRBench
            found = error
        with self._changed:
            actor = self._pending.pop(answer, None)
            if actor is None:  # it was ended meanwhile
                pass
            elif isinstance(found, Exception):
                self._failed_starts += 1
                if isinstance(found, LRBenchError):
                    self._error = found
                elif self._failed_starts >= MOST_FAILED_STARTS:
                    self._error = EngineUnavailable(f"workers cannot be started on the Ray cluster: {found}")
            elif not self._closed:
                self._failed_starts = 0
                _, node, machine, _ = found
                self._members.append(Member(actor, node, machine, self._lanes))
            self._changed.notify_all()

    def _fail(self, error: LRBenchError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()


def no_room(seconds: float) -> str:
    """Return the line of a command that has waited so long for a worker."""
    return f"waiting: no node of the cluster has had room for a worker for {seconds:g} s"
