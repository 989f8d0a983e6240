"""``lrbench range``."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lrbench.spec.model import SolverSettings
    from lrbench.tuning.bench import Bench
    from lrbench.tuning.range_test import RangeResult


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs side by side.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="BLAS threads of each run.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True,
              help="Folder that holds one folder an experiment; the test's runs go to NAME-range there.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Override a value of the spec, such as range.high=100; may be repeated.")
@click.option("--engine", metavar="NAME", help="caffe or torch; the same as --set engine.name=NAME.")
@click.option("--solver", "solver_type", metavar="TYPE", help="Test the spec's solvers of that type alone.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE",
              help="Also draw loss and accuracy against the rate: .png, .svg or .pdf.")
def range(spec: Path, jobs: int, threads: int, results: Path, overrides: Sequence[str], engine: str | None,
             solver_type: str | None, form: str, output: Path | None, plot: Path | None) -> int:
    """Find which learning rates are worth trying on the workload of SPEC.

    First a sweep, in which the rate rises while the net trains; then short runs at fixed rates, more of them where
    the ends of the range turn out to lie. The suggestion goes into the spec as search.rates. Policies of the spec are
    ignored, and it need not have any; its section `range` has bounds, lengths and seeds. The same command given again
    finds what is done. Exit code: 0, also where there is nothing to suggest; 1 a run failed, 2 usage or spec, 130
    interrupted.

    \b
    lrbench range configs/mnist_lenet.yaml -j 2 --plot range.png
    lrbench range configs/optimizers.yaml --solver Adam
    """
    overrides = [*overrides, f"engine.name={engine}"] if engine else list(overrides)
    _check_files(output, plot)
    bench, solvers = _bench(spec, overrides, results, solver_type, jobs, threads)
    found = _run(bench, solvers)
    heading = _heading(bench)
    _show(found, heading, form, output)
    if plot is not None:
        from lrbench.report.range_plot import plot_range

        plot_range(found, heading, plot)
        click.echo(f"wrote {plot}", err=True)
    _say_next(found, spec)
    return 0


def _check_files(output: Path | None, plot: Path | None) -> None:
    """Refuse, before the work, files that cannot be written at its end."""
    from lrbench.cli.output import check_writable

    if output is not None:
        check_writable(output)
    if plot is not None:
        from lrbench.report.range_plot import check_suffix

        check_suffix(plot)
        check_writable(plot, "--plot")


def _bench(spec: Path, overrides: Sequence[str], results: Path, solver_type: str | None, jobs: int,
           threads: int) -> tuple[Bench, list[SolverSettings]]:
    """What the test is done with, all of it checked."""
    from lrbench.cli.home import home
    from lrbench.cli.run import check_tasks, find_data, find_engine, prepare_data
    from lrbench.engines.registry import check_engine_name
    from lrbench.runs.directory import check_writable
    from lrbench.spec.experiment import read_experiment
    from lrbench.spec.model import ChoosingSettings
    from lrbench.tuning.bench import Bench
    from lrbench.tuning.range_test import FEW_IMAGES, plan_for, sweep_tasks

    experiment = read_experiment(spec, overrides, ChoosingSettings)
    with experiment.document.placing("engine", "name"):
        check_engine_name(experiment.settings.engine.name)
    solvers = _solvers(experiment.settings.solver, solver_type)
    for solver in solvers:
        plan_for(experiment, solver)  # bounds that do not fit are refused before data are prepared
    trainer, data = find_engine(experiment), find_data(experiment, prepare_data)
    experiment.check_data(data)
    bench = Bench(experiment, data, trainer, results, jobs, threads).judged_on_validation(home(), most=FEW_IMAGES)
    tasks = [task for solver in solvers for task in sweep_tasks(bench, solver)]
    check_tasks(tasks, trainer, experiment)
    check_writable(tasks[0].folder.parent)
    return bench, solvers


def _solvers(solvers: list[SolverSettings], solver_type: str | None) -> list[SolverSettings]:
    """Those of the type, all of them where none is named."""
    from lrbench.errors import UsageError

    found = [solver for solver in solvers if solver_type in (None, solver.type)]
    if not found:
        there = ", ".join(dict.fromkeys(solver.type for solver in solvers))
        raise UsageError(f"--solver is {solver_type}, but the solvers of the spec are {there}",
                         remedy="name one of those, or replace them all with --set solver=TYPE")
    return found


def _run(bench: Bench, solvers: list[SolverSettings]) -> list[RangeResult]:
    from dataclasses import replace

    from lrbench.cli.progress import RunProgress
    from lrbench.errors import Interrupted
    from lrbench.tuning.range_test import range_test

    with RunProgress() as listener:
        told = replace(bench, listener=listener)
        try:
            return [range_test(told, solver) for solver in solvers]
        except Interrupted as error:
            again = shlex.join(["lrbench", *sys.argv[1:]])
            raise Interrupted("interrupted; what was done is kept", remedy=f"to go on, type: {again}") from error


def _heading(bench: Bench) -> str:
    from lrbench.report.labels import workload_name

    workload = bench.experiment.workload
    return workload_name({"net_name": workload.net_name, "dataset_name": bench.data.label,
                          "batch_size": workload.batch_size, "iterations": workload.iterations})


def _show(found: list[RangeResult], heading: str, form: str, output: Path | None) -> None:
    from lrbench.cli.output import write_output

    if form == "json":
        from lrbench.report.range_export import range_json

        write_output(range_json(found, heading), output)
        return
    from lrbench.report.range_table import range_text
    from lrbench.report.style import for_terminal
    from lrbench.report.table import WIDTH

    style = for_terminal(shutil.get_terminal_size((WIDTH, 24)).columns)
    write_output(range_text(found, heading, style).encode(), output)


def _say_next(found: list[RangeResult], spec: Path) -> None:
    """What to type now, where one range serves: ``search.rates`` holds for all solvers of a spec."""
    if len(found) == 1 and found[0].rates is not None:
        low, high = found[0].rates
        again = shlex.join(["lrbench", "tune", str(spec), "--set", f"search.rates=[{low:.10g}, {high:.10g}]"])
        click.echo(f"next: {again}", err=True)
