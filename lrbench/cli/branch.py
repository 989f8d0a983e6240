"""``lrbench branch``: Train to several lengths at the cost of little more than the longest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import site
from lrbench.cli.consent import announce_program, program_options
from lrbench.cli.options import format_option, jobs_option, output_option, overrides_options, threads_option
from lrbench.cli.output import how_to_resume, show, tell
from lrbench.cli.setup import prepare_data
from lrbench.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from lrbench.engines.base import Engine
    from lrbench.engines.site import Consent
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.branching import CooldownShape, Stable


def _lengths(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words) or len(set(words)) < len(words):
        raise click.BadParameter(f"{text!r} is no list of different numbers of iterations, such as 2000,4000,8000")
    return tuple(sorted(map(int, words)))


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--at", "ends", required=True, metavar="N,N,...", callback=_lengths, help="Iterations at which runs end.")
@click.option(
    "--cooldown",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of each run in which its rate falls to 0.",
)
@click.option(
    "--shape",
    type=click.Choice(["linear", "sqrt", "cosine"]),
    default="linear",
    show_default=True,
    help="Shape of the cooldown.",
)
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="SPEC",
    help="Spec that the runs were made by, for a program or a net or data set of one's own.",
)
@jobs_option
@threads_option
@overrides_options
@program_options
@format_option()
@output_option()
def branch(
    runs: Sequence[Path],
    ends: Sequence[int],
    cooldown: float,
    shape: CooldownShape,
    spec: Path | None,
    jobs: int,
    threads: int,
    overrides: Sequence[str],
    consent: Consent | None,
    output_format: str,
    output: Path | None,
) -> int:
    """Train to several lengths at the cost of little more than the longest.

    Each RUN is the folder of a run with a stable rate, such as that of WARMUP(policy=FIX(k0=0.01), l=100). For each
    length, its rates are followed by a cooldown, in which the rate falls to 0. What the lengths have in common is
    trained once, or taken from the snapshots of RUN where it kept them (`snapshots: {keep: all}`). Each result is an
    ordinary run of the composed policy, in the experiment `<name>-branch`. Give the runs of several seeds for means.
    Exit code: 0, 1 if a run failed, 2 if the command line or a run is wrong, 130 if interrupted.

    \b
    lrbench branch results/stable/FIX_0.01-SGD-s0-1f2e3d4c5b --at 2000,4000,8000
    lrbench branch results/stable/* --at 1000,2000 --cooldown 0.4 --shape sqrt -j 2
    """
    from lrbench.cli.progress import RunProgress
    from lrbench.executors.prefixes import run_planned
    from lrbench.executors.setup import check_tasks, make_executor
    from lrbench.report.labels import workload_label
    from lrbench.report.views.branch import branch_document
    from lrbench.tuning.branching import branches, results_by_length

    found = [_stable(folder.resolve(), spec, overrides, consent) for folder in runs]
    stable, engine = found[0]
    tasks = branches([one for one, _ in found], ends, cooldown, shape, threads)
    check_tasks(tasks, engine, tasks[0].experiment)
    announce_program(stable.experiment, stable.data, consent)
    with RunProgress(len(tasks)) as listener:
        executor = make_executor(tasks, engine, jobs, tell)
        executor.listener = listener
        try:
            outcomes = run_planned(executor, tasks)
        except Interrupted as error:
            raise Interrupted("interrupted; completed work is kept", remedy=how_to_resume(sys.argv[1:])) from error
    workload = stable.experiment.workload
    heading = workload_label(workload.net_name, stable.data.label, getattr(workload, "batch_size", None), None)
    objective = stable.experiment.settings.objective.resolved
    policies = " and ".join(dict.fromkeys(one.run.policy.text for one, _ in found))
    lengths = results_by_length(tasks, cooldown)
    show(branch_document(lengths, objective, policies, heading, tasks[0].folder.parent), output_format, output)
    return 1 if any(outcome.status.status == "failed" for outcome in outcomes) else 0


def _stable(
    folder: Path, spec: Path | None, overrides: Sequence[str], consent: Consent | None
) -> tuple[Stable, Engine]:
    """Return the run to branch from and its engine; raise UsageError where its settings cannot be made out."""
    from lrbench.executors.setup import check_engine, find_data, find_engine, with_engine_version
    from lrbench.runs.description import read_description
    from lrbench.runs.files import DamagedRun
    from lrbench.spec.experiment import read_experiment
    from lrbench.spec.stored import WITH_SPEC, experiment_of_run
    from lrbench.tuning.branching import Stable

    try:
        description = read_description(folder)
    except DamagedRun as error:
        remedy = "give the folder of a run, such as results/NAME/RUN"
        raise UsageError(error.message, where=str(folder), remedy=error.remedy or remedy) from error
    experiment: Experiment
    experiment = experiment_of_run(description, folder) if spec is None else read_experiment(spec, overrides)
    check_engine(experiment)
    engine, data = find_engine(experiment, site(consent)), find_data(experiment, prepare_data)
    experiment = with_engine_version(experiment, engine)
    for run in experiment.runs:
        if experiment.run_id(run, data) == description.run_id:
            return Stable(experiment, run, data, folder), engine
    remedy = WITH_SPEC if spec is None else "give the spec as it was when the run was made"
    what = "run.json does not say" if spec is None else f"{spec} does not have"
    raise UsageError(f"{what} all that decides the outcome of this run", where=str(folder), remedy=remedy)
