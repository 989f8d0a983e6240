"""``lrbench import``: Import the policy of a Caffe solver or a PyTorch scheduler."""

from __future__ import annotations

import math

import click

from lrbench.cli.options import iterations_option
from lrbench.errors import UsageError


@click.command("import")
@click.argument("source", metavar="FILE|TEXT")
@click.option("--rate", type=float, help="Learning rate of the optimizer, which PyTorch's schedulers multiply.")
@iterations_option()
@click.option(
    "--steps-per-epoch",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Iterations between two calls of the scheduler's step().",
)
@click.option(
    "--monitor",
    metavar="METRIC",
    help="Metric passed to ReduceLROnPlateau, such as test_loss.  [default: train_loss; with mode=max, accuracy]",
)
def import_(source: str, rate: float | None, iterations: int | None, steps_per_epoch: int, monitor: str | None) -> None:
    """Print the policy of a Caffe solver or a PyTorch scheduler.

    FILE is a solver.prototxt, or a file that torch.save wrote, with a scheduler's state_dict at any depth. TEXT is the
    call that makes a scheduler of torch.optim.lr_scheduler, with its numbers written out; nothing in it is executed.
    Assumptions, and the other settings of a solver, are printed on standard error.

    \b
    lrbench import solver.prototxt
    lrbench import "MultiStepLR(milestones=[30, 60], gamma=0.1)" --rate 0.1 --steps-per-epoch 600
    """
    from lrbench.importing import Given, import_policy

    if rate is not None and not (math.isfinite(rate) and rate >= 0):
        raise UsageError(
            f"is {rate}, but must be a finite number of at least 0", where="--rate", remedy="for example 0.1"
        )
    imported = import_policy(source, Given(rate, iterations, steps_per_epoch, monitor))
    if iterations is not None:
        imported.policy.check(iterations)
    for note in imported.notes:
        click.echo(f"note: {note}", err=True)
    if imported.solver:
        settings = ", ".join(f"{name}: {value}" for name, value in imported.solver.items())
        click.echo(f"note: for a spec, solver: {{{settings}}}", err=True)
    click.echo(imported.policy.text)
