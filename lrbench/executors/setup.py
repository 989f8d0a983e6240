"""Preparation of an experiment's tasks: its data, engine, lanes and executor, checks, and the time it will take."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from lrbench.data import open_folder
from lrbench.engines.base import Engine
from lrbench.engines.names import is_own
from lrbench.engines.registry import check_engine_name, open_engine
from lrbench.engines.site import Site
from lrbench.errors import NetError, SpecError
from lrbench.executors.local import LocalExecutor
from lrbench.executors.plan import RunSlot, Task
from lrbench.runs.directory import RunDirectory, check_writable
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


def find_engine(experiment: Experiment, site: Site) -> Engine:
    """Return the engine that the spec names, started once to see that it works.

    Raises:
        EngineUnavailable: it is absent or broken on this machine.
    """
    engine = open_engine(experiment.settings.engine.name, site)
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
    policies = {task.run.effective_policy: task.job() for task in tasks}
    other_gpus = tasks[0].job_per_gpu()[1:] if tasks else []
    for job in (*policies.values(), *other_gpus):
        try:
            engine.check(job)
        except NetError as error:
            raise error.at(document.where(("workload", "net"))) from error
        except SpecError as error:
            raise error.at(document.where(("engine", "driver"))) from error


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


def sessions_at_once(engine: Engine, jobs: int, tell: Callable[[str], None]) -> int:
    """Return how many sessions may be open: ``jobs``, or one for an engine whose sessions share a process.

    Args:
        tell: called with a line if that is fewer than ``jobs``.
    """
    if engine.isolated or jobs == 1:
        return jobs
    tell(
        f"sessions one at a time, not {jobs}: this engine trains in LRBench's own process, where sessions would share "
        "random generators"
    )
    return 1


def make_executor(tasks: Sequence[Task], engine: Engine, jobs: int, tell: Callable[[str], None]) -> LocalExecutor:
    """Return the executor of an experiment's tasks, of which there is at least one.

    Raises:
        ResultsError: the results folder cannot be written.
    """
    check_writable(tasks[0].folder.parent)
    jobs = sessions_at_once(engine, min(jobs, len(tasks)), tell)
    undone = [task for task in tasks if not RunDirectory(task.folder).status().done]
    lanes = find_lanes(undone, engine, jobs, tell)
    devices = tasks[0].experiment.settings.engine.device_ids
    return LocalExecutor(engine, jobs, devices, lanes=lanes)


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

    Stopping rules and divergence can only make it less; sessions side by side are taken to be as fast as one alone.
    Of the lanes of a session one is evaluated at a time.

    Raises:
        EngineFailed: the engine refuses the net.
    """
    task = tasks[0]
    with tempfile.TemporaryDirectory(prefix="lrbench-estimate-") as folder:
        job = task.job(RunSlot(lanes=lanes), folder=Path(folder))
        timing = engine.time(job)
    evaluations = -(-job.iterations // job.test_interval)
    evaluating = evaluations * timing.evaluation_seconds * lanes
    one = job.iterations * timing.iteration_seconds + evaluating + timing.start_seconds
    return Estimate(one * -(-len(tasks) // (jobs * lanes)), 1 / timing.iteration_seconds, timing.evaluation_seconds)
