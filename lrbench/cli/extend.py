"""``lrbench extend``: Train finished runs on, with several proposals of rates."""

from __future__ import annotations

import click

from lrbench.cli.from_runs import FromRunsOptions, from_runs_options, open_runs, train
from lrbench.cli.output import show


@click.command()
@from_runs_options
@click.option("--to", "end", required=True, type=click.IntRange(1), metavar="N", help="Iterations to train to.")
def extend(options: FromRunsOptions, end: int) -> int:
    """Train finished runs on, with several proposals of rates.

    Each RUN is the folder of a finished run; give those of every seed of its policy. It is trained on to N iterations
    in three ways: the rate climbs again to the run's largest one, to half of that, or not at all, and falls to 0 each
    time. All begin at the run's last snapshot, are ordinary runs of a composed policy in the experiment
    `<name>-extend`, and are ranked and tested against each other as by `lrbench report`. Exit code: 0, 1 if a run
    failed, 2 if the command line or a run is wrong, 130 if interrupted.

    \b
    lrbench extend results/quickstart/FIX_0.01-SGD-s0-1f2e3d4c5b --to 400
    lrbench extend results/mnist/COSDECAY* --to 20000 -j 2
    """
    from lrbench.report.load import read_report
    from lrbench.report.views.extend import extend_document
    from lrbench.tuning.extending import extensions

    found, engine, executor = open_runs(options)
    tasks, meaning = extensions(found, end, options.threads)
    outcomes = train(tasks, engine, executor, options)
    before, after = read_report([run.folder for run in found]), read_report([task.folder for task in tasks])
    show(extend_document(before, after, meaning), options.output_format, options.output)
    return 1 if any(outcome.status.status == "failed" for outcome in outcomes) else 0
