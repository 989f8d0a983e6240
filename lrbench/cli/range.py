"""``lrbench range``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.choosing import Choosing, choosing_options, open_bench, progressing
from lrbench.cli.completion.candidates import solver_types

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment
    from lrbench.spec.model import SolverSettings
    from lrbench.tuning.bench import Bench
    from lrbench.tuning.range_test import RangeResult


@click.command()
@choosing_options
@click.option(
    "--solver",
    "solver_type",
    metavar="TYPE",
    shell_complete=solver_types,
    help="Test the spec's solvers of that type alone.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also draw loss and accuracy against the rate: .png, .svg or .pdf.",
)
def range(typed: Choosing, solver_type: str | None, plot: Path | None) -> int:
    """Find which learning rates are worth trying on the workload of SPEC.

    First a sweep, in which the rate rises while the net trains; then short runs at fixed rates, more of them where
    the ends of the range turn out to lie. The suggestion goes into the spec as search.rates. Policies of the spec are
    ignored, and it need not have any; its section `range` has bounds, lengths and seeds. The same command given again
    finds what is done. Exit code: 0, also where there is nothing to suggest; 1 a run failed, 2 usage or spec, 130
    interrupted.

    \b
    lrbench range configs/mnist_lenet.yaml -j 2 --plot range.png
    lrbench range configs/optimizers.yaml --solver Adam
    lrbench range configs/quickstart.yaml --set range.high=100 --set 'range.seeds=[0, 1]'
    """
    from lrbench.cli.output import show
    from lrbench.report.views.range import range_document
    from lrbench.tuning.range_test import range_test

    if plot is not None:
        _check_plot(plot)
    bench = _judged(open_bench(typed, lambda experiment: _check(experiment, solver_type)), solver_type)
    with progressing(bench) as told:
        found = [range_test(told, solver) for solver in _solvers(bench.experiment, solver_type)]
    heading = _heading(bench)
    show(range_document(found, heading), typed.form, typed.output)
    if plot is not None:
        from lrbench.report.range_plot import plot_range

        plot_range(found, heading, plot)
        click.echo(f"wrote {plot}", err=True)
    _say_next(found, bench.experiment, typed)
    return 0


def _check_plot(plot: Path) -> None:
    """Refuse, before the work, a file that cannot be drawn at its end."""
    from lrbench.cli.output import check_writable
    from lrbench.policies.picture import check_suffix

    check_suffix(plot)
    check_writable(plot, "--plot")


def _check(experiment: Experiment, solver_type: str | None) -> None:
    from lrbench.tuning.range_test import plan_for

    for solver in _solvers(experiment, solver_type):
        plan_for(experiment, solver)


def _solvers(experiment: Experiment, solver_type: str | None) -> list[SolverSettings]:
    """The spec's solvers of the type, all of them where none is named."""
    from lrbench.errors import UsageError

    solvers = experiment.settings.solver
    found = [solver for solver in solvers if solver_type in (None, solver.type)]
    if not found:
        there = ", ".join(dict.fromkeys(solver.type for solver in solvers))
        raise UsageError(
            f"--solver is {solver_type}, but the solvers of the spec are {there}",
            remedy="name one of those, or replace them all with --set solver=TYPE",
        )
    return found


def _judged(bench: Bench, solver_type: str | None) -> Bench:
    """The bench on few held-out images, its sweeps checked by the engine."""
    from lrbench.executors.preparing import check_tasks
    from lrbench.library.surroundings import home
    from lrbench.tuning.range_test import FEW_IMAGES, sweep_tasks

    judged = bench.judged_on_validation(home(), most=FEW_IMAGES)
    tasks = [task for solver in _solvers(bench.experiment, solver_type) for task in sweep_tasks(judged, solver)]
    check_tasks(tasks, bench.engine, bench.experiment)
    return judged


def _heading(bench: Bench) -> str:
    from lrbench.report.labels import workload_name

    workload = bench.experiment.workload
    return workload_name(
        {
            "net_name": workload.net_name,
            "dataset_name": bench.data.label,
            "batch_size": workload.batch_size,
            "iterations": workload.iterations,
        }
    )


def _say_next(found: list[RangeResult], experiment: Experiment, typed: Choosing) -> None:
    """What to type now, where one range serves: ``search.rates`` holds for all solvers of a spec."""
    from lrbench.report.next_commands import next_line, one_solver

    if len(found) != 1 or found[0].rates is None:
        return
    low, high = found[0].rates
    solvers = [solver.resolved() for solver in experiment.settings.solver]
    alone = one_solver(experiment.name, found[0].solver.resolved(), solvers)
    click.echo(next_line(typed.command("tune", *alone, f"search.rates=[{low:.10g}, {high:.10g}]")), err=True)
