"""``lrbench tune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lrbench.cli.choosing import (
    Choosing,
    choosing_options,
    find_space,
    on_search_engine,
    open_bench,
    progressing,
)

if TYPE_CHECKING:
    pass


@click.command()
@choosing_options
@click.option(
    "--storage",
    metavar="URL",
    help="A database for the study, such as postgresql://host/name, or a "
    "file; by default a file in the search's folder.",
)
def tune(typed: Choosing, storage: str | None) -> int:
    """Search LR functions and their parameters for the workload of SPEC.

    The spec's section `search` says among what, for how long, and by what policies are judged; by default 50 policies
    of the thirteen LR functions, on images held out of the training set. Without search.rates, a range test comes
    first. The best policy is then confirmed over the spec's seeds and the test set, beside Caffe's default. Given
    again, also in several terminals or on several machines, the same command takes part in the same search. Exit code:
    0, 1 a run failed, 2 usage or spec, 130 interrupted.

    \b
    lrbench tune configs/tune_digits.yaml -j 2
    lrbench tune configs/mnist_lenet.yaml --set search.trials=30 --set 'search.rates=[0.001, 0.1]' --engine torch
    """
    from lrbench.cli.output import show
    from lrbench.library.surroundings import home
    from lrbench.report.views.tune import tune_document
    from lrbench.tuning.tune import baselines
    from lrbench.tuning.tune import tune as search

    bench = open_bench(typed)
    baselines(bench)
    with progressing(bench) as told:
        searching = on_search_engine(told)
        judge = searching.judged_on_validation(home())
        result = search(told, judge, find_space(searching), storage)
    show(tune_document(result), typed.form, typed.output)
    failed = [tried for tried in result.tried if tried.status == "failed"]
    failed_again = [outcome for row in result.confirmed for outcome in row.outcomes if outcome.status == "failed"]
    return 1 if failed or failed_again else 0
