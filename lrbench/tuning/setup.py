"""Preparation of a tuning command: the runner of its runs, the engine of its search, and its search space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lrbench.engines.site import Site
from lrbench.errors import SpecError
from lrbench.executors.setup import (
    check_engine,
    check_lanes,
    check_tasks,
    find_engine,
    find_lanes,
    with_engine_version,
    with_stored_order,
)
from lrbench.policies import parse_policy
from lrbench.runs.directory import check_writable
from lrbench.spec.experiment import Experiment
from lrbench.spec.program import ProgramWorkload
from lrbench.tuning.range_test.result import RangeResult
from lrbench.tuning.range_test.running import FEW_IMAGES, range_test, sweep_tasks
from lrbench.tuning.space import Space, search_space
from lrbench.tuning.trial_runner import TrialRunner

MOST_LANES = 256
"""Largest number of lanes per job, since the number of runs is not known in advance."""

Tell = Callable[[str], None]
"""Called with a line for the user."""


def checked(runner: TrialRunner, tell: Tell) -> TrialRunner:
    """Return the runner with its number of lanes, once its data and its results folder are found to be fit.

    Raises:
        UsageError: the data do not fit the net, nobody has consented to execute the program, or the results folder
            cannot be written.
    """
    runner = replace(runner, experiment=with_stored_order(runner.experiment, runner.results, tell))
    runner.experiment.check_data(runner.data)
    check_writable(runner.results)
    if isinstance(runner.experiment.workload, ProgramWorkload):
        check_tasks([runner.task(parse_policy("FIX(k0=0)"), 0)], runner.engine, runner.experiment)
    return replace(runner, lanes=_lanes(runner, tell))


def on_search_engine(runner: TrialRunner, site: Site, tell: Tell) -> TrialRunner:
    """Return the runner with the engine of ``search.engine``, if there is one; raise UsageError if it is not fit."""
    wanted = runner.experiment.settings.search.engine
    if wanted is None:
        return runner
    settings = runner.experiment.settings.model_copy(update={"engine": wanted})
    experiment = replace(runner.experiment, settings=settings)
    check_engine(experiment, "search")
    engine = find_engine(experiment, runner.executor, site, runner.threads)
    searching = replace(runner, experiment=with_engine_version(experiment, engine), engine=engine)
    return replace(searching, lanes=_lanes(searching, tell))


def _lanes(runner: TrialRunner, tell: Tell) -> int:
    """Return how many runs share a session; it does not depend on the policy."""
    check_lanes(runner.engine, runner.experiment)
    trial = runner.task(parse_policy("FIX(k0=0)"), 0)
    return find_lanes([trial], runner.engine, runner.jobs, tell, MOST_LANES * runner.jobs)


def find_space(runner: TrialRunner, home: Path, tell: Tell) -> Space:
    """Return the search space of the spec's section ``search``, with the rates of a range test if it sets none.

    Args:
        home: the folder that LRBench keeps its data in.

    Raises:
        UsageError: there is no such space, or the range test suggests no rates.
    """
    check_space(runner.experiment)
    settings, document = runner.experiment.settings.search, runner.experiment.document
    if settings.space is not None or settings.rates:
        return search_space(settings, settings.rates, document)
    found = _range_test(runner, home, tell)
    return replace(search_space(settings, found.search_rates, document), range_test=found)


def check_space(experiment: Experiment) -> Space:
    """Return the search space of the section ``search``, with rates made up where it sets none; nothing is trained.

    Raises:
        UsageError: it defines no possible space, whatever the rates.
    """
    settings, document = experiment.settings.search, experiment.document
    space = search_space(settings, settings.rates or (1.0, 1.0), document)
    with document.placing("search"):
        space.check(experiment.workload.iterations)
    return space


def _range_test(runner: TrialRunner, home: Path, tell: Tell) -> RangeResult:
    """Return a short range test, run unless it is done; raise SpecError if it suggests no rates."""
    tell("no search.rates in the spec: running a range test first")
    judged = runner.on_validation(home, most=FEW_IMAGES)
    solver = runner.experiment.settings.solver[0]
    measured = all(judged.status(task).done for task in sweep_tasks(judged, solver))  # by lrbench range
    found = range_test(judged, solver, short=not measured)
    if found.search_rates is None:
        raise SpecError(
            "the range test suggests no rates",
            where=runner.experiment.document.where(("search",)),
            remedy="inspect it with lrbench range, and set search.rates",
        )
    low, high = found.search_rates
    tell(f"search.rates: [{low:g}, {high:g}]")
    return found
