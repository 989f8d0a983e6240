"""``lrbench run``: Run the experiment of a YAML spec."""

from __future__ import annotations

import collections
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import site
from lrbench.cli.consent import announce_program, program_options
from lrbench.cli.gpus import chosen_gpus, gpus_option, run_on_gpus
from lrbench.cli.notify import notify_option
from lrbench.cli.options import LOCAL, overrides_options, results_option, session_options, spec_argument
from lrbench.cli.output import how_to_resume, tell
from lrbench.cli.setup import open_executor, prepare_data
from lrbench.cli.tuning_options import TuningOptions
from lrbench.errors import Interrupted
from lrbench.report.formats import counted

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.executors.dispatcher import Dispatcher, Outcome
    from lrbench.executors.plan import Task


def _shard(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{text!r} is not I/N with 1 <= I <= N, such as 2/8")
    return int(found[1]), int(found[2])


@click.command()
@spec_argument
@session_options
@results_option
@overrides_options
@program_options
@gpus_option
@notify_option
@click.option("--shard", callback=_shard, metavar="I/N", help="Run only the I-th of N equal shares of the runs.")
@click.option("--dry-run", is_flag=True, help="List the runs in order and estimate their time, without training.")
def run(
    spec: Path,
    jobs: int | None,
    threads: int,
    executor: str,
    results: Path,
    overrides: Sequence[str],
    shard: tuple[int, int],
    dry_run: bool,
    consent: Consent | None,
    gpus: tuple[str, ...] | None,
) -> int:
    """Run the experiment that the YAML file SPEC describes.

    Finished runs are skipped and interrupted runs resume from their last snapshot, so the command can be interrupted
    and rerun at any time. Exit code: 0 if every run has an outcome (divergence is one), 1 if a run failed, 2 if the
    command line or the spec is wrong, 130 if interrupted.

    \b
    lrbench run configs/mnist_lenet.yaml -j 2
    lrbench run configs/cifar10_resnet32.yaml --gpus all
    lrbench run configs/mnist_lenet.yaml --set workload.iterations=2000 --set 'seeds=[0, 1, 2]' --dry-run
    """
    from lrbench.executors import plan
    from lrbench.executors.setup import (
        check_engine,
        check_tasks,
        find_data,
        find_engine,
        make_dispatcher,
        sessions_at_once,
        with_engine_version,
        with_stored_order,
    )
    from lrbench.runs.planned import write_planned
    from lrbench.spec.reading import read_experiment

    experiment = read_experiment(spec, overrides)
    check_engine(experiment)
    if shard != (1, 1) or gpus is not None:
        option = "--shard" if gpus is None else "--gpus"
        experiment.fixed_seeds(f"are added by the results of all runs, of which {option} makes a part")
    if gpus is not None:
        if dry_run:
            raise click.UsageError("--gpus trains; leave it out of a dry run")
        if executor != LOCAL:
            raise click.UsageError("--gpus is for this machine; --executor asks its cluster for GPUs by itself")
        options = TuningOptions(spec, jobs, threads, executor, results, tuple(overrides), consent=consent)
        return run_on_gpus(options.words("run"), chosen_gpus(gpus)[: len(experiment.runs)], shard)
    if dry_run:
        from lrbench.cli.dry_run import show_plan

        show_plan(experiment, results, shard, (executor, jobs, threads), consent)
        return 0
    place = open_executor(executor)
    trainer = find_engine(experiment, place, site(consent), threads, jobs)
    data = find_data(experiment, prepare_data)
    experiment = with_engine_version(with_stored_order(experiment, results, tell), trainer)
    tasks = plan.share(plan.tasks(experiment, data, results, threads), *shard)
    check_tasks(tasks, trainer, experiment)
    if not tasks:
        tell("this share contains no runs")
        return 0
    announce_program(experiment, data, consent)
    jobs = sessions_at_once(experiment, trainer, place, jobs, threads, tell, len(tasks))
    dispatcher = make_dispatcher(tasks, trainer, place, jobs, tell)
    write_planned(results / experiment.name, experiment.sure_run_ids(data))
    outcomes = _run(tasks, dispatcher)
    return _summary(outcomes, results / experiment.name)


def _run(tasks: list[Task], dispatcher: Dispatcher) -> list[Outcome]:
    from lrbench.api.added_seeds import run_tasks
    from lrbench.cli.progress import RunProgress

    with RunProgress(len(tasks)) as dispatcher.listener:
        try:
            return run_tasks(dispatcher, tasks, tell)
        except Interrupted as error:
            native = tasks[0].experiment.settings.engine.driver == "native"
            kept = "finished runs are kept, the others start over" if native else "completed work is kept"
            raise Interrupted(f"interrupted; {kept}", remedy=how_to_resume(sys.argv[1:])) from error


def _summary(outcomes: list[Outcome], folder: Path) -> int:
    from lrbench.report.formats import next_line

    counts = collections.Counter(outcome.status.status for outcome in outcomes)
    skipped = sum(outcome.how == "skipped" for outcome in outcomes)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    before = f" ({skipped} already done, skipped)" if skipped else ""
    click.echo(f"{counted(len(outcomes), 'run', 'runs')}: {parts}{before}", err=True)
    if counts["failed"] < len(outcomes):
        plots = shlex.join(["lrbench", "report", str(folder), "--plots", str(folder / "plots")])
        click.echo(next_line(plots), err=True)
    return 1 if counts["failed"] else 0
