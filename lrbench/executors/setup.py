"""Preparation of an experiment's tasks: its data, engine, lanes and executor, checks, and the time it will take."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from lrbench.data import open_folder
from lrbench.engines.base import Engine, NetJob
from lrbench.engines.names import is_own
from lrbench.engines.registry import check_engine_name
from lrbench.engines.site import Site
from lrbench.errors import EngineUnavailable, NetError, SpecError, path_text
from lrbench.executors.base import Executor
from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.plan import RunSlot, Task
from lrbench.executors.prefixes import saved_iterations
from lrbench.metrics.objective import target_of
from lrbench.runs.directory import RunDirectory, check_writable
from lrbench.runs.files import RUN
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.model import DataFolders
from lrbench.spec.program import ProgramWorkload

Found = TypeVar("Found")


def check_engine(experiment: Experiment, *section: str) -> None:
    """Raise SpecError, with the spec's line, where there is no engine of that name; nothing is loaded for it.

    Args:
        section: of the spec, whose ``engine`` it is; the spec's own by default.
    """
    with experiment.document.placing(*section, "engine", "name"):
        check_engine_name(experiment.settings.engine.name)


def find_engine(
    experiment: Experiment, executor: Executor, site: Site, threads: int = 1, jobs: int | None = None
) -> Engine:
    """Return the engine that the spec names, started once to see that it works.

    Args:
        threads: processor threads of a session.
        jobs: sessions at a time, where the user says how many.

    Raises:
        UsageError: the executor has no room for a session.
        EngineUnavailable: it is absent or broken where its sessions run.
    """
    executor.check_room(experiment.settings.engine, threads)
    if jobs is not None:
        executor.expect(jobs)
    engine = executor.open_engine(experiment.settings.engine.name, site)
    engine.describe()
    return engine


def with_engine_version(experiment: Experiment, engine: Engine) -> Experiment:
    """Return the experiment with what else decides its runs' outcome in their ids.

    This is the version of an engine that another package brings, and the launcher of a program.

    Raises:
        EngineUnavailable: it is absent or broken on this machine.
    """
    if isinstance(experiment.workload, ProgramWorkload):
        version = engine.describe().get("launcher")
    else:
        version = None if is_own(experiment.settings.engine.name) else engine.describe().get("version")
    return replace(experiment, engine_version=None if version is None else str(version))


def with_stored_order(experiment: Experiment, results: Path, tell: Callable[[str], None]) -> Experiment:
    """Return the experiment with the order of the samples that its stored runs have, where the spec sets none.

    Runs of versions without a choice read the samples as stored, so that an experiment goes on as it began.

    Args:
        results: the results folder; the folders of the experiment's searches, ``<name>-tune`` and the like, count.
        tell: called with a line where stored runs decide.
    """
    if experiment.order == "as stored" or experiment.settings.workload.order is not None:
        return experiment
    folders = [results / experiment.name, *sorted(results.glob(f"{glob.escape(experiment.name)}-*"))]
    for folder in folders:
        first = _first_run(folder)
        description = None if first is None else RunDirectory(first).description
        if description is not None and description.order == "as stored":
            where = path_text(folder)
            tell(f"samples are read as stored, as by the runs in {where}; workload.order sets another order")
            return experiment.with_order("as stored")
    return experiment


def _first_run(folder: Path) -> Path | None:
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # there is no such folder
        return None
    return next((folder / name for name in names if (folder / name / RUN).exists()), None)


def with_version_if_known(experiment: Experiment, executor: Executor, site: Site) -> Experiment:
    """Return what ``with_engine_version`` does, for a reader of results: where the engine is absent, as it is.

    LRBench's own engines are not started for it.
    """
    if site.consent is not None or not is_own(experiment.settings.engine.name):
        with suppress(EngineUnavailable):
            return with_engine_version(experiment, find_engine(experiment, executor, site))
    return experiment


def find_data(experiment: Experiment, obtain: Callable[[str], Found]) -> Data | Found:
    """Return the user's own LMDB folders or program, or what ``obtain`` returns for a data set's name."""
    if isinstance(experiment.workload, ProgramWorkload):
        with experiment.document.placing("workload", "program"):
            return experiment.workload.source()
    dataset = experiment.workload.dataset
    with experiment.document.placing("workload", "dataset"):
        if isinstance(dataset, DataFolders):
            return open_folder(Path(dataset.train), Path(dataset.test), Path(dataset.mean) if dataset.mean else None)
        return obtain(dataset)


def check_tasks(tasks: Sequence[Task], engine: Engine, experiment: Experiment) -> None:
    """Let the engine check the tasks on every GPU; its errors get the spec's line."""
    check_lanes(engine, experiment)
    document = experiment.document
    with document.placing("solver", "momentum"):
        check_momenta(tasks, engine)
    policies = {task.run.effective_policy: task.job() for task in tasks}
    other_gpus = tasks[0].job_per_gpu()[1:] if tasks else []
    for job in (*policies.values(), *other_gpus):
        try:
            engine.check(job)
        except NetError as error:
            raise error.at(document.where(("workload", "net"))) from error
        except SpecError as error:
            raise error.at(document.where(("engine", "driver"))) from error


def check_momenta(tasks: Sequence[Task], engine: Engine) -> None:
    """Let the engine check every solver whose momentum is a policy.

    Raises:
        SpecError: it cannot set the momentum of each iteration.
    """
    jobs = {task.run.solver: task.job() for task in tasks if task.run.momentum_policy is not None}
    for job in jobs.values():
        assert isinstance(job, NetJob)
        engine.check_momentum(job)


def check_lanes(engine: Engine, experiment: Experiment) -> None:
    """Check that the engine has as many lanes as the spec sets.

    Raises:
        SpecError: it has none; with the spec's line.
    """
    settings = experiment.settings.engine
    if settings.lanes != 1 and not engine.has_lanes:
        with experiment.document.placing("engine", "lanes"):
            raise SpecError(
                f"the engine {settings.name} trains one run a session, so that engine.lanes can only be 1",
                remedy="leave it out and use -j, or set engine.name to torch",
            )


def find_lanes(
    tasks: Sequence[Task], engine: Engine, jobs: int, tell: Callable[[str], None], runs: int | None = None
) -> int:
    """Return the lanes of the spec, or the best number in trials of the first task if it sets ``auto``.

    Never more than leave each of ``jobs`` sessions with a run for each of its lanes.

    Args:
        tell: called with a line about the trials.
        runs: number of runs there will be; as many as the tasks by default.
    """
    if not tasks:
        return 1
    count = len(tasks) if runs is None else runs
    most = -(-count // jobs)
    wanted = tasks[0].experiment.settings.engine.lanes
    if wanted != "auto":
        return min(wanted, most)
    with tempfile.TemporaryDirectory(prefix="lrbench-lanes-") as folder:
        lanes, why = engine.choose_lanes(tasks[0].job(folder=Path(folder)), most)
    tell(f"lanes: {lanes}, as {why}")
    return lanes


def sessions_at_once(
    experiment: Experiment,
    engine: Engine,
    executor: Executor,
    jobs: int | None,
    threads: int,
    tell: Callable[[str], None],
    runs: int | None = None,
) -> int:
    """Return how many sessions to open at a time: ``jobs``, or as many as the executor suggests where that is None.

    One for an engine whose sessions share a process. Unless the user says otherwise, also one for a program, whose
    needs are not known, and where the outcome is decided by seconds, which sessions side by side would lengthen.

    Args:
        tell: called with a line that says how many where the user does not, or if it is fewer than ``jobs``.
        runs: number of runs there will be, for which no more sessions are suggested than the spec's lanes leave; None:
            it is not known.
    """
    if not engine.isolated and jobs != 1:
        sharing = "this engine trains in LRBench's own process, where sessions would share random generators"
        tell("sessions one at a time" + (f", not {jobs}" if jobs else "") + f": {sharing}")
        return 1
    if jobs is not None:
        return jobs
    if isinstance(experiment.workload, ProgramWorkload):
        suggested, why = 1, "a program"
    elif _in_seconds(experiment):
        suggested, why = 1, "judged by seconds"
    else:
        suggested, why = executor.suggest_jobs(experiment, threads)
        lanes = experiment.settings.engine.lanes
        enough = suggested if runs is None else max(1, runs if lanes == "auto" else -(-runs // lanes))
        if enough < suggested:
            suggested, why = enough, f"{runs} runs" if lanes in ("auto", 1) else f"{runs} runs in {lanes} lanes"
    each = "1 BLAS thread" if threads == 1 else f"{threads} BLAS threads"
    tell(f"sessions at a time: {suggested} ({why}), with {each} each; -j sets another number")
    return suggested


def _in_seconds(experiment: Experiment) -> bool:
    """Whether seconds decide which policy is better, or when a run ends."""
    settings = experiment.settings
    target = target_of(settings.aim)
    judged = [settings.objective.resolved, *([] if target is None else [target.metric])]
    return settings.stopping.max_train_seconds is not None or any(metric.unit == "seconds" for metric in judged)


def make_dispatcher(
    tasks: Sequence[Task], engine: Engine, executor: Executor, jobs: int, tell: Callable[[str], None]
) -> Dispatcher:
    """Return the dispatcher of an experiment's tasks, of which there is at least one.

    Raises:
        ResultsError: the results folder cannot be written.
    """
    check_writable(tasks[0].folder.parent)
    undone = [task for task in tasks if not RunDirectory(task.folder).status().done]
    jobs = max(1, min(jobs, len(undone)))
    lanes = find_lanes(undone, engine, jobs, tell)
    return Dispatcher(engine, executor.places(tasks[0].experiment.settings.engine, jobs, lanes, tasks[0].threads))


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of all runs, with the speed of one run."""

    seconds: float
    iterations_per_second: float
    evaluation_seconds: float

    @property
    def text(self) -> str:
        """The duration as days, hours, minutes and seconds."""
        return str(timedelta(seconds=round(self.seconds)))


def estimate(tasks: Sequence[Task], engine: Engine, jobs: int, lanes: int = 1) -> Estimate:
    """Estimate the duration of all tasks from a few passes of the first task's net, which train nothing.

    What they take over from another (``with_prefixes``) is neither trained nor evaluated again. Stopping rules and
    divergence can only make it less; sessions side by side are taken to be as fast as one alone. Of the lanes of a
    session one is evaluated at a time.

    Raises:
        EngineFailed: the engine refuses the net.
    """
    task = tasks[0]
    with tempfile.TemporaryDirectory(prefix="lrbench-estimate-") as folder:
        job = task.job(RunSlot(lanes=lanes), folder=Path(folder))
        timing = engine.time(job)
    evaluation = timing.evaluation_seconds * lanes
    evaluations = -(-job.iterations // job.test_interval)
    one = job.iterations * timing.iteration_seconds + evaluations * evaluation + timing.start_seconds
    whole = one * -(-len(tasks) // (jobs * lanes))
    shared = saved_iterations(tasks)
    spared = shared * timing.iteration_seconds + shared / job.test_interval * evaluation
    seconds = max(whole - spared / (jobs * lanes), one)
    return Estimate(seconds, 1 / timing.iteration_seconds, timing.evaluation_seconds)
