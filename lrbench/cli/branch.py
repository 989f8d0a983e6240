"""``lrbench branch``: Train to several lengths at the cost of little more than the longest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lrbench.cli.from_runs import FromRunsOptions, from_runs_options, open_runs, train
from lrbench.cli.output import show

if TYPE_CHECKING:
    from lrbench.tuning.branching import CooldownShape


def _lengths(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words) or len(set(words)) < len(words):
        raise click.BadParameter(f"{text!r} is no list of different numbers of iterations, such as 2000,4000,8000")
    return tuple(sorted(map(int, words)))


@click.command()
@from_runs_options
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
def branch(options: FromRunsOptions, ends: tuple[int, ...], cooldown: float, shape: CooldownShape) -> int:
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
    from lrbench.report.labels import workload_label
    from lrbench.report.views.branch import branch_document
    from lrbench.tuning.branching import branches, results_by_length

    found, engine, executor = open_runs(options)
    tasks = branches(found, ends, cooldown, shape, options.threads)
    outcomes = train(tasks, engine, executor, options)
    experiment = found[0].experiment
    batch_size = getattr(experiment.workload, "batch_size", None)
    heading = workload_label(experiment.workload.net_name, found[0].data.label, batch_size, None)
    policies = " and ".join(dict.fromkeys(one.run.policy.text for one in found))
    lengths, objective = results_by_length(tasks, cooldown), experiment.settings.objective.resolved
    document = branch_document(lengths, objective, policies, heading, tasks[0].folder.parent)
    show(document, options.output_format, options.output)
    return 1 if any(outcome.status.status == "failed" for outcome in outcomes) else 0
