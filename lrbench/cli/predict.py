"""``lrbench predict``: Predict the final loss of policies that were not run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lrbench.cli.completion.candidates import results
from lrbench.cli.options import PATH, format_option, output_option, overrides_options, spec_argument
from lrbench.cli.output import show, tell
from lrbench.errors import plain


@click.command()
@spec_argument
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="PATH",
    required=True,
    shell_complete=results,
    help="Loss curves to fit: a folder with runs of the spec's workload, or a CSV file with the columns policy (or "
    "run), seed, iteration, learning_rate and loss.",
)
@click.option("--loss", default="test_loss", show_default=True, metavar="NAME", help="Metric of the runs to predict.")
@click.option(
    "--leave-out",
    "left_out",
    multiple=True,
    metavar="POLICY",
    help="Policy whose runs are not fitted, such as one that diverged. Can be repeated.",
)
@click.option(
    "--grid", is_flag=True, help="Also predict policies of named families at the peak rates that were fitted."
)
@overrides_options
@format_option()
@output_option()
def predict(
    spec: Path,
    source: Path,
    loss: str,
    left_out: Sequence[str],
    grid: bool,
    overrides: Sequence[str],
    output_format: str,
    output: Path | None,
) -> int:
    """Predict the final loss of the policies of SPEC that were not run, and rank them; nothing is trained.

    Laws of the loss are fitted to at least three stored curves, two of them of policies that anneal in different
    shapes. What the curves say nothing about is refused, with the reason: higher peak rates, rates kept high for
    longer, runs more than four times as long, annealing that is cut off. Where the law fits worse than 2 %, only ranks
    are given, from at least five curves.

    \b
    lrbench predict configs/mnist_lenet.yaml --from results/mnist_lenet
    lrbench predict configs/mnist_lenet.yaml --from curves.csv --grid --format json
    """
    from lrbench.api.recommendations import data_at_hand
    from lrbench.executors.setup import check_engine
    from lrbench.predicting.experiment import comparable_with, predict_experiment
    from lrbench.predicting.reading import read_curves
    from lrbench.report.views.predict import TrainCommand, predict_document
    from lrbench.spec.reading import read_experiment

    experiment = read_experiment(spec, overrides)
    check_engine(experiment)
    read = read_curves(source, comparable_with(experiment, data_at_hand(experiment)), loss, left_out)
    for note in read.notes:
        tell(plain(note))
    result = predict_experiment(experiment, read.curves, loss, grid=grid)
    show(predict_document(result, TrainCommand(str(spec), tuple(overrides))), output_format, output)
    return 0
