"""``lrbench compose``: Compose a policy from several, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home
from lrbench.cli.output import show
from lrbench.cli.tuning_options import (
    TuningOptions,
    find_space,
    on_search_engine,
    open_bench,
    progressing,
    show_planned,
    tuning_options,
    workload_heading,
)

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment
    from lrbench.tuning.planned import PlannedPart


FOUND = 2
"""Policies that are confirmed: the composed one and the best single one."""


@click.command()
@tuning_options
def compose(options: TuningOptions) -> int:
    """Compose a policy for the workload of SPEC from several, one after another.

    In each stage, policies of the LR functions in the spec's section `search` continue the best run so far, and the
    best of them is selected on images held out of the training set; the section `composition` sets the stages. Without
    search.rates, a range test runs first. The result is an ordinary policy, which is confirmed: trained with the spec's
    seeds and evaluated on the test set, next to the best single policy and what a careful user would train with
    (search.baselines). Rerunning the command resumes an interrupted composition. Exit code: 0, 1 if a run failed, 2 if
    the command line or the spec is wrong, 130 if interrupted.

    \b
    lrbench compose configs/tune_digits.yaml -j 2
    lrbench compose configs/mnist_lenet.yaml --set composition.stages=4 --set 'search.rates=[0.001, 0.1]'
    """
    from lrbench.report.views.compose import compose_document
    from lrbench.tuning.baselines import given_baselines
    from lrbench.tuning.composing.building import check, compose_and_confirm

    if options.dry_run:
        from lrbench.tuning.composing.stages import check_ends, check_monitor
        from lrbench.tuning.planned import planned_confirmation, planned_rates, planned_stages
        from lrbench.tuning.setup import check_space

        def planned(experiment: Experiment) -> Iterator[PlannedPart]:
            for check_part in (given_baselines, check_ends, check_monitor, check_space):
                check_part(experiment)
            yield from planned_rates(experiment)
            yield planned_stages(experiment)
            yield from planned_confirmation(experiment, FOUND)

        return show_planned(options, planned)
    bench = open_bench(options, lambda experiment: experiment.confirming_seeds)
    given_baselines(bench.experiment)
    with progressing(bench) as told:
        searching = on_search_engine(told)
        judge = searching.on_validation(home())
        check(judge)
        result = compose_and_confirm(told, judge, find_space(searching))
    target = bench.experiment.settings.aim
    document = compose_document(result, workload_heading(bench), target, options.run_command)
    show(document, options.output_format, options.output)
    return 1 if any(outcome.status == "failed" for row in result.confirmed for outcome in row.outcomes) else 0
