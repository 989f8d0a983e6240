"""``lrbench parity``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completion.candidates import engines, settings, specs
from lrbench.limits import MOST_ITERATIONS

if TYPE_CHECKING:
    from lrbench.engines.parity import Parity
    from lrbench.spec.experiment import Experiment

SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@click.command()
@click.argument("spec", type=click.Path(path_type=Path), shell_complete=specs)
@click.option(
    "--engine", default="torch", show_default=True, shell_complete=engines, help="The engine to hold to Caffe."
)
@click.option(
    "--iterations", type=click.IntRange(2, MOST_ITERATIONS), default=50, show_default=True, help="How many to compare."
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=settings,
    help="Override a value of the spec.",
)
def parity(spec: Path, engine: str, iterations: int, overrides: Sequence[str]) -> int:
    """Show whether an engine trains the first run of SPEC as real Caffe does.

    Both start from the same weights and see the same batches and rates; random crops, mirroring and dropout are
    left out. The controls are Caffe against itself with other numbers of BLAS threads, and with the last bit of its
    initial weights changed: the engine may part from Caffe by at most three times as much as the farthest of them.
    Where it does not hold, two other seeds are compared, as a value within rounding of a kink may tip over by chance.
    Exit code 0 where it holds with this seed or with both others, 1 where they part.

    \b
    lrbench parity configs/mnist_lenet.yaml
    """
    from lrbench.cli.setup import prepare_data
    from lrbench.engines.parity import OTHER_SEEDS, compare, confirm
    from lrbench.engines.registry import open_engine
    from lrbench.executors import plan
    from lrbench.executors.preparing import find_data
    from lrbench.library.surroundings import site
    from lrbench.spec.experiment import read_experiment

    experiment = read_experiment(spec, overrides)
    _check_precision(experiment)
    engines = [open_engine(name, site()) for name in ("caffe", engine)]
    task = plan.tasks(experiment, find_data(experiment, prepare_data), Path("results"))[0]
    click.echo(f"{task.label}, {iterations} iterations on Caffe, on Caffe with other threads, on {engine}", err=True)
    with tempfile.TemporaryDirectory(prefix="lrbench-parity-") as folder:
        job = task.job(folder=Path(folder))
        found = compare(engines[0], engines[1], job, iterations)
        _show(found, engine)
        failures = found.failures()
        for line in failures:
            click.echo(f"part: {line}")
        for line in found.differing_entries() if failures else []:
            click.echo(f"differs: {line}")
        if failures:
            click.echo(f"they part with seed {job.seed}: comparing with {OTHER_SEEDS} other seeds", err=True)
        others = confirm(engines[0], engines[1], job, iterations) if failures else {}
    return _verdict(engine, job.seed, bool(failures), others)


def _check_precision(experiment: Experiment) -> None:
    """Refuse a precision that is not Caffe's: what would be compared is the precision."""
    from lrbench.errors import SpecError

    precision = experiment.settings.engine.precision
    if precision != "float32":
        with experiment.document.placing("engine", "precision"):
            raise SpecError(
                f"engine.precision is {precision!r}, and an engine is held to Caffe in float32",
                remedy="leave it out, or type --set engine.precision=float32",
            )


def _verdict(engine: str, seed: int, parted: bool, others: Mapping[int, list[str]]) -> int:
    """The last line, and the exit code: they part where they do with a further seed, too."""
    also = [other for other, failures in others.items() if failures]
    for other, failures in others.items():
        click.echo(f"seed {other}: {'; '.join(failures) or 'as Caffe'}")
    chance = f"; with seed {seed} alone they part, as a value within rounding of a kink can do" if parted else ""
    click.echo(f"verdict: {engine} {'parts from Caffe' if also else f'trains as Caffe does{chance}'}")
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
            ("iteration", "rate", "loss, Caffe", f"loss, {engine}", "apart", "control apart"),
            disable_numparse=True,
            stralign="right",
        )
    )
    weights, control_weights = found.weight_distances
    first, first_control = (max(column) for column in zip(*found.first_update_distances.values(), strict=True))
    click.echo(f"first updates: at most {first:.2g} of their norm apart, control {first_control:.2g}")
    click.echo(f"weights at the end: {weights:.2g} of the whole update apart, control {control_weights:.2g}")
    click.echo(
        f"accuracy of the initial weights: Caffe {found.initial_accuracies[0]:.4f}, "
        f"{engine} {found.initial_accuracies[1]:.4f}; at the end: Caffe {found.caffe.accuracy:.4f}, "
        f"{engine} {found.engine.accuracy:.4f}"
    )
