"""``lrbench watch``: Show the progress of active runs in the terminal."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.cli.options import paths_argument
from lrbench.errors import plain

if TYPE_CHECKING:
    from rich.table import Table

    from lrbench.report.active_runs import ActiveRun
    from lrbench.report.progress import ExperimentProgress

SECONDS = 2.0
GRACE_SECONDS = 6.0
"""Time without active runs that counts as the end: between two runs there is a moment without any."""

Show = Callable[[Sequence["ExperimentProgress"]], None]
wait = time.sleep


@click.command()
@paths_argument
@click.option("--once", is_flag=True, help="Show the current state once and exit.")
def watch(paths: Sequence[Path], once: bool) -> None:
    """Show the active runs in the results folders PATH... until all have ended.

    Shows the iteration, objective, learning rate and remaining time of every run, whichever process started it, and
    how far each experiment is. Without a terminal, prints a line for each new evaluation.

    \b
    lrbench watch results/
    lrbench watch results/ --once
    """
    from rich.console import Console

    from lrbench.report.formats import next_line
    from lrbench.report.progress import find_progress

    told = cache(lambda problem: click.echo(f"left out: {plain(problem)}", err=True))  # each problem once

    def look() -> list[ExperimentProgress]:
        found = find_progress(paths, "there is no run in this folder, so there is nothing to watch")
        for problem in (problem for each in found for problem in each.problems):
            told(problem)
        return [each for each in found if each.active]

    console, found = Console(), look()
    if found and once:
        console.print(_table(found)) if console.is_terminal else _Lines()(found)
        return
    if found:
        _follow(look, found, console.is_terminal)
    end = "all runs have ended" if found else "no runs are active"
    click.echo(end, err=True)
    click.echo(next_line(shlex.join(["lrbench", "report", *map(str, paths)])), err=True)


def _follow(
    look: Callable[[], Sequence[ExperimentProgress]], found: Sequence[ExperimentProgress], is_terminal: bool
) -> None:
    """Show the active runs until there have been none for a while."""
    if not is_terminal:
        _until_none(look, found, _Lines())
        return
    from rich.live import Live

    with Live(_table(found), transient=True, auto_refresh=False) as live:
        _until_none(look, found, lambda experiments: live.update(_table(experiments), refresh=True))


def _until_none(
    look: Callable[[], Sequence[ExperimentProgress]], found: Sequence[ExperimentProgress], show: Show
) -> None:
    idle = 0.0
    while idle < GRACE_SECONDS:
        show(found)
        wait(SECONDS)
        found = look()
        idle = 0.0 if found else idle + SECONDS


def _table(experiments: Sequence[ExperimentProgress]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from lrbench.report.active_runs import value_title

    runs = [run for each in experiments for run in each.active]
    places = len({run.place for run in runs}) > 1
    caption = Text("\n".join(plain(each.text) for each in experiments), justify="left")
    table = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("run", overflow="fold", ratio=1)
    for title in (*(["where"] if places else []), "iteration", value_title(runs), "best", "rate", "time left"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(Text(run.name), *([Text(run.place)] if places else []), *run.texts.values())
    return table


class _Lines:
    """A line for each run whenever it has a new evaluation, and one for its experiment where that has a plan."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __call__(self, experiments: Sequence[ExperimentProgress]) -> None:
        for each in experiments:
            new = [run for run in each.active if self._told.get(run.path) != run.iteration]
            for run in new:
                self._told[run.path] = run.iteration
                click.echo(_line(run))
            if new and each.planned is not None:
                click.echo(plain(each.text))


def _line(run: ActiveRun) -> str:
    if not run.iteration:
        return f"{run.name}: iteration {run.texts['iteration']}, not evaluated yet"
    form = "iteration {iteration}, {title} {value}, best {best}, rate {rate}, {left} left"
    return f"{run.name}: {form.format(title=run.objective.title, **run.texts)}"
