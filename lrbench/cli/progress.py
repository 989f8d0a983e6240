"""Progress on standard error: a live line for each active run, or plain lines without a terminal."""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from lrbench.engines import base
from lrbench.executors.dispatcher import Outcome
from lrbench.executors.log_listener import LogListener, name_of
from lrbench.executors.plan import Task as RunTask
from lrbench.runs.evaluations import Evaluation

PLAIN_SECONDS = 30
BAR_WIDTH = 16
WIDTH_WITHOUT_BAR = 110
"""Columns for a label of some 50 characters and the numbers."""


class RunProgress(LogListener):
    """A context manager; use as ``with RunProgress(total) as listener``, without the total where nobody knows it."""

    def __init__(self, total: int | None = None) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        live = Progress(*_columns(self._console), console=self._console, transient=True)
        self._live = live if self._console.is_terminal else None
        self._total = total
        self._lock = threading.Lock()
        self._rows: dict[int, Any] = {}
        self._told: dict[int, float] = {}
        self._stack = ExitStack()

    def __enter__(self) -> RunProgress:
        if self._live is not None:
            self._stack.enter_context(self._live)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def started(self, task: RunTask) -> None:
        if self._live is None:
            super().started(task)
            return
        self.best[task.number] = math.nan
        total = task.experiment.workload.iterations
        self._rows[task.number] = self._live.add_task(name_of(task, self._total), total=total, iteration=f"0/{total}")

    def resumed(self, task: RunTask, iteration: int) -> None:
        super().resumed(task, iteration)
        if self._live is not None:
            self._live.reset(self._rows[task.number], completed=iteration)

    def progressed(self, task: RunTask, progress: base.Progress) -> None:
        best = self.best[task.number]
        total = task.experiment.workload.iterations
        numbers: dict[str, Any] = {
            "iteration": f"{progress.iteration}/{total}",
            "rate": f"lr {progress.rate:.3g}",
            "loss": f"loss {progress.loss:.3g}",
            "best": f"best {best:.2%}" if best == best else "",
        }
        if self._live is not None:
            self._live.update(self._rows[task.number], completed=progress.iteration, **numbers)
        elif time.monotonic() - self._told[task.number] > PLAIN_SECONDS:
            self.say(task, f"iteration {'  '.join(filter(None, numbers.values()))}")

    def evaluated(self, task: RunTask, evaluation: Evaluation) -> None:
        if self._live is None:
            super().evaluated(task, evaluation)
        else:
            self.note(task, evaluation)

    def ended(self, outcome: Outcome) -> None:
        if self._live is not None and outcome.task.number in self._rows:
            self._live.remove_task(self._rows.pop(outcome.task.number))
        super().ended(outcome)

    def say(self, task: RunTask, text: str) -> None:
        if self._live is None:
            self._told[task.number] = time.monotonic()
        line = f"{name_of(task, self._total)}  {text}"
        with self._lock, suppress(BrokenPipeError):  # the runs continue when nobody reads their progress
            if self._live is None:
                click.echo(line, err=True)
            else:
                self._console.print(Text(line), soft_wrap=True)


def _columns(console: Console) -> list[ProgressColumn]:
    """One line a run at any width: where it is narrow the bar goes first, then the label is cut; the numbers stay."""
    fixed = Column(no_wrap=True)
    return [
        _Label(),
        _Bar(console),
        *(_Number(name, fixed) for name in ("iteration", "rate", "loss", "best")),
        TimeRemainingColumn(compact=True, table_column=fixed),
    ]


class _Label(ProgressColumn):
    """The run's number and label; the only column that may be narrower than its text, which is then cut."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Bar(ProgressColumn):
    """A bar where the line has room for it."""

    def __init__(self, console: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self._console = console

    def render(self, task: Task) -> ProgressBar:
        width = min(BAR_WIDTH, max(0, self._console.width - WIDTH_WITHOUT_BAR))
        return ProgressBar(total=task.total, completed=task.completed, width=width)


class _Number(ProgressColumn):
    """A number of the run's, as it was last told; empty until then."""

    def __init__(self, name: str, column: Column) -> None:
        super().__init__(column)
        self._name = name

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get(self._name, "")))
