"""``lrbench tune``: Search LR functions and their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home
from lrbench.cli.completion.candidates import results
from lrbench.cli.options import PATH, storage_option
from lrbench.cli.output import show, tell
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
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.planned import PlannedPart


@click.command()
@tuning_options
@storage_option
@click.option(
    "--propose",
    type=click.Choice(["sampler", "predict"]),
    default="sampler",
    show_default=True,
    help="Who proposes policies: the sampler of the spec, or a prediction from the curves of --from, of which only the "
    "best are trained.",
)
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="PATH",
    shell_complete=results,
    help="With --propose predict: loss curves to predict from, as for lrbench predict.",
)
def tune(options: TuningOptions, storage: str | None, propose: str, source: Path | None) -> int:
    """Search LR functions and their parameters for the workload of SPEC.

    The spec's section `search` sets the search space, budget and objective; the default is 50 policies of today's
    schedules and of the papers' cyclic functions, compared on images held out of the training set. Without
    search.rates, a range test runs first. The best policy is then confirmed: trained with the spec's seeds and
    evaluated on the test set, next to what a careful user would train with (search.baselines). Rerunning the command,
    also in several terminals or on several machines at once, continues the same search. Exit code: 0, 1 if a run
    failed, 2 if the command line or the spec is wrong, 130 if interrupted.

    \b
    lrbench tune configs/tune_digits.yaml -j 2
    lrbench tune configs/mnist_lenet.yaml --set search.trials=30 --set 'search.rates=[0.001, 0.1]' --engine torch
    lrbench tune configs/mnist_lenet.yaml --propose predict --from results/mnist_lenet --set search.trials=5
    """
    from lrbench.report.views.tune import tune_document
    from lrbench.tuning.baselines import given_baselines
    from lrbench.tuning.proposing import proposed
    from lrbench.tuning.study import check_storage
    from lrbench.tuning.tune import tune as search

    if (propose == "predict") != (source is not None):
        raise UsageError("--propose predict and --from go together", remedy="give both, or neither")
    if source is not None and options.dry_run:
        remedy = f"lrbench predict SPEC --from {source} --grid shows what is predicted"
        raise UsageError("--dry-run cannot tell what --propose predict trains", remedy=remedy)
    if options.dry_run:
        from lrbench.tuning.planned import planned_confirmation, planned_rates, planned_search
        from lrbench.tuning.setup import check_space

        def planned(experiment: Experiment) -> Iterator[PlannedPart]:
            given_baselines(experiment)
            yield from planned_rates(experiment)
            yield from planned_search(experiment, check_space(experiment))
            yield from planned_confirmation(experiment, experiment.settings.search.confirm)

        return show_planned(options, planned)
    bench = open_bench(options, lambda experiment: experiment.confirming_seeds)
    if source is not None:
        bench = proposed(bench, source, tell)
    given_baselines(bench.experiment)
    check_storage(storage)
    with progressing(bench) as told:
        searching = on_search_engine(told)
        judge = searching.on_validation(home())
        result = search(told, judge, find_space(searching), storage)
    show(tune_document(result, options.run_command), options.output_format, options.output)
    confirmed = [outcome.status for row in result.confirmed for outcome in row.outcomes]
    return 1 if "failed" in (*(tried.status for tried in result.tried), *confirmed) else 0
