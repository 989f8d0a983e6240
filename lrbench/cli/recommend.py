"""``lrbench recommend``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completing import engines, settings, specs
from lrbench.cli.database import database_option, typed_again, users_database

if TYPE_CHECKING:
    from lrbench.report.recommendation import Commands
    from lrbench.tuning.recommending import Recommendation


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
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
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
    from lrbench.cli.output import check_writable
    from lrbench.executors.preparing import check_engine
    from lrbench.library.recommending import data_at_hand, recommendations
    from lrbench.metrics.target import check_target
    from lrbench.report.recommendation import Commands, asked_solver
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
    _show(found, Commands(str(spec), experiment.name, changes, solvers, typed_again(location)), form, output)
    return 0


def _show(found: list[Recommendation], commands: Commands, form: str, output: Path | None) -> None:
    from lrbench.cli.choosing import screen
    from lrbench.cli.output import write_output

    if form == "json":
        from lrbench.report.recommendation_export import recommendation_json

        write_output(recommendation_json(found, commands), output)
    else:
        from lrbench.report.recommendation import recommendation_text

        write_output(recommendation_text(found, commands, screen()).encode(), output)
