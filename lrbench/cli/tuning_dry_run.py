"""``--dry-run`` of range, tune, compose and verify: count their runs and estimate the time; nothing is executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from lrbench.cli.dry_run import stored_time
from lrbench.cli.tuning_options import TuningOptions
from lrbench.executors.setup import check_engine
from lrbench.report.formats import counted
from lrbench.spec.experiment import read_experiment
from lrbench.spec.model import TuningSettings

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.planned import PlannedPart


def show_planned(options: TuningOptions, planned: Callable[[Experiment], Iterable[PlannedPart]]) -> int:
    """Print the parts of the command on standard output, their time on standard error; return the exit code.

    Args:
        planned: returns the parts; raises UsageError where the command would.

    Raises:
        UsageError: the spec is wrong.
    """
    experiment = read_experiment(options.spec, options.overrides, TuningSettings)
    check_engine(experiment)
    parts = list(planned(experiment))
    for part in parts:
        runs, length = counted(part.runs, "run", "runs"), counted(part.iterations, "iteration", "iterations")
        click.echo(f"{part.title}: {part.bound} {runs}, {length}")
    iterations, evaluations = sum(part.iterations for part in parts), sum(part.evaluations for part in parts)
    time = stored_time(experiment, options.results, iterations, evaluations, options.jobs or 1)
    click.echo(f"{iterations:,} iterations{time}", err=True)
    return 0
