"""Runs that a tuning command would make, counted without making any, for a dry run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lrbench.limits import DEFAULT_TRIALS
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments
from lrbench.tuning.composing.stages import planned_ends, stretch_of
from lrbench.tuning.confirm import final_rounds
from lrbench.tuning.range_test.plan import plan_for
from lrbench.tuning.space import Space

CAREFUL_BASELINES = 2
"""Largest number of baselines where the spec names none."""


@dataclass(frozen=True)
class PlannedPart:
    """Runs of one part of a command; none of them is trained again where it is done.

    Attributes:
        bound: "at most" or "at least": what the numbers are.
        evaluations: of all the runs, as ``iterations``.
    """

    title: str
    bound: str
    runs: int
    iterations: int
    evaluations: int


def planned_range(
    experiment: Experiment, solvers: Sequence[SolverSettings | ProgramArguments], *, short: bool = False
) -> PlannedPart:
    """Return the sweeps and the first runs at fixed rates; what follows from these is not known.

    Args:
        short: whether it is the range test before a search.
    """
    plans = [plan_for(experiment, solver, short=short) for solver in solvers]
    runs = iterations = evaluations = 0
    for plan in plans:
        seeds, fixed = len(plan.seeds), plan.rates * len(plan.seeds)
        runs += seeds + fixed
        iterations += seeds * plan.swept + fixed * plan.lengths[-1]
        evaluations += seeds * _parts(plan.swept, plan.sweep_interval) + fixed * len(plan.lengths)
    return PlannedPart("range test", "at least", runs, iterations, evaluations)


def planned_rates(experiment: Experiment) -> Iterator[PlannedPart]:
    """Yield the range test before a search, where the spec sets no rates."""
    settings = experiment.settings.search
    if settings.space is None and settings.rates is None:
        yield planned_range(experiment, experiment.settings.solver[:1], short=True)


def planned_search(experiment: Experiment, space: Space) -> Iterator[PlannedPart]:
    """Yield the search and the finals."""
    settings, length = experiment.settings.search, experiment.workload.iterations
    trials = settings.trials
    if trials is None:
        trials = DEFAULT_TRIALS if settings.iterations is None else settings.iterations // length
    if settings.sampler == "grid":
        trials = min(trials, space.discrete(settings.points).size or trials)
    if settings.iterations is not None:
        trials = min(trials, settings.iterations)
    iterations = min(trials * length, settings.iterations or trials * length)
    yield PlannedPart("search", "at most", trials, iterations, _parts(iterations, experiment.workload.test_interval))
    if runs := sum(final_rounds(settings, trials, settings.confirm)):
        yield _full_runs("finals", experiment, runs)


def planned_stages(experiment: Experiment) -> PlannedPart:
    """Return the stages of a composition of which none ends before its time."""
    settings, ends = experiment.settings.composition, planned_ends(experiment)
    runs, iterations = 0, 0
    for start, end in zip((0, *ends), ends, strict=False):
        compared = stretch_of(experiment, start, end)
        runs += settings.candidates
        iterations += settings.candidates * (compared - start) + settings.beam * (end - compared)
    evaluations = _parts(iterations, experiment.workload.test_interval)
    return PlannedPart(
        f"{len(ends)} {'stage' if len(ends) == 1 else 'stages'}", "at most", runs, iterations, evaluations
    )


def planned_confirmation(experiment: Experiment, found: int) -> Iterator[PlannedPart]:
    """Yield the confirmation of so many policies beside the baselines; nothing for none."""
    baselines = experiment.settings.search.baselines
    policies = found + (CAREFUL_BASELINES if baselines is None else len(baselines))
    if found:
        yield planned_checks(experiment, policies, len(experiment.confirming_seeds), "confirmation")


def planned_checks(experiment: Experiment, policies: int, seeds: int, title: str) -> PlannedPart:
    """Return the full runs of policies, each over the seeds."""
    return _full_runs(title, experiment, policies * seeds)


def _full_runs(title: str, experiment: Experiment, runs: int) -> PlannedPart:
    length, interval = experiment.workload.iterations, experiment.workload.test_interval
    return PlannedPart(title, "at most", runs, runs * length, runs * _parts(length, interval))


def _parts(iterations: int, interval: int) -> int:
    return -(-iterations // interval)
