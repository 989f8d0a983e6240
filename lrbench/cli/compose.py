"""``lrbench compose``."""

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
    from lrbench.tuning.bench import Bench
    from lrbench.tuning.composing import ComposeResult


@click.command()
@choosing_options
def compose(typed: Choosing) -> int:
    """Build a policy for the workload of SPEC out of several, one after another.

    Stage by stage, policies of the LR functions in the spec's section `search` go on from where the best run so far is,
    and the best of them is chosen, on images held out of the training set; the section `composition` has the stages.
    Without search.rates, a range test comes first. The result is an ordinary policy, confirmed over the spec's seeds
    and the test set, beside the best single policy and Caffe's default. Given again, the same command goes on where it
    was cut off. Exit code: 0, 1 a run failed, 2 usage or spec, 130 interrupted.

    \b
    lrbench compose configs/tune_digits.yaml -j 2
    lrbench compose configs/mnist_lenet.yaml --set composition.stages=4 --set 'search.rates=[0.001, 0.1]'
    """
    from lrbench.library.surroundings import home
    from lrbench.tuning.composing import compose_and_confirm
    from lrbench.tuning.composing.building import check

    bench = open_bench(typed)
    with progressing(bench) as told:
        searching = on_search_engine(told)
        judge = searching.judged_on_validation(home())
        check(judge)
        result = compose_and_confirm(told, judge, find_space(searching))
    _show(result, bench, typed)
    return 1 if any(outcome.status == "failed" for row in result.confirmed for outcome in row.outcomes) else 0


def _show(result: ComposeResult, bench: Bench, typed: Choosing) -> None:
    from lrbench.cli.output import show
    from lrbench.report.labels import workload_name
    from lrbench.report.views.compose import compose_document

    workload, target = bench.experiment.workload, bench.experiment.settings.target_accuracy
    name = workload_name(
        {
            "net_name": workload.net_name,
            "dataset_name": bench.data.label,
            "batch_size": workload.batch_size,
            "iterations": workload.iterations,
        }
    )
    show(compose_document(result, name, target), typed.form, typed.output)
