"""``lrbench verify``: Check whether a policy reaches a target in time, and find one that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home
from lrbench.cli.completion.candidates import policies
from lrbench.cli.options import database_option, storage_option, target_option, users_database
from lrbench.cli.output import show
from lrbench.cli.tuning_options import (
    TuningOptions,
    find_space,
    on_search_engine,
    open_bench,
    progressing,
    show_planned,
    tuning_options,
)
from lrbench.errors import UsageError

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget
    from lrbench.policies import Policy
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.planned import PlannedPart
    from lrbench.tuning.verify import Candidate, Goal, Phase


FOUND = 2
"""Policies that the search gives to check: the best single one and a composed one."""


@click.command()
@tuning_options
@click.option(
    "--policy", "text", metavar="TEXT", shell_complete=policies, help="Policy to check, such as 'FIX(k0=0.01)'."
)
@target_option()
@click.option(
    "--within",
    type=click.IntRange(1),
    metavar="N",
    help="Iterations to reach it in.  [default: the spec's workload.iterations]",
)
@click.option(
    "--phase",
    "phases",
    multiple=True,
    type=click.Choice(["policy", "database", "search"]),
    help="Run only this phase. Can be repeated.  [default: all, in this order, until one succeeds]",
)
@click.option("--seeds", type=click.IntRange(1), metavar="K", help="Use the seeds 0 to K - 1 in place of the spec's.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the seeds that must reach the target.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Largest number of policies from the database to test.",
)
@click.option(
    "--early-stop/--no-early-stop",
    default=True,
    show_default=True,
    help="Stop a run as soon as the target is out of reach.",
)
@storage_option
@database_option
def verify(
    options: TuningOptions,
    text: str | None,
    target: AnyTarget | None,
    within: int | None,
    phases: Sequence[Phase],
    seeds: int | None,
    share: float,
    candidates: int,
    early_stop: bool,
    storage: str | None,
    location: str | None,
) -> int:
    """Check whether a policy reaches a target within a number of iterations on the workload of SPEC.

    The target is an accuracy, or the value of another metric. If the policy does not reach it,
    policies that did on this or a similar workload, according to the database, are tested; if none does, a policy is
    searched for and composed. With several seeds, the share that reaches the target is given with a confidence
    interval. Exit code: 0 reached, 1 not reached, 2 if the command line or the spec is wrong, 130 if interrupted.

    \b
    lrbench verify configs/tune_digits.yaml --policy 'FIX(k0=0.02)' --target 0.95 --within 300
    lrbench verify configs/mnist_lenet.yaml --target 0.989 --within 5000 --phase database --phase search
    """
    from lrbench.report.views.verify import verdict_document
    from lrbench.tuning.recommending.similarity import workload_queries
    from lrbench.tuning.setup import check_space
    from lrbench.tuning.study import check_storage
    from lrbench.tuning.verify import Candidate, SearchPhase, Verification, earlier_runs, known_candidates
    from lrbench.tuning.verify import verify as verified

    wanted: Sequence[Phase] = phases or ("policy", "database", "search")
    policy = _policy(text, wanted)

    def goal_of(experiment: Experiment) -> Goal:
        return _goal(experiment, target, within, seeds, share, early_stop)

    if options.dry_run:
        counts = {"policy": int(policy is not None), "database": candidates, "search": FOUND}
        return show_planned(options, lambda experiment: _planned(experiment, goal_of(experiment), wanted, counts))
    bench = open_bench(options, goal_of)
    goal = goal_of(bench.experiment)
    if "search" in wanted:
        check_storage(storage)
        check_space(bench.experiment)
    with users_database(location) as database, progressing(bench) as told:
        judging = on_search_engine(told)
        searching = SearchPhase(lambda: judging.on_validation(home()), lambda: find_space(judging), goal, storage)
        asked = workload_queries(bench.experiment, bench.data)[0]
        given = [] if policy is None else [Candidate(policy, "as given")]
        sources: dict[Phase, Callable[[], Iterator[Candidate]]] = {
            "policy": lambda: iter(given),
            "database": lambda: known_candidates(database.entries(), asked, goal, candidates),
            "search": searching.candidates,
        }
        verification = Verification(told, goal, earlier_runs(database, bench, goal))
        verdict = verified(verification, [(phase, sources[phase]) for phase in wanted])
    if searching.not_composed is not None:
        verdict = replace(verdict, notes=(*verdict.notes, searching.not_composed))
    document = verdict_document(verdict, searching.tuned, searching.composed, options.run_command)
    show(document, options.output_format, options.output)
    return 0 if verdict.found is not None else 1


def _planned(
    experiment: Experiment, goal: Goal, phases: Sequence[Phase], counts: Mapping[str, int]
) -> Iterator[PlannedPart]:
    """Yield the runs of every phase, as if none before the last succeeded; counts: policies of the first two."""
    from lrbench.tuning.planned import planned_checks, planned_rates, planned_search, planned_stages
    from lrbench.tuning.setup import check_space

    interval = min(experiment.workload.test_interval, goal.within)
    workload = replace(experiment.workload, iterations=goal.within, test_interval=interval)
    within = replace(experiment, workload=workload)
    if "search" in phases:
        yield from planned_rates(experiment)
        yield from planned_search(within, check_space(within))
        yield planned_stages(within)
    policies = sum(counts[phase] for phase in phases)
    yield planned_checks(within, policies, len(goal.seeds), "checks of policies")


def _policy(text: str | None, phases: Sequence[Phase]) -> Policy | None:
    from lrbench.policies import parse_policy

    if text is None:
        if list(phases) == ["policy"]:
            raise UsageError("--phase policy needs a policy", remedy="add --policy 'FIX(k0=0.01)' for instance")
        return None
    if "policy" not in phases:
        raise UsageError("--policy is given, but not --phase policy", remedy="leave one of them out, or add the phase")
    return parse_policy(text)


def _goal(
    experiment: Experiment,
    target: AnyTarget | None,
    within: int | None,
    seeds: int | None,
    share: float,
    early_stop: bool,
) -> Goal:
    from lrbench.tuning.verify import Goal

    wanted = experiment.aim(target)
    if wanted is None:
        remedy = "give --target 0.98, an accuracy, --target test_loss=0.12, or target in the spec"
        raise UsageError("there is no target to reach", remedy=remedy)
    chosen = tuple(experiment.confirming_seeds) if seeds is None else tuple(range(seeds))
    return Goal(wanted, within or experiment.workload.iterations, chosen, share, early_stop)
