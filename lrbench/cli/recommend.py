"""``lrbench recommend``: Recommend policies from measured results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.options import (
    database_option,
    format_option,
    output_option,
    overrides_options,
    spec_argument,
    target_option,
    typed_again,
    users_database,
)
from lrbench.cli.output import show

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget


@click.command()
@spec_argument
@target_option()
@overrides_options
@format_option()
@output_option()
@database_option
def recommend(
    spec: Path,
    target: AnyTarget | None,
    overrides: Sequence[str],
    output_format: str,
    output: Path | None,
    location: str | None,
) -> int:
    """Recommend policies for the workload of SPEC from the policy database; nothing is trained.

    Lists policies measured on this workload, policies measured on similar ones, rescaled to the run's length, policies
    from papers, and policies to avoid, each with its evidence. The spec's policies are ignored and optional. Results
    are considered once `lrbench db add PATH` has added them.

    \b
    lrbench recommend configs/quickstart.yaml
    lrbench recommend configs/mnist_lenet.yaml --target 0.989 --set workload.iterations=5000
    """
    from lrbench.api.recommendations import data_at_hand, recommendations
    from lrbench.executors.setup import check_engine
    from lrbench.report.views.recommend import recommendation_document
    from lrbench.report.views.recommend_text import Commands, asked_solver
    from lrbench.spec.model import TuningSettings
    from lrbench.spec.reading import read_experiment

    experiment = read_experiment(spec, overrides, TuningSettings)
    check_engine(experiment)
    data, wanted = data_at_hand(experiment), experiment.aim(target)
    with users_database(location) as database:
        found = recommendations(experiment, data, wanted, database)
    solvers = tuple(asked_solver(recommendation.query) for recommendation in found)
    commands = Commands(str(spec), experiment.name, tuple(overrides), solvers, typed_again(location))
    show(recommendation_document(found, commands), output_format, output)
    return 0
