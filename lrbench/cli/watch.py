"""``lrbench watch``: Show the progress of active runs in the terminal."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.options import paths_argument
from lrbench.errors import plain

if TYPE_CHECKING:
    from rich.table import Table

    from lrbench.report.active_runs import ActiveRun

SECONDS = 2.0
GRACE_SECONDS = 6.0
"""Time without active runs that counts as the end: between two runs there is a moment without any."""

Show = Callable[[Sequence["ActiveRun"]], None]
wait = time.sleep


@click.command()
@paths_argument
@click.option("--once", is_flag=True, help="Show the current state once and exit.")
def watch(paths: Sequence[Path], once: bool) -> None:
    """Show the active runs in the results folders PATH... until all have ended.

    Shows the iteration, objective, learning rate and remaining time of every run, whichever process started it. Without
    a terminal, prints a line for each new evaluation.

    \b
    lrbench watch results/
    lrbench watch results/ --once
    """
    from rich.console import Console

    from lrbench.report.active_runs import find_active_runs
    from lrbench.report.formats import next_line

    leave_out = cache(lambda problem: click.echo(f"left out: {plain(problem)}", err=True))  # each problem once
    console, look = Console(), partial(find_active_runs, paths, leave_out)
    found = look()
    if found and once:
        console.print(_table(found)) if console.is_terminal else _Lines()(found)
        return
    if found:
        _follow(look, found, console.is_terminal)
    end = "all runs have ended" if found else "no runs are active"
    click.echo(end, err=True)
    click.echo(next_line(shlex.join(["lrbench", "report", *map(str, paths)])), err=True)


def _follow(look: Callable[[], Sequence[ActiveRun]], found: Sequence[ActiveRun], is_terminal: bool) -> None:
    """Show the active runs until there have been none for a while."""
    if not is_terminal:
        _until_none(look, found, _Lines())
        return
    from rich.live import Live

    with Live(_table(found), transient=True, auto_refresh=False) as live:
        _until_none(look, found, lambda runs: live.update(_table(runs), refresh=True))


def _until_none(look: Callable[[], Sequence[ActiveRun]], found: Sequence[ActiveRun], show: Show) -> None:
    idle = 0.0
    while idle < GRACE_SECONDS:
        show(found)
        wait(SECONDS)
        found = look()
        idle = 0.0 if found else idle + SECONDS


def _table(runs: Sequence[ActiveRun]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from lrbench.report.active_runs import value_title

    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="fold", ratio=1)
    for title in ("iteration", value_title(runs), "best", "rate", "time left"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(Text(run.name), *run.texts.values())
    return table


class _Lines:
    """A line for each run whenever it has a new evaluation."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __call__(self, runs: Sequence[ActiveRun]) -> None:
        for run in runs:
            if self._told.get(run.path) != run.iteration:
                self._told[run.path] = run.iteration
                click.echo(_line(run))


def _line(run: ActiveRun) -> str:
    if not run.iteration:
        return f"{run.name}: iteration {run.texts['iteration']}, not evaluated yet"
    form = "iteration {iteration}, {title} {value}, best {best}, rate {rate}, {left} left"
    return f"{run.name}: {form.format(title=run.objective.title, **run.texts)}"
