"""``lrbench clean``: Delete the snapshots of done runs."""

from __future__ import annotations

from pathlib import Path

import click

from lrbench.cli.options import format_option, output_option
from lrbench.cli.output import show


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Newest snapshots of each run to keep.",
)
@click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted.")
@format_option()
@output_option()
def clean(paths: tuple[Path, ...], keep: int, yes: bool, output_format: str, output: Path | None) -> None:
    """Delete the snapshots of done runs in the results folders PATH..., to free the disk.

    Shows first what would be deleted; --yes deletes it. Evaluations and everything that reports read stay. Snapshots of
    runs that are under way or can be resumed stay, too. `lrbench extend` goes on from a run's last snapshot, which
    `--keep 1` keeps.

    \b
    lrbench clean results/
    lrbench clean results/quickstart --keep 1 --yes
    """
    from lrbench.report.views.clean import Cleaning, clean_document
    from lrbench.runs.cleaning import delete_snapshots, find_snapshots
    from lrbench.runs.records import find_runs

    found = find_snapshots(find_runs(paths), keep)
    freed = sum(delete_snapshots(run, keep) for run in found if run.unneeded) if yes else None
    command = ["lrbench", "clean", *map(str, paths), *(["--keep", str(keep)] if keep else []), "--yes"]
    show(clean_document(Cleaning(found, freed, command)), output_format, output)
