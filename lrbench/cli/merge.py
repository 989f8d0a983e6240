"""``lrbench merge``: Merge the results of machines without a common disk."""

from __future__ import annotations

from pathlib import Path

import click

from lrbench.cli.options import PATH, format_option
from lrbench.cli.output import show


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=PATH)
@click.option("-o", "--output", type=PATH, metavar="PATH", required=True, help="New folder or file of the union.")
@format_option()
def merge(sources: tuple[Path, ...], output: Path, output_format: str) -> int:
    """Merge results folders, the journals of searches, or policy databases in SQLite files into a new one.

    The union is by run id. Of a run that several sources have, the one that came farthest is taken, of equals the
    first; where two disagree on a value, the run is named, and the exit code is 1. Sources are only read; runs in
    training are left out and named. Journals in results folders are merged with their runs.

    \b
    lrbench merge laptop/results server/results -o results
    lrbench merge a.sqlite b.sqlite -o policies.sqlite
    """
    from lrbench.report.views.merge import merge_document
    from lrbench.tuning.merging import merge as merge_sources

    merged = merge_sources(sources, output)
    show(merge_document(merged), output_format)
    return 1 if merged.conflicts else 0
