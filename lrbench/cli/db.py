"""``lrbench db``: the policy database."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.completion.candidates import data_sets, engines, entries, function_names, net_names, solver_types
from lrbench.cli.completion.candidates import results as run_folders
from lrbench.cli.database import database_option, typed_again, users_database
from lrbench.cli.output import format_option, show

if TYPE_CHECKING:
    from lrbench.tuning.database import Added, Collected, Entry

MOST_LINES = 10


@click.group()
def db() -> None:
    """Keep what was measured of which policy on which workload.

    \b
    lrbench db add results/mnist_lenet          add the runs that are done
    lrbench db list --dataset mnist --target 0.989
    lrbench db show ID

    A new database holds the results that LRBench ships, marked as such.
    """


@db.command()
@click.argument(
    "results",
    nargs=-1,
    required=True,
    metavar="RESULTS...",
    type=click.Path(path_type=Path),
    shell_complete=run_folders,
)
@click.option("--note", metavar="TEXT", help="Kept with the runs.")
@database_option
def add(results: Sequence[Path], note: str | None, location: str | None) -> None:
    """Add the runs in RESULTS..., results folders or run folders, that reached an outcome.

    More seeds of a policy join its entry. What is there already stays as it is, so that the same folder may be added
    again at any time.

    \b
    lrbench db add results/
    lrbench db add results/mnist_lenet --note "laptop, two cores"
    """
    from lrbench.tuning.database import collect

    found = collect(results, note)
    with users_database(location) as database:
        added = database.add(found.entries)
        _tell(found)
        click.echo(f"{database.shown}: {_sum(added)}", err=True)


@db.command("list")
@click.option("--function", metavar="NAME", shell_complete=function_names, help="Only policies of this LR function.")
@click.option(
    "--net", metavar="NAME", shell_complete=net_names, help="Only this net: its name, or the beginning of its SHA-256."
)
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=data_sets,
    help="Only this data set: its name, or the beginning of its SHA-256.",
)
@click.option("--solver", metavar="TYPE", shell_complete=solver_types, help="Only this solver type.")
@click.option("--engine", metavar="NAME", shell_complete=engines, help="Only this engine.")
@click.option("--target", type=float, metavar="A", help="Rank by the iterations to this accuracy, a fraction.")
@format_option()
@database_option
def list_entries(form: str, target: float | None, location: str | None, **names: str | None) -> None:
    """Show the entries, a table for each workload, the best policy first.

    \b
    lrbench db list
    lrbench db list --dataset mnist --target 0.989 --format csv
    """
    from lrbench.metrics.target import check_target
    from lrbench.report.document import Command
    from lrbench.report.render import for_programs
    from lrbench.report.views.database import Listing, listing_document
    from lrbench.tuning.database import EntryQuery

    check_target(target, "--target")
    with users_database(location) as database:
        found = database.entries(
            EntryQuery(
                function=names["function"],
                net=names["net"],
                dataset=names["dataset"],
                solver=names["solver"],
                engine=names["engine"],
            )
        )
        if not found:
            click.echo(f"none of the {len(database)} entries of {database.shown} fits", err=True)
    if not found and not for_programs(form):
        return
    listing, command = Listing(found, target), None
    if found:
        best = listing.workloads()[0][1][0]
        first = shlex.join(["lrbench", "db", "show", best.id[:8], *typed_again(location)])
        command = Command(first, "everything of one entry, by its id")
    show(listing_document(listing, command), form)


@db.command("show")
@click.argument("id_", metavar="ID", shell_complete=entries)
@format_option()
@database_option
def show_entry(id_: str, form: str, location: str | None) -> None:
    """Show all of the entry ID, which may be cut short: every metric, every run, and where they come from.

    \b
    lrbench db show ba1757c8
    """
    from lrbench.report.views.database import entry_document

    with users_database(location) as database:
        entry = database.entry(id_)
    show(entry_document(entry), form)


@db.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to the screen.")
@database_option
def export(output: Path | None, location: str | None) -> None:
    """Write every entry as a line of JSON, for `lrbench db import`.

    \b
    lrbench db export -o policies.jsonl
    """
    from lrbench.cli.output import check_writable, write_output
    from lrbench.tuning.database import to_lines

    if output is not None:
        check_writable(output)
    with users_database(location) as database:
        content = to_lines(database.entries())
    write_output(content, output)


@db.command("import")
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(path_type=Path))
@click.option("--shipped", is_flag=True, help="The entries that this version of LRBench ships.")
@database_option
def import_entries(file: Path | None, shipped: bool, location: str | None) -> None:
    """Add the entries of FILE, which `lrbench db export` wrote: all of them, or none where one is wrong.

    \b
    lrbench db import policies.jsonl
    lrbench db import --shipped
    """
    from lrbench.tuning.database import shipped_entries

    if (file is None) != shipped:
        raise click.UsageError("give a FILE, or --shipped")
    entries = shipped_entries() if file is None else _read(file)
    with users_database(location) as database:
        click.echo(f"{database.shown}: {_sum(database.add(entries))}", err=True)


def _read(file: Path) -> list[Entry]:
    from lrbench.errors import DatabaseError
    from lrbench.storage import read_regular, reason
    from lrbench.tuning.database import from_lines

    try:
        content = read_regular(file)
    except OSError as error:
        raise DatabaseError(reason(error), where=str(file), remedy="give a file of `lrbench db export`") from None
    return from_lines(content, str(file))


def _tell(found: Collected) -> None:
    """Name what is left out, one line each, but never thousands of them."""
    from lrbench.errors import plain
    from lrbench.report.formats import status_counts

    for problem in found.problems[:MOST_LINES]:
        click.echo(f"left out: {plain(problem)}", err=True)
    if len(found.problems) > MOST_LINES:
        click.echo(f"left out: {len(found.problems) - MOST_LINES} more that cannot be read", err=True)
    if found.unfinished:
        click.echo(f"left out, without an outcome: {status_counts(found.unfinished)}", err=True)


def _sum(added: Added) -> str:
    known = f"; {_count(added.known, 'run')} there already" if added.known else ""
    if not added.runs:
        return f"nothing new{known}"
    return (
        f"{_count(added.runs, 'new run')}: {_count(added.entries, 'new entry')}, {_count(added.grown, 'entry')} "
        f"with more runs{known}"
    )


def _count(number: int, what: str) -> str:
    if number != 1:
        what = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what}"
