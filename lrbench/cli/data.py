"""``lrbench data``: Download, check and prepare data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import data_folder, home
from lrbench.cli.completion.candidates import data_sets
from lrbench.cli.setup import shown_progress
from lrbench.errors import DataError

if TYPE_CHECKING:
    from lrbench.data import Prepared


@click.group()
def data() -> None:
    """Download, check and prepare data sets.

    \b
    lrbench data list
    lrbench data prepare digits
    """


@data.command()
@click.argument("name", shell_complete=data_sets)
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to search for the files before downloading them.  [default: $LRBENCH_DATA]",
)
@click.option(
    "--allow-altered",
    is_flag=True,
    help="Accept files whose content differs from the published one; every report then says so.",
)
def prepare(name: str, source: Path | None, allow_altered: bool) -> None:
    """Prepare the data set NAME as LMDB, once: find or download its files, check and convert them.

    \b
    lrbench data prepare mnist
    lrbench data prepare cifar10 --from ~/cifar-10-batches-bin
    """
    from lrbench import data as data_sets

    title = data_sets.find_data_set(name).title
    try:
        ready = data_sets.find_intact(name, home())
    except DataError:  # damage is reported by ``prepare``, which repairs it
        ready = None
    if ready is not None:
        altered = ready.label != title and not allow_altered
        remedy = "; remove that folder to prepare it from the published files" if altered else ""
        click.echo(f"{ready.label} is already prepared in {ready.folder}{remedy}")
        return
    with shown_progress() as progress:
        made = data_sets.prepare(
            name, home(), source.absolute() if source else data_folder(), allow_altered=allow_altered, progress=progress
        )
    click.echo(
        f"{made.label}: {made.train_count} training and {made.test_count} test images of "
        f"{_shape(made)} in {made.folder}"
    )


@data.command("list")
def list_data_sets() -> None:
    """List the data sets, with the image counts, fingerprint and folder of those that are prepared.

    \b
    lrbench data list
    """
    from tabulate import tabulate

    from lrbench import data as data_sets

    rows = [_row(name) for name in data_sets.data_set_names()]
    click.echo(
        tabulate(
            rows,
            headers=("name", "data set", "train", "test", "shape", "fingerprint", "folder"),
            tablefmt="plain",
            disable_numparse=True,
        )
    )


def _row(name: str) -> tuple[str, ...]:
    from lrbench import data as data_sets

    try:
        prepared = data_sets.find_prepared(name, home())
    except DataError as error:
        return name, f"damaged: {error.message}", "", "", "", "", error.where or ""
    if prepared is None:
        return name, "not prepared", "", "", "", "", ""
    return (
        name,
        prepared.label,
        str(prepared.train_count),
        str(prepared.test_count),
        _shape(prepared),
        prepared.sha256[:12],
        str(prepared.folder),
    )


def _shape(prepared: Prepared) -> str:
    return "x".join(str(length) for length in prepared.shape)
