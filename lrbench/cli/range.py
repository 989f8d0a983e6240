"""``lrbench range``: Find a useful range of learning rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home
from lrbench.cli.completion.candidates import solver_types
from lrbench.cli.options import picture_option
from lrbench.cli.output import show
from lrbench.cli.tuning_options import (
    TuningOptions,
    open_bench,
    progressing,
    show_planned,
    tuning_options,
    workload_heading,
)
from lrbench.errors import UsageError

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment
    from lrbench.spec.model import SolverSettings
    from lrbench.spec.program import ProgramArguments
    from lrbench.tuning.range_test.result import RangeResult


@click.command()
@tuning_options
@click.option(
    "--solver",
    "solver_type",
    metavar="TYPE",
    shell_complete=solver_types,
    help="Test only the spec's solvers of this type.",
)
@picture_option("--plot", help="Also draw loss and objective against the learning rate")
def range(options: TuningOptions, solver_type: str | None, plot: Path | None) -> int:
    """Find a useful range of learning rates for the workload of SPEC.

    Runs a sweep, in which the rate rises during training, then short runs at fixed rates, more of them near the ends of
    the range. The suggested range can be set in the spec as search.rates. The spec's section `range` sets bounds,
    lengths and seeds; its policies are ignored and optional. Completed work is reused when the command is rerun. Exit
    code: 0, also if no range is suggested; 1 if a run failed, 2 if the command line or the spec is wrong, 130 if
    interrupted.

    \b
    lrbench range configs/mnist_lenet.yaml -j 2 --plot range.png
    lrbench range configs/optimizers.yaml --solver Adam
    lrbench range configs/quickstart.yaml --set range.high=100 --set 'range.seeds=[0, 1]'
    """
    from lrbench.executors.setup import check_tasks
    from lrbench.report.views.range import range_document
    from lrbench.tuning.range_test.plan import plan_for
    from lrbench.tuning.range_test.running import FEW_IMAGES, range_test, sweep_tasks

    def check(experiment: Experiment) -> None:
        for solver in _solvers(experiment, solver_type):
            plan_for(experiment, solver)

    if options.dry_run:
        from lrbench.tuning.planned import planned_range

        return show_planned(options, lambda experiment: [planned_range(experiment, _solvers(experiment, solver_type))])
    opened = open_bench(options, check)
    bench = opened.on_validation(home(), most=FEW_IMAGES)
    sweeps = [task for solver in _solvers(opened.experiment, solver_type) for task in sweep_tasks(bench, solver)]
    check_tasks(sweeps, opened.engine, opened.experiment)
    with progressing(bench) as told:
        found = [range_test(told, solver) for solver in _solvers(bench.experiment, solver_type)]
    heading = workload_heading(bench)
    document = range_document(found, heading, bench.experiment.workload.iterations)
    show(document, options.output_format, options.output)
    if plot is not None:
        from lrbench.report.figures.range import plot_range

        plot_range(found, heading, plot)
        click.echo(f"wrote {plot}", err=True)
    _say_next(found, bench.experiment, options)
    return 0


def _solvers(experiment: Experiment, solver_type: str | None) -> list[SolverSettings] | list[ProgramArguments]:
    """Return the spec's solvers of the type, or all of them without one; of a program its arguments."""
    from lrbench.spec.program import ProgramWorkload

    solvers = experiment.settings.solver
    if solver_type is not None and isinstance(experiment.workload, ProgramWorkload):
        raise UsageError(
            f"--solver is {solver_type}, but a program has an optimizer of its own, so that there is no solver",
            remedy="remove it; to test one value of an argument, set it with --set workload.arguments.NAME=VALUE",
        )
    found = [solver for solver in solvers if solver_type in (None, solver.type)]
    if not found:
        there = ", ".join(dict.fromkeys(solver.type for solver in solvers))
        raise UsageError(
            f"--solver is {solver_type}, but the solvers of the spec are {there}",
            remedy="name one of those, or replace them all with --set solver=TYPE",
        )
    return found


def _say_next(found: list[RangeResult], experiment: Experiment, options: TuningOptions) -> None:
    """Print the next command, if there is one range: ``search.rates`` applies to all solvers of a spec."""
    from lrbench.report.formats import next_line
    from lrbench.report.next_commands import one_solver

    if len(found) != 1 or found[0].search_rates is None:
        return
    low, high = found[0].search_rates
    solvers = [solver.resolved() for solver in experiment.settings.solver]
    alone = one_solver(experiment.name, found[0].solver.resolved(), solvers)
    click.echo(next_line(options.command("tune", *alone, f"search.rates=[{low:.10g}, {high:.10g}]")), err=True)
