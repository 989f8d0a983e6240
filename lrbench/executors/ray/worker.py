"""Worker: the actor on a node in which sessions are open, in a temporary folder of its own."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lrbench._version import __version__
from lrbench.data import Prepared
from lrbench.engines.base import (
    Engine,
    Job,
    LeftEarly,
    ProgramJob,
    Progress,
    Session,
    Timing,
)
from lrbench.engines.program.seal import KEY
from lrbench.engines.registry import open_engine
from lrbench.engines.site import Consent
from lrbench.errors import EngineFailed, EngineUnavailable, LRBenchError
from lrbench.executors.base import MakeSite
from lrbench.executors.bundles import Bundled
from lrbench.executors.plan import this_machine
from lrbench.executors.ray.answers import Beginning, EngineFacts, Measured, UnderWay
from lrbench.executors.ray.bundle import Returned, train_runs
from lrbench.executors.ray.folders import fast_parent, make_folder, remove_left_behind
from lrbench.executors.ray.transfer import Files, FolderChanges, received_data, take_files, write_piece
from lrbench.metrics.registry import METRICS
from lrbench.runner import failure_reason
from lrbench.runs.files import SNAPSHOTS
from lrbench.runs.usage import USAGE
from lrbench.sampling import sampled

Answer = TypeVar("Answer")
RECEIVED, PROGRAM = "received", "program"
"""Folder for what the driver sends; within it, the files of a program."""
NEWS_SECONDS = 1.0
"""The longest time that a call takes whose training goes on, so that another call can be answered."""


class _News:
    """News of a session that the driver does not have yet."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.notices: list[str] = []

    def taken(self) -> list[str]:
        notices, self.notices = self.notices, []
        return notices


@dataclass
class _Opened:
    """An open session; its calls are made on one thread, as a session is closed by the thread that opened it."""

    session: Session[Any]
    changes: FolderChanges
    thread: ThreadPoolExecutor
    news: _News
    training: Future[Measured] | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    resumed: bool = False
    sampling: bool = False


def answered(method: Callable[..., Answer]) -> Callable[..., Answer | Exception]:
    """Return errors of the method instead of raising them: Ray would wrap them, and takes others for its own."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Answer | Exception:
        try:
            return method(*arguments, **named)
        except (LRBenchError, LeftEarly) as error:
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - an engine's own, whose class the driver need not have
            return EngineFailed(failure_reason(error))

    return call


def _train(opened: _Opened, rates: NDArray[np.float64]) -> Measured:
    """Train and evaluate; a result whose loss is not finite comes with the usage, as no evaluation follows."""
    session, news = opened.session, opened.news
    result = session.train(rates)
    if not result.finite:
        return Measured(result, session.usage(), {}, session.resumable, news.taken())
    return Measured(result, None, {}, session.resumable, news.taken(), _evaluate(opened))


@answered
def _evaluate(opened: _Opened) -> Measured:
    session = opened.session
    result, usage = session.evaluate(), session.usage()
    return Measured(result, usage, opened.changes.of_logs(), session.resumable, opened.news.taken())


class Worker:
    """Opens sessions for one driver.

    Args:
        make_site: returns the facts about the node, and the consent for it.
        consent: as the user typed it at the driver.
        key: the key of the driver with which the snapshots of programs are sealed, so that every node takes them.
    """

    def __init__(self, make_site: MakeSite, consent: Consent | None, key: bytes | None) -> None:
        remove_left_behind()
        self._folder, self._lock = make_folder(Path(tempfile.gettempdir()))
        self._fast_folder, self._fast_lock = make_folder(fast_parent())
        site = make_site(consent)
        if site.consent is not None and key is not None:
            own = self._folder / "home"
            own.mkdir()
            write_piece(own / KEY, 0, key)
            (own / KEY).chmod(0o600)
            site = replace(site, consent=replace(site.consent, home=own))
        self._site = site
        self._engines: dict[str, Engine[Any]] = {}
        self._opened: dict[str, _Opened] = {}

    def begin(self, engine: str) -> Beginning:
        """Return what the driver has to know first; the engine is started once to see that it works."""
        import ray

        node, machine = ray.get_runtime_context().get_node_id(), this_machine(self._site.visible_gpus)
        try:
            found = self._engine(engine)
            return __version__, node, machine, EngineFacts(found.describe(), found.has_lanes)
        except LRBenchError as error:
            return __version__, node, machine, error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - as in ``answered``
            return __version__, node, machine, EngineUnavailable(failure_reason(error))

    @answered
    def check(self, engine: str, job: Job, *, resumable: bool) -> None:
        """Check the job by ``Engine.check``, or ``check_resumable``."""
        with self._trial(job) as own:
            found = self._engine(engine)
            (found.check_resumable if resumable else found.check)(own)

    @answered
    def time(self, engine: str, job: Job) -> Timing:
        """Return the answer of ``Engine.time``."""
        with self._trial(job) as own:
            return self._engine(engine).time(own)

    @answered
    def choose_lanes(self, engine: str, job: Job, most: int) -> tuple[int, str]:
        """Return the answer of ``Engine.choose_lanes``."""
        with self._trial(job) as own:
            return self._engine(engine).choose_lanes(own, most)

    @answered
    def find_data(self, data: Prepared, stamps: Mapping[str, tuple[int, int]]) -> Prepared | None:
        """Return the data set on this node: at the driver's path on a shared disk, or received before; else None."""
        return received_data(data, stamps, self._site.home)

    @answered
    def receive(self, path: str, offset: int, content: bytes) -> None:
        """Write a piece of a file into the folder for what is received."""
        write_piece(self._folder / RECEIVED / path, offset, content)

    @answered
    def keep_data(self, data: Prepared, stamps: Mapping[str, tuple[int, int]]) -> Prepared:
        """Put a data set that was received whole where every worker of this node finds it."""
        return take_files(self._folder / RECEIVED / data.sha256, data, stamps, self._site.home)

    @answered
    def train_bundle(self, engine: str, runs: Sequence[Bundled], metrics: Sequence[str]) -> list[Returned | None]:
        """Train whole runs, with these metrics of each evaluation."""
        if set(metrics) != set(METRICS):
            raise EngineFailed("other metrics are installed on this node")
        with tempfile.TemporaryDirectory(dir=self._fast_folder) as folder:
            return train_runs(self._engine(engine), runs, Path(folder))

    @answered
    def open(self, key: str, engine: str, job: Job) -> bool:
        """Open a session under a key of the driver's; return whether it can be resumed."""
        folder = self._folder / key
        folder.mkdir()
        news = _News()
        thread = ThreadPoolExecutor(1, thread_name_prefix=key)
        try:
            own = self._own(job, folder, news)
            session = thread.submit(self._engine(engine).open, own).result()
        except BaseException:
            thread.shutdown(wait=False)
            raise
        self._opened[key] = _Opened(session, FolderChanges(folder), thread, news)
        return session.resumable

    @answered
    def restore(self, key: str, snapshot: str, evaluations: int, usage: bytes | None) -> None:
        """Restore a snapshot, whose files were received under the key and its name, and the samples of the run."""
        opened = self._opened[key]
        folder = self._folder / RECEIVED / key / snapshot
        if usage is not None:
            write_piece(opened.changes.folder / USAGE, 0, usage)
        opened.resumed = True
        opened.thread.submit(opened.session.restore, folder, evaluations).result()
        shutil.rmtree(folder)

    @answered
    def train(self, key: str, rates: NDArray[np.float64]) -> Measured | UnderWay:
        """Train, and evaluate in the same call, since each call costs the driver a millisecond or two."""
        opened = self._opened[key]
        if not opened.sampling:
            opened.sampling = True
            sampling = sampled(opened.session, opened.changes.folder, resumed=opened.resumed)
            opened.stack.enter_context(sampling)
        opened.training = opened.thread.submit(_train, opened, np.array(rates))
        return self._wait(opened)

    @answered
    def wait(self, key: str) -> Measured | UnderWay:
        """Return the answer to ``train`` where that is at hand within ``NEWS_SECONDS``, else the news."""
        return self._wait(self._opened[key])

    def _wait(self, opened: _Opened) -> Measured | UnderWay:
        assert opened.training is not None
        if wait([opened.training], NEWS_SECONDS).done:
            return opened.training.result()
        return UnderWay(opened.news.progress, opened.news.taken())

    @answered
    def save(self, key: str, name: str) -> Files:
        """Save a snapshot; return its files, or their sizes where they are large, to be read in pieces."""
        opened = self._opened[key]
        folder = opened.changes.folder / SNAPSHOTS / name
        shutil.rmtree(folder, ignore_errors=True)
        opened.thread.submit(opened.session.save, folder).result()
        return Files.of(folder)

    @answered
    def read(self, key: str, name: str, file: str, offset: int, count: int) -> bytes:
        """Return a piece of a file of a snapshot."""
        with (self._opened[key].changes.folder / SNAPSHOTS / name / file).open("rb") as opened:
            opened.seek(offset)
            return opened.read(count)

    def abort(self, key: str) -> None:
        """End the session's processes."""
        if key in self._opened:
            self._opened[key].session.abort()

    @answered
    def close(self, key: str) -> Measured:
        """Close the session; return what its folder has that the driver's has not."""
        opened = self._opened.pop(key)
        try:
            opened.stack.close()
            opened.thread.submit(opened.session.close).result()
            return Measured(None, None, opened.changes.of_all(), opened.session.resumable, opened.news.taken())
        finally:
            opened.thread.shutdown(wait=False)
            shutil.rmtree(opened.changes.folder, ignore_errors=True)
            shutil.rmtree(self._folder / RECEIVED / key, ignore_errors=True)

    def _engine(self, name: str) -> Engine[Any]:
        if name not in self._engines:
            self._engines[name] = open_engine(name, self._site)
        return self._engines[name]

    def _own(self, job: Job, folder: Path, news: _News) -> Job:
        """Return the job as it is here, in a folder of this node."""

        def progressed(progress: Progress) -> None:
            news.progress = progress

        own = replace(job, folder=folder, on_progress=progressed, on_notice=lambda text: news.notices.append(text))
        if isinstance(own, ProgramJob):
            modules = self._folder / RECEIVED / PROGRAM
            program = modules / own.program.relative_to(own.module_folder)
            program.parent.mkdir(parents=True, exist_ok=True)
            return replace(own, program=program, module_folder=modules, spec_folder=modules)
        return own

    @contextmanager
    def _trial(self, job: Job) -> Iterator[Job]:
        """Yield the job in a folder that is deleted afterwards."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            yield self._own(job, Path(folder), _News())
