"""``lrbench clean``: Delete the snapshots of done runs, and samples stored in the order of a seed."""

from __future__ import annotations

from pathlib import Path

import click

from lrbench.cli.options import format_option, output_option
from lrbench.cli.output import show
from lrbench.errors import UsageError


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Newest snapshots of each run to keep.",
)
@click.option(
    "--orders",
    is_flag=True,
    help="The training samples in LRBench's data folder in the orders of seeds, too, which runs make again.",
)
@click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted.")
@format_option()
@output_option()
def clean(paths: tuple[Path, ...], keep: int, orders: bool, yes: bool, output_format: str, output: Path | None) -> None:
    """Delete the snapshots of done runs in the results folders PATH..., to free the disk.

    Shows first what would be deleted; --yes deletes it. Evaluations and everything that reports read stay. Snapshots of
    runs that are under way or can be resumed stay, too. `lrbench extend` goes on from a run's last snapshot, which
    `--keep 1` keeps.

    \b
    lrbench clean results/
    lrbench clean results/quickstart --keep 1 --yes
    lrbench clean --orders
    """
    from lrbench.api.environment import home
    from lrbench.data.order import delete_ordered, find_ordered
    from lrbench.report.views.clean import Cleaning, clean_document
    from lrbench.runs.cleaning import delete_snapshots, find_snapshots
    from lrbench.runs.records import find_runs

    if not paths and not orders:
        raise UsageError("there is nothing to clean", remedy="give a results folder, or --orders")
    found = find_snapshots(find_runs(paths), keep) if paths else []
    ordered = find_ordered(home() / "data") if orders else None
    freed = None
    if yes:
        freed = sum(delete_snapshots(run, keep) for run in found if run.unneeded)
        freed += sum(map(delete_ordered, ordered or ()))
    given = [*map(str, paths), *(["--keep", str(keep)] if keep else []), *(["--orders"] if orders else [])]
    cleaning = Cleaning(found, freed, ["lrbench", "clean", *given, "--yes"], ordered)
    show(clean_document(cleaning), output_format, output)
