"""Preparation of data sets, with progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import data_folder, home, node_site
from lrbench.cli.output import tell

if TYPE_CHECKING:
    import rich.progress

    from lrbench.data import Prepared, Progress
    from lrbench.executors.base import Executor


def open_executor(text: str) -> Executor:
    """Return the executor of ``--executor``, which is closed when the command ends."""
    from lrbench.executors import registry

    executor = registry.open_executor(text, node_site)
    click.get_current_context().call_on_close(executor.close)
    return executor


def prepare_data(name: str) -> Prepared:
    """Return the data set of that name, which is prepared now unless it is already; progress is shown."""
    from lrbench.data import prepare

    with shown_progress() as progress:
        return prepare(name, home(), data_folder(), progress=progress)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield a ``Progress`` that draws on standard error."""
    if not sys.stderr.isatty():
        from lrbench.data.sources import in_lines

        yield in_lines(tell)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Display(*columns, console=Console(stderr=True)) as display:
        yield _Bars(display)


class _Bars:
    """A bar for each task; messages without an amount are lines above the bars."""

    def __init__(self, display: rich.progress.Progress) -> None:
        self._display = display
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def __call__(self, done: int, total: int, text: str) -> None:
        if not total:
            self._display.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        if text not in self._tasks:
            self._tasks[text] = self._display.add_task(text, total=total)
        self._display.update(self._tasks[text], completed=done, total=total)
