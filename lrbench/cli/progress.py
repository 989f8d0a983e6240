"""Progress on standard error: a live line for each run under way, or plain lines where there is no terminal."""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from lrbench.engines import base
from lrbench.errors import plain
from lrbench.executors.local import Listener, Outcome
from lrbench.executors.plan import Task as RunTask

PLAIN_SECONDS = 30
BAR_WIDTH = 16
WIDTH_WITHOUT_BAR = 110
"""Columns for a label of some 50 characters and the numbers."""


class RunProgress(Listener):
    """A context manager; use as ``with RunProgress(total) as listener``, without the total where nobody knows it."""

    def __init__(self, total: int | None = None) -> None:
        self._console = Console(stderr=True)
        self._live = Progress(
            *_columns(self._console), console=self._console, transient=True) if self._console.is_terminal else None
        self._total, self._width = total, len(str(total or ''))
        self._lock = threading.Lock()
        self._rows: dict[int, Any] = {}
        self._best: dict[int, float] = {}
        self._told: dict[int, float] = {}
        self._stack = ExitStack()

    def __enter__(self) -> RunProgress:
        if self._live is not None:
            self._stack.enter_context(self._live)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()

    def started(self, task: RunTask) -> None:
        self._best[task.number] = math.nan
        self._told[task.number] = time.monotonic()
        if self._live is None:
            self._say(task, "started")
        else:
            total = task.experiment.workload.iterations
            self._rows[task.number] = self._live.add_task(self._name(task), total=total, iteration=f"0/{total}")

    def resumed(self, task: RunTask, iteration: int) -> None:
        self._say(task, f"goes on from iteration {iteration}")
        if self._live is not None:
            self._live.reset(self._rows[task.number], completed=iteration)

    def restarted(self, task: RunTask, reason: str) -> None:
        self._say(task, plain(reason))

    def noticed(self, task: RunTask, text: str) -> None:
        self._say(task, plain(text))

    def progressed(self, task: RunTask, progress: base.Progress) -> None:
        best = self._best[task.number]
        total = task.experiment.workload.iterations
        numbers: dict[str, Any] = {
            "iteration": f"{progress.iteration}/{total}", "rate": f"lr {progress.rate:.3g}",
            "loss": f"loss {progress.loss:.3g}", "best": f"best {best:.2%}" if best == best else "",
        }
        if self._live is not None:
            self._live.update(self._rows[task.number], completed=progress.iteration, **numbers)
        elif time.monotonic() - self._told[task.number] > PLAIN_SECONDS:
            self._say(task, f"iteration {'  '.join(filter(None, numbers.values()))}")

    def evaluated(self, task: RunTask, row: dict[str, Any]) -> None:
        accuracy = row["accuracy_top1"]
        best = self._best[task.number]
        if accuracy != accuracy:
            return  # the end of the run, which comes next, says why
        self._best[task.number] = accuracy if not best >= accuracy else best
        if self._live is None:
            self._say(task, f"iteration {row['iteration']}  lr {row['learning_rate']:.3g}  "
                            f"loss {row['train_loss']:.4g}  accuracy {accuracy:.2%}")

    def held_elsewhere(self, task: RunTask) -> None:
        self._say(task, "another process is running it: waiting for that at the end")

    def ended(self, outcome: Outcome) -> None:
        if self._live is not None and outcome.task.number in self._rows:
            self._live.remove_task(self._rows.pop(outcome.task.number))
        if outcome.how != "skipped":  # those are counted at the end
            self._say(outcome.task, self._ending(outcome))

    def _ending(self, outcome: Outcome) -> str:
        status = outcome.status
        reason = f": {plain(status.reason)}" if status.reason else ""
        best = self._best.get(outcome.task.number, math.nan)
        found = f", best accuracy {best:.2%}" if best == best else ""
        return f"{status.status} at iteration {status.iteration}{found}{reason}"

    def _say(self, task: RunTask, text: str) -> None:
        if self._live is None:
            self._told[task.number] = time.monotonic()
        line = f"{self._name(task)}  {text}"
        with self._lock, suppress(BrokenPipeError):  # the runs go on when nobody reads of them any more
            if self._live is None:
                click.echo(line, err=True)
            else:
                self._console.print(Text(line), soft_wrap=True)

    def _name(self, task: RunTask) -> str:
        number = f"{task.number}" if self._total is None else f"{task.number:{self._width}}/{self._total}"
        return f"[{number}] {plain(task.label)}"


def _columns(console: Console) -> list[ProgressColumn]:
    """One line a run at any width: where it is narrow the bar goes first, then the label is cut; the numbers stay."""
    fixed = Column(no_wrap=True)
    return [_Label(), _Bar(console), *(_Number(name, fixed) for name in ("iteration", "rate", "loss", "best")),
            TimeRemainingColumn(compact=True, table_column=fixed)]


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
