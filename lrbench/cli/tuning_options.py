"""The common part of range, tune, compose and verify: their options, their bench, and their progress."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.api.environment import home, site
from lrbench.cli.consent import announce_program, program_options
from lrbench.cli.notify import notify_option
from lrbench.cli.options import (
    LOCAL,
    RESULTS,
    format_option,
    output_option,
    overrides_options,
    results_option,
    session_options,
    spec_argument,
)
from lrbench.cli.output import how_to_resume, tell
from lrbench.cli.setup import open_executor, prepare_data
from lrbench.errors import Interrupted
from lrbench.report.render import FOR_TERMINALS

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.planned import PlannedPart
    from lrbench.tuning.space import Space
    from lrbench.tuning.trial_runner import TrialRunner


@dataclass(frozen=True)
class TuningOptions:
    """Values of the options that ``tuning_options`` adds to a command."""

    spec: Path
    jobs: int | None
    threads: int
    executor: str
    results: Path
    overrides: tuple[str, ...]
    output_format: str = FOR_TERMINALS
    output: Path | None = None
    dry_run: bool = False
    consent: Consent | None = None

    def command(self, name: str, *changes: str) -> str:
        """Return the command ``lrbench NAME`` with these options; see ``words``."""
        return shlex.join(["lrbench", *self.words(name, *changes)])

    def words(self, name: str, *changes: str) -> list[str]:
        """Return the arguments of ``lrbench`` for the command NAME with these options.

        Args:
            changes: further overrides, which come last.
        """
        words = [name, str(self.spec)]
        words += ["-j", str(self.jobs)] if self.jobs is not None else []
        words += ["--threads", str(self.threads)] if self.threads > 1 else []
        words += ["--executor", self.executor] if self.executor != LOCAL else []
        words += [] if self.consent is None else list(self.consent.typed)
        words += ["--results", str(self.results)] if self.results != RESULTS else []
        for change in (*self.overrides, *changes):
            key, _, value = change.partition("=")
            words += ["--engine", value] if key == "engine.name" else ["--set", change]
        return words

    def run_command(self, policy: str) -> str:
        """Return the ``lrbench run`` that trains with a policy."""
        return self.command("run", f"policies={json.dumps([policy])}")


def tuning_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the SPEC argument and the options of tuning, which it receives as ``options``."""

    @spec_argument
    @session_options
    @results_option
    @overrides_options
    @program_options
    @notify_option
    @click.option(
        "--dry-run", is_flag=True, help="Count the runs and estimate their time by stored ones; execute nothing."
    )
    @format_option()
    @output_option()
    @functools.wraps(command)
    def called(**given: Any) -> int:
        own = {field.name: given.pop(field.name) for field in fields(TuningOptions)}
        return command(options=TuningOptions(**own), **given)

    return called


def show_planned(options: TuningOptions, planned: Callable[[Experiment], Iterable[PlannedPart]]) -> int:
    """Print the parts of the command on standard output, their time on standard error; return the exit code.

    Args:
        planned: returns the parts; raises UsageError where the command would.

    Raises:
        UsageError: the spec is wrong.
    """
    from lrbench.cli.dry_run import stored_time
    from lrbench.executors.setup import check_engine
    from lrbench.report.formats import counted
    from lrbench.spec.model import TuningSettings
    from lrbench.spec.reading import read_experiment

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


def open_bench(options: TuningOptions, check: Callable[[Experiment], object] = lambda experiment: None) -> TrialRunner:
    """Open the spec's workload with its data and engine, ready to run policies.

    Args:
        check: further checks of the command, made before data are prepared and anything is written.

    Raises:
        UsageError: the spec, the data or the engine is not fit.
    """
    from lrbench.executors.setup import check_engine, find_data, find_engine, sessions_at_once, with_engine_version
    from lrbench.spec.model import TuningSettings
    from lrbench.spec.reading import read_experiment
    from lrbench.tuning.setup import checked
    from lrbench.tuning.trial_runner import TrialRunner

    experiment = read_experiment(options.spec, options.overrides, TuningSettings)
    check_engine(experiment)
    check(experiment)
    executor = open_executor(options.executor)
    engine = find_engine(experiment, executor, site(options.consent), options.threads, options.jobs)
    data = find_data(experiment, prepare_data)
    experiment = with_engine_version(experiment, engine)
    said: list[str] = []
    jobs = sessions_at_once(experiment, engine, executor, options.jobs, options.threads, said.append)
    runner = TrialRunner(experiment, data, engine, options.results, jobs, options.threads, executor=executor)
    bench = checked(runner, tell)
    for line in said:  # after the checks, as a refusal is one line
        tell(line)
    announce_program(experiment, data, options.consent)
    return bench


def on_search_engine(bench: TrialRunner) -> TrialRunner:
    """Return the bench with the engine of ``search.engine``, if there is one; raise UsageError if it is not fit."""
    from lrbench.tuning import setup

    return setup.on_search_engine(bench, site(), tell)


@contextmanager
def progressing(bench: TrialRunner) -> Iterator[TrialRunner]:
    """Yield the bench with its runs' progress on standard error; after Ctrl-C, say how to resume."""
    from lrbench.cli.progress import RunProgress

    with RunProgress() as listener:
        try:
            yield replace(bench, listener=listener)
        except Interrupted as error:
            raise Interrupted("interrupted; completed work is kept", remedy=how_to_resume(sys.argv[1:])) from error


def find_space(bench: TrialRunner) -> Space:
    """Return the search space of the spec's section ``search``, with the rates of a range test if it sets none.

    Raises:
        UsageError: there is no such space, or the range test suggests no rates.
    """
    from lrbench.tuning import setup

    return setup.find_space(bench, home(), tell)


def workload_heading(bench: TrialRunner) -> str:
    """Name the workload for the heading of a table: net, data set, batch size and iterations."""
    from lrbench.report.labels import workload_label

    workload = bench.experiment.workload
    batch_size = getattr(workload, "batch_size", None)
    return workload_label(workload.net_name, bench.data.label, batch_size, workload.iterations)
