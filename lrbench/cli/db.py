"""``lrbench db``: Store, query and exchange measured results of policies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completion.candidates import data_sets, engines, entries, function_names, net_names, solver_types
from lrbench.cli.options import (
    database_option,
    format_option,
    output_option,
    paths_argument,
    target_option,
    typed_again,
    users_database,
)
from lrbench.cli.output import show, write_output
from lrbench.errors import DatabaseError, plain
from lrbench.report.formats import counted, status_counts
from lrbench.report.render import for_programs

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget
    from lrbench.tuning.database.collect import Collected
    from lrbench.tuning.database.database import Added
    from lrbench.tuning.database.entry import Entry

MOST_LINES = 10


@click.group()
def db() -> None:
    """Store, query and exchange measured results of policies.

    \b
    lrbench db add results/mnist_lenet          add the runs that have ended
    lrbench db list --dataset mnist --target 0.989
    lrbench db show ID

    A new database contains the results that LRBench ships, marked as such.
    """


@db.command()
@paths_argument
@click.option("--note", metavar="TEXT", help="Note to store with the runs.")
@database_option
def add(paths: Sequence[Path], note: str | None, location: str | None) -> None:
    """Add the finished, stopped and diverged runs at PATH..., which are results folders or run folders.

    Runs of further seeds are added to their policy's entry, and known runs are skipped, so a folder can be added again
    at any time.

    \b
    lrbench db add results/
    lrbench db add results/mnist_lenet --note "laptop, two cores"
    """
    from lrbench.tuning.database.collect import collect

    found = collect(paths, note)
    with users_database(location) as database:
        added = database.add(found.entries)
        _tell(found)
        click.echo(f"{database.shown}: {_sum(added)}", err=True)


@db.command("list")
@click.option("--function", metavar="NAME", shell_complete=function_names, help="Only policies of this LR function.")
@click.option(
    "--net",
    metavar="NAME",
    shell_complete=net_names,
    help="Only this net or program: its name, or a prefix of its SHA-256.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=data_sets,
    help="Only this data set: its name, or a prefix of its SHA-256.",
)
@click.option("--solver", metavar="TYPE", shell_complete=solver_types, help="Only this solver type.")
@click.option("--engine", metavar="NAME", shell_complete=engines, help="Only this engine.")
@target_option("Rank by the iterations to this target: an accuracy, a fraction, or METRIC=VALUE.")
@format_option()
@database_option
def list_entries(output_format: str, target: AnyTarget | None, location: str | None, **names: str | None) -> None:
    """List the entries, in a table per workload, the best policy first.

    \b
    lrbench db list
    lrbench db list --dataset mnist --target 0.989 --format csv
    """
    from lrbench.report.views.database import listing_document
    from lrbench.tuning.database.schema import EntryQuery

    with users_database(location) as database:
        found = database.entries(EntryQuery(**names))  # type: ignore[arg-type] # its fields of these names are texts
        if not found:
            click.echo(f"none of the {len(database)} entries of {database.shown} matches", err=True)
    if not found and not for_programs(output_format):
        return
    show(listing_document(found, target, typed_again(location)), output_format)


@db.command("show")
@click.argument("id_", metavar="ID", shell_complete=entries)
@format_option()
@database_option
def show_entry(id_: str, output_format: str, location: str | None) -> None:
    """Show the entry with this ID, which may be abbreviated: every metric, every run and their origin.

    \b
    lrbench db show ba1757c8
    """
    from lrbench.report.views.database import entry_document

    with users_database(location) as database:
        entry = database.entry(id_)
    show(entry_document(entry), output_format)


@db.command()
@output_option()
@database_option
def export(output: Path | None, location: str | None) -> None:
    """Write every entry as a line of JSON, for `lrbench db import`.

    \b
    lrbench db export -o policies.jsonl
    """
    from lrbench.tuning.database.lines import to_lines

    with users_database(location) as database:
        content = to_lines(database.entries())
    write_output(content, output)


@db.command("import")
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(path_type=Path))
@click.option("--shipped", is_flag=True, help="Import the entries that this version of LRBench ships.")
@database_option
def import_entries(file: Path | None, shipped: bool, location: str | None) -> None:
    """Import the entries of FILE, written by `lrbench db export`: all of them, or none if one is invalid.

    \b
    lrbench db import policies.jsonl
    lrbench db import --shipped
    """
    from lrbench.tuning.database.lines import shipped_entries

    if (file is None) != shipped:
        raise click.UsageError("give a FILE, or --shipped")
    entries = shipped_entries() if file is None else _read(file)
    with users_database(location) as database:
        click.echo(f"{database.shown}: {_sum(database.add(entries))}", err=True)


def _read(file: Path) -> list[Entry]:
    from lrbench.storage import read_regular, reason
    from lrbench.tuning.database.lines import from_lines

    try:
        content = read_regular(file)
    except OSError as error:
        raise DatabaseError(reason(error), where=str(file), remedy="give a file of `lrbench db export`") from None
    return from_lines(content, str(file))


def _tell(found: Collected) -> None:
    """Name what is left out, one line each, but never thousands of them."""
    for problem in found.problems[:MOST_LINES]:
        click.echo(f"left out: {plain(problem)}", err=True)
    if len(found.problems) > MOST_LINES:
        click.echo(f"left out: {len(found.problems) - MOST_LINES} more that cannot be read", err=True)
    if found.unfinished:
        click.echo(f"left out, without an outcome: {status_counts(found.unfinished)}", err=True)


def _sum(added: Added) -> str:
    known = f"; {counted(added.known, 'run', 'runs')} already stored" if added.known else ""
    if not added.runs:
        return f"nothing new{known}"
    runs, grown = counted(added.runs, "new run", "new runs"), counted(added.grown, "entry", "entries")
    return f"{runs}: {counted(added.entries, 'new entry', 'new entries')}, {grown} with more runs{known}"
