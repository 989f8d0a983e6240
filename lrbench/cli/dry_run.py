"""``lrbench run --dry-run``: list the runs in order and estimate their time; nothing is written or downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home, site
from lrbench.cli.output import tell
from lrbench.cli.setup import open_executor
from lrbench.data import find_data_set, find_prepared
from lrbench.engines.names import is_own
from lrbench.errors import EngineUnavailable, plain
from lrbench.executors import plan
from lrbench.executors.prefixes import saved_iterations, with_prefixes
from lrbench.executors.setup import (
    check_tasks,
    estimate,
    find_data,
    find_engine,
    find_lanes,
    sessions_at_once,
    with_stored_order,
    with_version_if_known,
)
from lrbench.executors.stored_times import StoredTimes, stored_times, times_of_runs
from lrbench.nets import check_images
from lrbench.report.formats import counted
from lrbench.report.planned import planned_difference
from lrbench.runs.directory import RunDirectory
from lrbench.runs.status import Status
from lrbench.spec.program import ProgramWorkload
from lrbench.spec.seeds import AddedSeeds

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.executors.base import Executor
    from lrbench.executors.plan import Task
    from lrbench.spec.experiment import Experiment


def show_plan(
    experiment: Experiment,
    results: Path,
    shard: tuple[int, int],
    sessions: tuple[str, int | None, int],
    consent: Consent | None,
) -> None:
    """Print the runs with their status and folder on standard output, the estimates on standard error.

    Args:
        sessions: values of ``--executor``, ``--jobs`` and ``--threads``.

    Without the data set or the engine the runs are listed all the same, and a line says what to type.

    Raises:
        DataError: the data set is damaged, on which Caffe would abort when the time is measured.
        NetError: the net cannot be trained on these images, or by the engine.
    """
    executor_name, jobs, threads = sessions
    executor = open_executor(executor_name)
    data = find_data(experiment, lambda name: find_prepared(name, home()))
    if data is None:
        name = str(experiment.net_workload.dataset)
        shape, workload = find_data_set(name).shape, experiment.net_workload
        if shape is not None and is_own(experiment.settings.engine.name):
            with experiment.document.placing("workload", "net"):
                check_images(workload.net, shape, str(workload.net_path))
        for number, run in plan.share(list(enumerate(experiment.runs, start=1)), *shard):
            click.echo(f"{number:4}  {plain(run.label)}")
        click.echo(f"no estimate: the data set {name} is not prepared; type: lrbench data prepare {name}", err=True)
        return
    experiment = with_version_if_known(experiment, executor, site(consent))  # a line below the runs says where not
    experiment = with_stored_order(experiment, results, tell)
    every = plan.tasks(experiment, data, results, threads)
    tasks = plan.share(every, *shard)
    folder = results / experiment.name
    begun = set(os.listdir(folder)) if folder.is_dir() else set()
    statuses = [
        RunDirectory(task.folder).status() if task.folder.name in begun else Status("pending") for task in tasks
    ]
    lines = [
        f"{task.number:4}  {status.status:9}  {plain(task.label)}  ->  {plain(str(task.folder))}\n"
        for task, status in zip(tasks, statuses, strict=True)
    ]
    click.echo("".join(lines), nl=False)
    waiting = with_prefixes([task for task, status in zip(tasks, statuses, strict=True) if not status.done])
    known = times_of_runs([task.folder for task, status in zip(tasks, statuses, strict=True) if status.iteration])
    shared = saved_iterations(waiting)
    time = _time(waiting, shared, experiment, results, executor, jobs, known)
    click.echo(f"{len(waiting)} of {len(tasks)} runs to do{time}", err=True)
    if shared:
        whole = len(waiting) * experiment.workload.iterations
        click.echo(f"{shared:,} of their {whole:,} iterations are common to several runs, and trained once", err=True)
    if isinstance(seeds := experiment.settings.seeds, AddedSeeds):
        least = sum(task.run.seed < seeds.looks[0] for task in every)
        *first, last = seeds.looks[1:] or seeds.looks
        click.echo(
            f"at least {least} and at most {len(every)} runs: {seeds.looks[0]} seeds a policy, then "
            f"{', '.join(map(str, first))}{' and ' if first else ''}{last} where differences are not known",
            err=True,
        )
    shown = planned_difference(every, results)
    if shown is not None:
        click.echo(plain(shown), err=True)


def _time(
    waiting: list[Task],
    shared: int,
    experiment: Experiment,
    results: Path,
    executor: Executor,
    jobs: int | None,
    known: StoredTimes | None,
) -> str:
    if not waiting:
        return ""
    iterations, interval = experiment.workload.iterations, experiment.workload.test_interval
    count = len(waiting)
    amount = count * iterations - shared, count * -(-iterations // interval) - shared // interval
    if isinstance(experiment.workload, ProgramWorkload):
        return stored_time(experiment, results, *amount, min(jobs or 1, len(waiting)), known)
    try:
        if known is None:
            engine = find_engine(experiment, executor, site())
            check_tasks(waiting, engine, experiment)
        else:  # it is not started
            engine = executor.open_engine(experiment.settings.engine.name, site())
    except EngineUnavailable as error:
        return f"; no estimate: the engine cannot start on this machine: {error}"
    jobs = sessions_at_once(experiment, engine, executor, jobs, waiting[0].threads, tell, len(waiting))
    if known is not None:
        return stored_time(experiment, results, *amount, min(jobs, len(waiting)), known)
    lanes = find_lanes(waiting, engine, jobs, tell)
    found = estimate(waiting, engine, jobs, lanes)
    side_by_side = f"-j {jobs}" if lanes == 1 else f"-j {jobs} and {lanes} lanes"
    return (
        f"; about {found.text} with {side_by_side} "
        f"(measured: {found.iterations_per_second:.3g} iterations/s per run, "
        f"{found.evaluation_seconds:.3g} s per evaluation; weight updates not included)"
    )


def stored_time(
    experiment: Experiment,
    results: Path,
    iterations: int,
    evaluations: int,
    jobs: int,
    known: StoredTimes | None = None,
) -> str:
    """Return the end of a line: the time of so many iterations and evaluations by stored runs, or that none tells.

    Args:
        known: times of the experiment's own runs; None: those of any of its workload in the results folder count.
    """
    known, name = known or stored_times(results, experiment), experiment.workload.net_name
    if known is None:
        return f"; their time is not known: {plain(str(results))} has no run of {plain(name)} that tells"
    return (
        f"; about {known.text(iterations, evaluations, jobs)} with -j {jobs} "
        f"(by {counted(known.runs, 'stored run', 'stored runs')}: "
        f"{1 / max(known.iteration_seconds, 1e-9):.3g} iterations/s per run, {known.evaluation_seconds:.3g} s per "
        "evaluation; starts not included)"
    )
