"""The common part of range, tune, compose and verify: their options, their bench, and their progress."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.api.environment import home, site
from lrbench.cli.consent import announce_program, program_options
from lrbench.cli.options import (
    RESULTS,
    format_option,
    jobs_option,
    output_option,
    overrides_options,
    results_option,
    spec_argument,
    threads_option,
)
from lrbench.cli.output import how_to_resume, tell
from lrbench.cli.setup import prepare_data
from lrbench.errors import Interrupted, SpecError

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.space import Space
    from lrbench.tuning.trial_runner import TrialRunner

MOST_LANES = 256
"""Largest number of lanes per job, since the number of runs is not known in advance."""


@dataclass(frozen=True)
class TuningOptions:
    """Values of the options that ``tuning_options`` adds to a command."""

    spec: Path
    jobs: int
    threads: int
    results: Path
    overrides: tuple[str, ...]
    output_format: str
    output: Path | None
    consent: Consent | None = None

    def command(self, name: str, *changes: str) -> str:
        """Return the command ``lrbench NAME`` with these options.

        Args:
            changes: further overrides, which come last.
        """
        words = ["lrbench", name, str(self.spec)]
        words += ["-j", str(self.jobs)] if self.jobs > 1 else []
        words += ["--threads", str(self.threads)] if self.threads > 1 else []
        words += [] if self.consent is None else list(self.consent.typed)
        words += ["--results", str(self.results)] if self.results != RESULTS else []
        for change in (*self.overrides, *changes):
            key, _, value = change.partition("=")
            words += ["--engine", value] if key == "engine.name" else ["--set", change]
        return shlex.join(words)


def tuning_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the SPEC argument and the options of tuning, which it receives as ``options``."""

    @spec_argument
    @jobs_option
    @threads_option
    @results_option
    @overrides_options
    @program_options
    @format_option()
    @output_option()
    @functools.wraps(command)
    def called(**given: Any) -> int:
        own = {field.name: given.pop(field.name) for field in fields(TuningOptions)}
        return command(options=TuningOptions(**own), **given)

    return called


def open_bench(options: TuningOptions, check: Callable[[Experiment], object] = lambda experiment: None) -> TrialRunner:
    """Open the spec's workload with its data and engine, ready to run policies.

    Args:
        check: further checks of the command, made before data are prepared and anything is written.

    Raises:
        UsageError: the spec, the data or the engine is not fit.
    """
    from lrbench.executors.setup import check_engine, check_tasks, find_data, find_engine, with_engine_version
    from lrbench.policies import parse_policy
    from lrbench.runs.directory import check_writable
    from lrbench.spec.experiment import read_experiment
    from lrbench.spec.model import TuningSettings
    from lrbench.spec.program import ProgramWorkload
    from lrbench.tuning.trial_runner import TrialRunner

    experiment = read_experiment(options.spec, options.overrides, TuningSettings)
    check_engine(experiment)
    check(experiment)
    engine, data = find_engine(experiment, site(options.consent)), find_data(experiment, prepare_data)
    experiment = with_engine_version(experiment, engine)
    experiment.check_data(data)
    check_writable(options.results)
    bench = TrialRunner(experiment, data, engine, options.results, options.jobs, options.threads)
    if isinstance(experiment.workload, ProgramWorkload):
        check_tasks([bench.task(parse_policy("FIX(k0=0)"), 0)], engine, experiment)
        announce_program(experiment, data, options.consent)
    return replace(bench, lanes=_lanes(bench))


def on_search_engine(bench: TrialRunner) -> TrialRunner:
    """Return the bench with the engine of ``search.engine``, if there is one; raise UsageError if it is not fit."""
    from lrbench.executors.setup import check_engine, find_engine, with_engine_version

    wanted = bench.experiment.settings.search.engine
    if wanted is None:
        return bench
    settings = bench.experiment.settings.model_copy(update={"engine": wanted})
    experiment = replace(bench.experiment, settings=settings)
    check_engine(experiment, "search")
    engine = find_engine(experiment, site())
    searching = replace(bench, experiment=with_engine_version(experiment, engine), engine=engine)
    return replace(searching, lanes=_lanes(searching))


def _lanes(bench: TrialRunner) -> int:
    """Return how many runs share a session; it does not depend on the policy."""
    from lrbench.executors.setup import check_lanes, find_lanes, sessions_at_once
    from lrbench.policies import parse_policy

    check_lanes(bench.engine, bench.experiment)
    trial = bench.task(parse_policy("FIX(k0=0)"), 0)
    jobs = sessions_at_once(bench.engine, bench.jobs, tell)
    return find_lanes([trial], bench.engine, jobs, tell, MOST_LANES * jobs)


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
    from lrbench.tuning.space import search_space

    check_space(bench)
    settings, document = bench.experiment.settings.search, bench.experiment.document
    rates = settings.rates if settings.space is not None or settings.rates else _rates(bench)
    return search_space(settings, rates, document)


def check_space(bench: TrialRunner) -> None:
    """Raise UsageError if the section ``search`` defines no possible space, whatever the rates; nothing is trained."""
    from lrbench.tuning.space import search_space

    settings, document = bench.experiment.settings.search, bench.experiment.document
    space = search_space(settings, settings.rates or (1.0, 1.0), document)
    with document.placing("search"):
        space.check(bench.experiment.workload.iterations)


def _rates(bench: TrialRunner) -> Sequence[float]:
    """Return the rates that a range test suggests, run unless it is done; raise SpecError if there are none."""
    from lrbench.tuning.range_test.running import FEW_IMAGES, range_test

    click.echo("no search.rates in the spec: running a range test first", err=True)
    judged = bench.on_validation(home(), most=FEW_IMAGES)
    found = range_test(judged, bench.experiment.settings.solver[0])
    if found.rates is None:
        raise SpecError(
            "the range test suggests no rates",
            where=bench.experiment.document.where(("search",)),
            remedy="inspect it with lrbench range, and set search.rates",
        )
    low, high = found.rates
    click.echo(f"search.rates: [{low:g}, {high:g}]", err=True)
    return found.rates


def workload_heading(bench: TrialRunner) -> str:
    """Name the workload for the heading of a table: net, data set, batch size and iterations."""
    from lrbench.report.labels import workload_label

    workload = bench.experiment.workload
    batch_size = getattr(workload, "batch_size", None)
    return workload_label(workload.net_name, bench.data.label, batch_size, workload.iterations)
