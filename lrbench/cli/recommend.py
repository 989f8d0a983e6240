"""``lrbench recommend``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lrbench.cli.completion.candidates import engines, settings, specs
from lrbench.cli.database import database_option, typed_again, users_database
from lrbench.cli.output import format_option


@click.command()
@click.argument("spec", type=click.Path(path_type=Path), shell_complete=specs)
@click.option(
    "--target",
    type=float,
    metavar="A",
    help="Rank by the iterations to this accuracy, a fraction; by default the spec's target_accuracy.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=settings,
    help="Override a value of the spec, such as workload.iterations=2000; may be repeated.",
)
@click.option(
    "--engine", metavar="NAME", shell_complete=engines, help="caffe or torch; the same as --set engine.name=NAME."
)
@format_option()
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@database_option
def recommend(
    spec: Path,
    target: float | None,
    overrides: Sequence[str],
    engine: str | None,
    form: str,
    output: Path | None,
    location: str | None,
) -> int:
    """Recommend policies for the workload of SPEC, from what the policy database knows; nothing is trained.

    First what was measured on this very workload, then on like ones, with policies rescaled to the run's length, then
    what papers say; and what to avoid. Each line has its evidence. Policies of the spec are ignored, and it need not
    have any. `lrbench db add RESULTS` makes results count.

    \b
    lrbench recommend configs/quickstart.yaml
    lrbench recommend configs/mnist_lenet.yaml --target 0.989 --set workload.iterations=5000
    """
    from lrbench.cli.output import check_writable, show
    from lrbench.executors.preparing import check_engine
    from lrbench.library.recommending import data_at_hand, recommendations
    from lrbench.metrics.target import check_target
    from lrbench.report.views.recommend import Commands, asked_solver, recommendation_document
    from lrbench.spec.experiment import read_experiment
    from lrbench.spec.model import ChoosingSettings

    check_target(target, "--target")
    if output is not None:
        check_writable(output)
    changes = (*overrides, f"engine.name={engine}") if engine else tuple(overrides)
    experiment = read_experiment(spec, changes, ChoosingSettings)
    check_engine(experiment)
    data = data_at_hand(experiment)
    with users_database(location) as database:
        found = recommendations(experiment, data, target or experiment.settings.target_accuracy, database)
    solvers = tuple(asked_solver(each.asked) for each in found)
    commands = Commands(str(spec), experiment.name, changes, solvers, typed_again(location))
    show(recommendation_document(found, commands), form, output)
    return 0
