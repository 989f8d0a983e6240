"""The common part of the commands that train on from runs on disk: their options, their runs and their training."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.api.environment import site
from lrbench.cli.consent import announce_program, program_options
from lrbench.cli.notify import notify_option
from lrbench.cli.options import format_option, output_option, overrides_options, session_options
from lrbench.cli.output import how_to_resume, tell
from lrbench.cli.setup import open_executor, prepare_data
from lrbench.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from lrbench.engines.base import Engine
    from lrbench.engines.site import Consent
    from lrbench.executors.base import Executor
    from lrbench.executors.dispatcher import Outcome
    from lrbench.executors.plan import Task
    from lrbench.tuning.branching import StoredRun


@dataclass(frozen=True)
class FromRunsOptions:
    """Values of the options that ``from_runs_options`` adds to a command."""

    runs: tuple[Path, ...]
    spec: Path | None
    jobs: int | None
    threads: int
    executor: str
    overrides: tuple[str, ...]
    output_format: str
    output: Path | None
    consent: Consent | None = None


def from_runs_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the RUN arguments and the options of training, which it receives as ``options``."""

    @click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
    @click.option(
        "--spec",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="SPEC",
        help="Spec that the runs were made by, for a program or a net or data set of one's own.",
    )
    @session_options
    @overrides_options
    @program_options
    @notify_option
    @format_option()
    @output_option()
    @functools.wraps(command)
    def called(**given: Any) -> int:
        own = {field.name: given.pop(field.name) for field in fields(FromRunsOptions)}
        return command(options=FromRunsOptions(**own), **given)

    return called


def open_runs(options: FromRunsOptions) -> tuple[list[StoredRun], Engine, Executor]:
    """Return the runs of the command line with their experiments, the engine of the first, and the executor.

    Raises:
        UsageError: a folder is no run, its settings cannot be made out, or its engine or data are not at hand.
    """
    executor = open_executor(options.executor)
    found = [_open(folder.resolve(), options, executor) for folder in options.runs]
    return [run for run, _ in found], found[0][1], executor


def _open(folder: Path, options: FromRunsOptions, executor: Executor) -> tuple[StoredRun, Engine]:
    from lrbench.executors.setup import check_engine, find_data, find_engine, with_engine_version
    from lrbench.runs.description import read_description
    from lrbench.runs.files import DamagedRun
    from lrbench.spec.reading import read_experiment
    from lrbench.spec.stored import WITH_SPEC, experiment_of_run
    from lrbench.tuning.branching import StoredRun

    try:
        description = read_description(folder)
    except DamagedRun as error:
        remedy = "give the folder of a run, such as results/NAME/RUN"
        raise UsageError(error.message, where=str(folder), remedy=error.remedy or remedy) from error
    spec = options.spec
    experiment = experiment_of_run(description, folder) if spec is None else read_experiment(spec, options.overrides)
    experiment = experiment.with_order("by seed" if description.order == "by seed" else "as stored")
    check_engine(experiment)
    engine = find_engine(experiment, executor, site(options.consent), options.threads)
    data = find_data(experiment, prepare_data)
    experiment = with_engine_version(experiment, engine)
    for run in experiment.runs:
        if experiment.run_id(run, data) == description.run_id:
            return StoredRun(experiment, run, data, folder), engine
    remedy = WITH_SPEC if spec is None else "give the spec as it was when the run was made"
    what = "run.json does not say" if spec is None else f"{spec} does not have"
    raise UsageError(f"{what} all that decides the outcome of this run", where=str(folder), remedy=remedy)


def train(tasks: Sequence[Task], engine: Engine, executor: Executor, options: FromRunsOptions) -> list[Outcome]:
    """Train planned tasks, with their progress on standard error; after Ctrl-C, say how to resume.

    Raises:
        UsageError: the engine refuses a task, or nobody has consented to execute the program.
    """
    from lrbench.cli.progress import RunProgress
    from lrbench.executors.prefixes import run_planned
    from lrbench.executors.setup import check_tasks, make_dispatcher, sessions_at_once

    check_tasks(tasks, engine, tasks[0].experiment)
    announce_program(tasks[0].experiment, tasks[0].data, options.consent)
    jobs = sessions_at_once(tasks[0].experiment, engine, executor, options.jobs, options.threads, tell, len(tasks))
    dispatcher = make_dispatcher(tasks, engine, executor, jobs, tell)
    with RunProgress(len(tasks)) as dispatcher.listener:
        try:
            return run_planned(dispatcher, tasks)
        except Interrupted as error:
            raise Interrupted("interrupted; completed work is kept", remedy=how_to_resume(sys.argv[1:])) from error
