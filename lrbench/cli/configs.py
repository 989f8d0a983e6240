"""``lrbench configs``: List the ready specs and copy one."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lrbench.cli.completion.candidates import ready_specs
from lrbench.cli.output import check_writable, write_output
from lrbench.errors import UsageError

SUMMARY_WIDTH = 60


@click.group(invoke_without_command=True)
@click.pass_context
def configs(context: click.Context) -> None:
    """List LRBench's ready specs: what each does, its data set, its engine and its command.

    \b
    lrbench configs
    lrbench configs copy mnist_lenet
    """
    if context.invoked_subcommand is not None:
        return
    from tabulate import tabulate

    from lrbench.spec.ready import ready_specs

    rows = [(spec.name, spec.summary, spec.dataset, spec.engine, spec.command) for spec in ready_specs()]
    headers = ["name", "what it does", "data set", "engine", "command"]
    click.echo(tabulate(rows, headers, tablefmt="simple", maxcolwidths=[None, SUMMARY_WIDTH, None, None, None]))
    click.echo("\nnext: lrbench configs copy NAME   # into this folder", err=True)


@configs.command()
@click.argument("name", shell_complete=ready_specs)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def copy(name: str, folder: Path, force: bool) -> None:
    """Copy the ready spec NAME into DIR, by default the working folder, as NAME.yaml.

    \b
    lrbench configs copy quickstart
    lrbench configs copy tune_digits specs/ --force
    """
    from lrbench.report.formats import next_line
    from lrbench.spec.ready import find_ready_spec

    spec = find_ready_spec(name)
    path = folder / spec.path.name
    check_writable(path, "DIR")
    if path.exists() and not force:
        raise UsageError("exists", where=str(path), remedy="give another DIR, or add --force to replace it")
    write_output(spec.path.read_bytes(), path)
    options = " --dry-run" if spec.command == "run" else ""
    click.echo(next_line(f"lrbench {spec.command} {shlex.quote(str(path))}{options}", spec.summary), err=True)
