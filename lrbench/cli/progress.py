"""Progress on standard error: a live line for each run under way, or plain lines where there is no terminal."""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from lrbench.engines import base
from lrbench.executors.local import Listener, Outcome
from lrbench.executors.plan import Task as RunTask

PLAIN_SECONDS = 30
LABEL_WIDTH = 44


class RunProgress(Listener):
    """A context manager; use as ``with RunProgress(total) as listener``."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._live = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(bar_width=16), _Numbers(),
            TimeRemainingColumn(compact=True), console=self._console, transient=True,
        ) if self._console.is_terminal else None
        self._total, self._width = total, len(str(total))
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
            label = self._name(task)
            self._rows[task.number] = self._live.add_task(label, total=task.experiment.workload.iterations, numbers="")

    def resumed(self, task: RunTask, iteration: int) -> None:
        self._say(task, f"goes on from iteration {iteration}")
        if self._live is not None:
            self._live.reset(self._rows[task.number], completed=iteration)

    def restarted(self, task: RunTask, reason: str) -> None:
        self._say(task, reason)

    def progressed(self, task: RunTask, progress: base.Progress) -> None:
        best = self._best[task.number]
        total = task.experiment.workload.iterations
        numbers = f"{progress.iteration}/{total}  lr {progress.rate:.3g}  loss {progress.loss:.3g}"
        if best == best:
            numbers += f"  best {best:.2%}"
        if self._live is not None:
            self._live.update(self._rows[task.number], completed=progress.iteration, numbers=numbers)
        elif time.monotonic() - self._told[task.number] > PLAIN_SECONDS:
            self._say(task, f"iteration {numbers}")

    def evaluated(self, task: RunTask, row: dict[str, Any]) -> None:
        accuracy = row["accuracy_top1"]
        best = self._best[task.number]
        if accuracy != accuracy:
            return  # the end of the run, which comes next, says why
        self._best[task.number] = accuracy if not best >= accuracy else best
        if self._live is None:
            self._say(task, f"iteration {row['iteration']}  lr {row['learning_rate']:.3g}  "
                            f"loss {row['train_loss']:.4g}  accuracy {accuracy:.2%}")

    def ended(self, outcome: Outcome) -> None:
        if self._live is not None and outcome.task.number in self._rows:
            self._live.remove_task(self._rows.pop(outcome.task.number))
        if outcome.how != "skipped":  # those are counted at the end
            self._say(outcome.task, self._ending(outcome))

    def _ending(self, outcome: Outcome) -> str:
        status = outcome.status
        if outcome.how == "busy":
            return "another process is running it, left alone"
        reason = f": {status.reason}" if status.reason else ""
        best = self._best.get(outcome.task.number, math.nan)
        found = f", best accuracy {best:.2%}" if best == best else ""
        return f"{status.status} at iteration {status.iteration}{found}{reason}"

    def _say(self, task: RunTask, text: str) -> None:
        if self._live is None:
            self._told[task.number] = time.monotonic()
        line = f"{self._name(task)}  {text}"
        with self._lock:
            if self._live is None:
                click.echo(line, err=True)
            else:
                self._console.print(Text(line), soft_wrap=True)

    def _name(self, task: RunTask) -> str:
        label = task.label
        if self._live is not None and len(label) > LABEL_WIDTH:
            label = f"{label[:LABEL_WIDTH - 1]}…"
        return f"[{task.number:{self._width}}/{self._total}] {label}"


class _Numbers(ProgressColumn):
    """Iteration, rate, loss and best accuracy, as the run last told them."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("numbers", "")))
