"""Load results for a command that shows them; what cannot be read is named on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.errors import plain
from lrbench.report.formats import different_targets

if TYPE_CHECKING:
    from lrbench.report.build import Report


def load_report(paths: Sequence[Path], metric: str | None, target: float | None) -> Report:
    """Read the runs at the paths; name on standard error what is left out or not counted.

    Args:
        metric: metric that ranks the policies; None: the objective of the runs' specs.
        target: target accuracy, a fraction, in place of that of the specs.

    Raises:
        UsageError: no such metric, a path that does not exist, or no run that can be read.
    """
    from lrbench.report.load import read_report

    report = read_report(paths, metric, target)
    for problem in report.problems:
        click.echo(f"left out: {plain(problem)}", err=True)
    for note in report.notes:
        click.echo(plain(note), err=True)
    for run in report.repeats:
        other = ", or rates of today's count of cycles" if run.rates == 1 else ""
        click.echo(f"not counted, another run has the same policy and seed{other}: {plain(run.where)}", err=True)
    return report


def say_different_targets(report: Report) -> None:
    """Name, on standard error, the workloads whose runs are to reach different accuracies."""
    for workload in report.workloads:
        if len(workload.targets) > 1:
            click.echo(f"{plain(workload.label)}: {different_targets(workload.targets)}", err=True)
