"""What the commands that choose among policies have in common: their options, their bench, and how they end early."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.cli.completion.candidates import engines, settings, specs
from lrbench.cli.output import format_option

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.bench import Bench
    from lrbench.tuning.space import Space

RESULTS = Path("results")
MOST_LANES = 256
"""Nobody knows beforehand how many runs there will be."""


@dataclass(frozen=True)
class Choosing:
    """What was typed; see ``choosing_options``."""

    spec: Path
    jobs: int
    threads: int
    results: Path
    overrides: tuple[str, ...]
    form: str
    output: Path | None

    def command(self, name: str, *changes: str) -> str:
        """The command ``lrbench NAME`` with the spec, overrides, engine, folder and cores that were typed.

        Args:
            changes: overrides that come after those typed.
        """
        words = ["lrbench", name, str(self.spec)]
        words += ["-j", str(self.jobs)] if self.jobs > 1 else []
        words += ["--threads", str(self.threads)] if self.threads > 1 else []
        words += ["--results", str(self.results)] if self.results != RESULTS else []
        for change in (*self.overrides, *changes):
            key, _, value = change.partition("=")
            words += ["--engine", value] if key == "engine.name" else ["--set", change]
        return shlex.join(words)


def choosing_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the SPEC argument and the common options, as one ``Choosing`` under the name ``typed``."""

    @functools.wraps(command)
    def typed(
        spec: Path,
        jobs: int,
        threads: int,
        results: Path,
        overrides: Sequence[str],
        engine: str | None,
        form: str,
        output: Path | None,
        **others: Any,
    ) -> int:
        from lrbench.cli.output import check_writable

        if output is not None:
            check_writable(output)
        changes = (*overrides, f"engine.name={engine}") if engine else tuple(overrides)
        return command(typed=Choosing(spec, jobs, threads, results, changes, form, output), **others)

    for option in reversed(_OPTIONS):
        typed = option(typed)
    return typed


_OPTIONS = (
    click.argument("spec", type=click.Path(path_type=Path), shell_complete=specs),
    click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs side by side."),
    click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="BLAS threads of each run."),
    click.option(
        "--results",
        type=click.Path(path_type=Path),
        default=RESULTS,
        show_default=True,
        help="Folder that holds one folder an experiment.",
    ),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=settings,
        help="Override a value of the spec, such as search.trials=20; may be repeated.",
    ),
    click.option(
        "--engine", metavar="NAME", shell_complete=engines, help="caffe or torch; the same as --set engine.name=NAME."
    ),
    format_option(),
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen."
    ),
)


def open_bench(typed: Choosing, check: Callable[[Experiment], object] = lambda experiment: None) -> Bench:
    """The spec's workload with its data and engine, ready to run policies.

    Args:
        check: what else the command has to refuse, before data are prepared and anything is written.

    Raises:
        UsageError: the spec, the data or the engine is not fit.
    """
    from lrbench.cli.setup import find_engine, prepare_data
    from lrbench.executors.preparing import check_engine, find_data, with_engine_version
    from lrbench.runs.directory import check_writable
    from lrbench.spec.experiment import read_experiment
    from lrbench.spec.model import ChoosingSettings
    from lrbench.tuning.bench import Bench

    experiment = read_experiment(typed.spec, typed.overrides, ChoosingSettings)
    check_engine(experiment)
    check(experiment)
    engine, data = find_engine(experiment), find_data(experiment, prepare_data)
    experiment = with_engine_version(experiment, engine)
    experiment.check_data(data)
    check_writable(typed.results)
    bench = Bench(experiment, data, engine, typed.results, typed.jobs, typed.threads)
    return replace(bench, lanes=_lanes(bench))


def on_search_engine(bench: Bench) -> Bench:
    """The same with the engine of ``search.engine``, where the spec names one.

    Raises:
        UsageError: there is no such engine, or it is not fit.
    """
    from lrbench.cli.setup import find_engine
    from lrbench.executors.preparing import check_engine, with_engine_version

    wanted = bench.experiment.settings.search.engine
    if wanted is None:
        return bench
    settings = bench.experiment.settings.model_copy(update={"engine": wanted})
    experiment = replace(bench.experiment, settings=settings)
    check_engine(experiment, "search")
    engine = find_engine(experiment)
    searching = replace(bench, experiment=with_engine_version(experiment, engine), engine=engine)
    return replace(searching, lanes=_lanes(searching))


def _lanes(bench: Bench) -> int:
    """How many runs share a session; a trial trains nothing, so any policy will do."""
    from lrbench.cli.output import tell
    from lrbench.executors.preparing import check_lanes, find_lanes, sessions_at_once
    from lrbench.policies import parse_policy

    check_lanes(bench.engine, bench.experiment)
    trial = bench.task(parse_policy("FIX(k0=0)"), 0)
    jobs = sessions_at_once(bench.engine, bench.jobs, tell)
    return find_lanes([trial], bench.engine, jobs, tell, MOST_LANES * jobs)


@contextmanager
def progressing(bench: Bench, total: int | None = None) -> Iterator[Bench]:
    """The bench with its runs' progress on standard error; Ctrl-C says what to type to go on."""
    from lrbench.cli.output import how_to_go_on
    from lrbench.cli.progress import RunProgress
    from lrbench.errors import Interrupted

    with RunProgress(total) as listener:
        try:
            yield replace(bench, listener=listener)
        except Interrupted as error:
            raise Interrupted("interrupted; what was done is kept", remedy=how_to_go_on(sys.argv[1:])) from error


def find_space(bench: Bench) -> Space:
    """What the spec's section ``search`` asks for, with the rates of a range test where it names none.

    Raises:
        UsageError: there is no such space, or the range test suggests no rates.
    """
    from lrbench.tuning.space import search_space

    settings, document = bench.experiment.settings.search, bench.experiment.document
    rates = settings.rates if settings.space is not None or settings.rates else _rates(bench)
    return search_space(settings, rates, document)


def _rates(bench: Bench) -> Sequence[float]:
    """Those of a range test, which is made now unless it is done.

    Raises:
        SpecError: it suggests none.
    """
    from lrbench.errors import SpecError
    from lrbench.library.surroundings import home
    from lrbench.tuning.range_test import FEW_IMAGES, range_test

    click.echo("no search.rates in the spec: a range test finds them", err=True)
    judged = bench.judged_on_validation(home(), most=FEW_IMAGES)
    found = range_test(judged, bench.experiment.settings.solver[0])
    if found.rates is None:
        raise SpecError(
            "the range test suggests no rates",
            where=bench.experiment.document.where(("search",)),
            remedy="look at it with lrbench range, and give search.rates",
        )
    low, high = found.rates
    click.echo(f"search.rates: [{low:g}, {high:g}]", err=True)
    return found.rates
