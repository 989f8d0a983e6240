"""``lrbench parity``: Compare an engine with Caffe: losses, weights, accuracy."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import site
from lrbench.cli.completion.candidates import engines
from lrbench.cli.options import set_option, spec_argument
from lrbench.cli.setup import prepare_data
from lrbench.errors import SpecError
from lrbench.limits import MOST_ITERATIONS

if TYPE_CHECKING:
    from lrbench.engines.parity import Parity
    from lrbench.spec.experiment import Experiment

SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@click.command()
@spec_argument
@click.option(
    "--engine", default="torch", show_default=True, shell_complete=engines, help="Engine to compare with Caffe."
)
@click.option(
    "--iterations",
    type=click.IntRange(2, MOST_ITERATIONS),
    default=50,
    show_default=True,
    help="Iterations to compare.",
)
@set_option
def parity(spec: Path, engine: str, iterations: int, overrides: Sequence[str]) -> int:
    """Compare the training of an engine with Caffe's on the first run of SPEC.

    Both start from the same weights and use the same batches and rates, without random crops, mirroring and dropout. As
    controls, Caffe is compared with itself, with other numbers of BLAS threads and with the last bit of its initial
    weights changed; the engine may differ from Caffe by at most three times the largest difference of the controls.
    Otherwise two other seeds are compared, since a value within rounding error of a kink may fall on either side by
    chance. Exit code: 0 if the engine agrees with Caffe for this seed or for both others, 1 if not.

    \b
    lrbench parity configs/mnist_lenet.yaml
    """
    from lrbench.engines.base import NetJob
    from lrbench.engines.parity import OTHER_SEEDS, compare, confirm
    from lrbench.engines.registry import open_engine
    from lrbench.executors import plan
    from lrbench.executors.setup import find_data
    from lrbench.spec.reading import read_experiment

    experiment = read_experiment(spec, overrides)
    experiment.net_workload  # noqa: B018 - refuses a program
    _check_precision(experiment)
    engines = [open_engine(name, site()) for name in ("caffe", engine)]
    task = plan.tasks(experiment, find_data(experiment, prepare_data), Path("results"))[0]
    click.echo(f"{task.label}, {iterations} iterations on Caffe, on Caffe with other threads, on {engine}", err=True)
    with tempfile.TemporaryDirectory(prefix="lrbench-parity-") as folder:
        job = task.job(folder=Path(folder))
        assert isinstance(job, NetJob)
        found = compare(engines[0], engines[1], job, iterations)
        _show(found, engine)
        failures = found.failures()
        for line in failures:
            click.echo(f"deviates: {line}")
        for line in found.differing_entries() if failures else []:
            click.echo(f"differs: {line}")
        if failures:
            click.echo(f"deviation with seed {job.seed}: comparing {OTHER_SEEDS} other seeds", err=True)
        others = confirm(engines[0], engines[1], job, iterations) if failures else {}
    return _verdict(engine, job.seed, bool(failures), others)


def _check_precision(experiment: Experiment) -> None:
    """Refuse a precision other than Caffe's, since the comparison would measure the precision."""
    precision = experiment.settings.engine.precision
    if precision != "float32":
        with experiment.document.placing("engine", "precision"):
            raise SpecError(
                f"engine.precision is {precision!r}, but Caffe computes in float32",
                remedy="leave it out, or type --set engine.precision=float32",
            )


def _verdict(engine: str, seed: int, parted: bool, others: Mapping[int, list[str]]) -> int:
    """Print the verdict and return the exit code: the engine deviates if it also does with a further seed."""
    also = [other for other, failures in others.items() if failures]
    for other, failures in others.items():
        click.echo(f"seed {other}: {'; '.join(failures) or 'agrees with Caffe'}")
    chance = f"; the deviation with seed {seed} alone can come from a value within rounding error of a kink"
    agreement = f"agrees with Caffe{chance}" if parted else "agrees with Caffe"
    click.echo(f"verdict: {engine} {'deviates from Caffe' if also else agreement}")
    return 1 if also else 0


def _show(found: Parity, engine: str) -> None:
    from tabulate import tabulate

    ours, control = found.loss_distances
    rows = [
        (
            number,
            f"{found.rates[number - 1]:.6g}",
            f"{found.caffe.losses[number - 1]:.6f}",
            f"{found.engine.losses[number - 1]:.6f}",
            f"{ours[number - 1]:.2g}",
            f"{control[number - 1]:.2g}",
        )
        for number in sorted({*(n for n in SHOWN if n <= len(found.rates)), len(found.rates)})
    ]
    click.echo(
        tabulate(
            rows,
            ("iteration", "rate", "loss, Caffe", f"loss, {engine}", "difference", "control difference"),
            disable_numparse=True,
            stralign="right",
        )
    )
    weights, control_weights = found.weight_distances
    first, first_control = (max(column) for column in zip(*found.first_update_distances.values(), strict=True))
    click.echo(f"difference of the first updates: at most {first:.2g} of their norm, control {first_control:.2g}")
    click.echo(f"difference of the final weights: {weights:.2g} of the whole update, control {control_weights:.2g}")
    click.echo(
        f"accuracy of the initial weights: Caffe {found.initial_accuracies[0]:.4f}, "
        f"{engine} {found.initial_accuracies[1]:.4f}; at the end: Caffe {found.caffe.accuracy:.4f}, "
        f"{engine} {found.engine.accuracy:.4f}"
    )
