"""Engine whose sessions are open in workers on a Ray cluster."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import (
    Engine,
    Job,
    NetJob,
    ProgramJob,
    Reported,
    Session,
    SessionLost,
    TestOutputs,
    Timing,
    TrainResult,
    Usage,
)
from lrbench.errors import EngineFailed, Interrupted
from lrbench.executors.bundles import Bundled, BundlingEngine
from lrbench.executors.plan import RunSlot
from lrbench.executors.ray.answers import EngineFacts, Measured, UnderWay
from lrbench.executors.ray.bundle import Returned
from lrbench.executors.ray.pool import Member, Pool
from lrbench.executors.ray.transfer import apply_changes, data_files, pieces, stamps_of
from lrbench.executors.ray.worker import NEWS_SECONDS, PROGRAM
from lrbench.metrics.registry import METRICS
from lrbench.runs.usage import USAGE

MOST_LOSSES = 5
"""Sessions of a run that may be lost in a row without an evaluation, before the run counts as failed."""


class RayEngine(BundlingEngine):
    """Opens the sessions of an engine in workers.

    Args:
        facts: about the engine on the nodes.
        local: the engine on this machine for programs, whose consent and earlier runs are looked at here.
        pool: returns the workers with the resources of a job.
    """

    isolated = True

    def __init__(
        self, name: str, facts: EngineFacts, local: Engine[ProgramJob] | None, pool: Callable[[Job], Pool]
    ) -> None:
        self._name, self._facts, self._local, self._pool = name, facts, local, pool
        self.has_lanes = facts.has_lanes
        self._losses: defaultdict[Path, int] = defaultdict(int)
        self._sent: dict[tuple[str, str], Any] = {}
        self._sending: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def describe(self) -> dict[str, Any]:
        return dict(self._facts.description)

    def check(self, job: Job) -> None:
        if self._local is not None and isinstance(job, ProgramJob):
            self._local.check(job)
        else:
            self._try(job, "check", resumable=False)

    def check_resumable(self, job: Job) -> None:
        self._try(job, "check", resumable=True)

    def choose_lanes(self, job: Job, most: int) -> tuple[int, str]:
        found: tuple[int, str] = self._try(job, "choose_lanes", most)
        return found

    def time(self, job: Job) -> Timing:
        found: Timing = self._try(job, "time")
        return found

    def open(self, job: Job) -> Session[Any]:
        """Open a session in the worker of the job's place, or in another one where that was lost.

        Raises:
            SessionLost: the worker was lost meanwhile.
            EngineFailed: sessions of this run are lost again and again.
        """
        return RaySession(self, job, self._pool(job))

    def train_bundle(self, runs: Sequence[Bundled], slot: RunSlot, stop: threading.Event) -> Sequence[Returned | None]:
        """Train runs of nets in the worker of a place, in another one where that is lost; none where it refuses."""
        import ray

        jobs = [run.job for run in runs]
        if not all(isinstance(job, NetJob) for job in jobs):
            return []
        pool = self._pool(jobs[0])
        for _ in range(MOST_LOSSES):
            member = pool.member(slot.session, jobs[0].on_notice)
            try:
                sent = [replace(run, job=self.prepared(run.job, member)) for run in runs]
                answer = member.actor.train_bundle.remote(self._name, sent, list(METRICS))
                while not ray.wait([answer], timeout=NEWS_SECONDS)[0]:
                    if stop.is_set():
                        raise Interrupted("interrupted")
                found: Sequence[Returned | None] | Exception = ray.get(answer)
                return [] if isinstance(found, Exception) else found
            except ray.exceptions.RayError:
                pool.lose(member)
        return []

    def prepared(self, job: Job, member: Member) -> Job:
        """Return the job with its data or its program's files at a worker."""
        engine = job.engine.model_copy(update={"device_ids": [0]})  # the GPU that Ray gives the worker is its first
        own = replace(job, engine=engine, device_id=0, session=0, on_progress=_nothing, on_notice=_nothing)
        if isinstance(own, NetJob):
            with self._sending[member.node]:
                key = member.node, own.data.sha256 + str(own.data.folder)
                if key not in self._sent:
                    self._sent[key] = self._send_data(own, member)
                return replace(own, data=self._sent[key])
        if isinstance(own, ProgramJob) and own.carried is None:
            for name in own.sources:
                for offset, piece in pieces(own.module_folder / name):
                    ask(member, "receive", f"{PROGRAM}/{name}", offset, piece)
        return own

    def _send_data(self, job: NetJob, member: Member) -> Any:
        stamps = stamps_of(job.data)
        found = ask(member, "find_data", job.data, stamps)
        if found is not None:
            return found
        for name, path in data_files(job.data).items():
            for offset, piece in pieces(path):
                ask(member, "receive", f"{job.data.sha256}/{name}", offset, piece)
        return ask(member, "keep_data", job.data, stamps)

    def lost(self, job: Job, pool: Pool, member: Member, error: Exception) -> EngineFailed:
        """Return what to raise for a session whose worker is lost."""
        pool.lose(member)
        self._losses[job.folder] += 1
        reason = f"the worker on node {member.machine['host']} was lost: {' '.join(str(error).split())[:300]}"
        if self._losses[job.folder] >= MOST_LOSSES:
            return EngineFailed(f"{MOST_LOSSES} sessions in a row were lost, the last one because {reason}")
        return SessionLost(reason)

    def got_on(self, job: Job) -> None:
        """Forget the losses of a run that has an evaluation more."""
        self._losses.pop(job.folder, None)

    def _try(self, job: Job, method: str, *arguments: Any, **named: Any) -> Any:
        """Ask any worker about a job, another one where that is lost meanwhile."""
        import ray

        pool = self._pool(job)
        while True:
            slot = pool.borrow()
            member = pool.member(slot.session)
            try:
                return ask(member, method, self._name, self.prepared(job, member), *arguments, **named)
            except ray.exceptions.RayError as error:
                failed = self.lost(job, pool, member, error)
                if not isinstance(failed, SessionLost):
                    raise failed from error
            finally:
                pool.give(slot)

    @property
    def name(self) -> str:
        """Name of the engine."""
        return self._name


def _nothing(*_news: Any) -> None:
    """Take news that are not wanted; unlike a lambda it is sent to workers by its name."""


def ask(member: Member, method: str, *arguments: Any, **named: Any) -> Any:
    """Return the answer of a worker; raise the error that it returns.

    Raises:
        RayError: the worker is lost.
    """
    import ray

    answer = ray.get(getattr(member.actor, method).remote(*arguments, **named))
    if isinstance(answer, Exception):
        raise answer
    return answer


class RaySession(Session[TestOutputs | Reported]):
    """Proxy of a session in a worker."""

    def __init__(self, engine: RayEngine, job: Job, pool: Pool) -> None:
        self._engine, self._job, self._pool = engine, job, pool
        self._key = secrets.token_hex(8)
        self._usage = Usage(0.0, 0)
        self._closed = False
        self._evaluation: Measured | Exception | None = None
        self._member = pool.member(job.session, job.on_notice)
        self.resumable = bool(self._call("open", engine.name, sent=lambda: engine.prepared(job, self._member)))

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        measured = self._measured("train", rates)
        assert isinstance(measured.result, TrainResult)
        self._evaluation = measured.evaluation
        return measured.result

    def evaluate(self) -> TestOutputs | Reported:
        """Return the evaluation that came with the training before it."""
        measured, self._evaluation = self._evaluation, None
        if isinstance(measured, Exception):
            raise measured
        assert measured is not None
        self._take(measured)
        assert isinstance(measured.result, TestOutputs | Reported)
        self._engine.got_on(self._job)
        return measured.result

    def save(self, folder: Path) -> None:
        name = folder.name
        files = self._call("save", name)
        files.write(folder, lambda file, offset, count: self._call("read", name, file, offset, count))

    def restore(self, folder: Path, evaluations: int) -> None:
        usage = self._job.folder / USAGE
        for path in filter(Path.is_file, folder.rglob("*")):
            place = f"{self._key}/{folder.name}/{path.relative_to(folder).as_posix()}"
            for offset, piece in pieces(path):
                self._call("receive", offset, piece, key=place)
        self._call("restore", folder.name, evaluations, usage.read_bytes() if usage.is_file() else None)

    def usage(self) -> Usage:
        return self._usage

    def abort(self) -> None:
        with suppress(Exception):  # the worker is gone
            self._member.actor.abort.remote(self._key)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(EngineFailed):  # a worker that is lost has nothing to close
            self._measured("close")

    def _measured(self, method: str, *arguments: Any) -> Measured:
        measured: Measured = self._call(method, *arguments)
        self._take(measured)
        return measured

    def _take(self, measured: Measured) -> None:
        """Keep what came with an answer: usage, files, notices."""
        self.resumable = measured.resumable
        for text in measured.notices:
            self._job.on_notice(text)
        if measured.usage is not None:
            self._usage = measured.usage
        apply_changes(measured.changes, self._job.folder)

    def _call(self, method: str, *arguments: Any, key: str | None = None, sent: Callable[[], Any] | None = None) -> Any:
        """Return the last answer of the worker; what the session tells before is passed on.

        Raises:
            SessionLost: the worker is lost.
        """
        import ray

        actor = self._member.actor
        try:
            more = () if sent is None else (sent(),)
            answer = ray.get(getattr(actor, method).remote(key or self._key, *arguments, *more))
            while isinstance(answer, UnderWay):
                self._pass_on(answer)
                answer = ray.get(actor.wait.remote(self._key))
        except ray.exceptions.RayError as error:
            self._closed = True
            raise self._engine.lost(self._job, self._pool, self._member, error) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _pass_on(self, news: UnderWay) -> None:
        if news.progress is not None:
            self._job.on_progress(news.progress)
        for text in news.notices:
            self._job.on_notice(text)
