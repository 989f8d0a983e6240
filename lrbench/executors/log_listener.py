"""Listener that turns each event of a run into a line of text, to be shown or logged."""

from __future__ import annotations

import math
from abc import abstractmethod

from lrbench.errors import plain
from lrbench.executors.dispatcher import Listener, Outcome
from lrbench.executors.plan import Task
from lrbench.metrics.objective import Objective
from lrbench.runs.evaluations import Evaluation


class LogListener(Listener):
    """Calls ``say`` with a line for each event of a run but the progress between evaluations."""

    def __init__(self) -> None:
        self.best: dict[int, float] = {}
        """The best value of the objective so far by the task's number, NaN where there is none."""

    @abstractmethod
    def say(self, task: Task, text: str) -> None:
        """Show or keep a line about a task; the text has neither its number nor its label."""

    def started(self, task: Task) -> None:
        self.best[task.number] = math.nan
        self.say(task, "started")

    def resumed(self, task: Task, iteration: int) -> None:
        self.say(task, f"resuming at iteration {iteration}")

    def restarted(self, task: Task, reason: str) -> None:
        self.say(task, plain(reason))

    def noticed(self, task: Task, text: str) -> None:
        self.say(task, plain(text))

    def evaluated(self, task: Task, evaluation: Evaluation) -> None:
        if self.note(task, evaluation):
            self.say(
                task,
                f"iteration {evaluation.iteration}  lr {evaluation.learning_rate:.3g}  "
                f"loss {evaluation.metrics['train_loss']:.4g}  {value_text(task, _objective(task).value(evaluation))}",
            )

    def note(self, task: Task, evaluation: Evaluation) -> bool:
        """Remember the objective's value; False where it is NaN: the end of the run, which comes next, says why."""
        objective, best = _objective(task), self.best[task.number]
        value = objective.value(evaluation)
        if math.isnan(value):
            return False
        self.best[task.number] = best if objective.reached(best, value) else value
        return True

    def held_elsewhere(self, task: Task) -> None:
        self.say(task, "locked by another process, will retry last")

    def ended(self, outcome: Outcome) -> None:
        if outcome.how != "skipped":  # those are counted at the end
            self.say(outcome.task, self.ending(outcome))

    def ending(self, outcome: Outcome) -> str:
        """Return a text of how a run ended."""
        status = outcome.status
        reason = f": {plain(status.reason)}" if status.reason else ""
        best = self.best.get(outcome.task.number, math.nan)
        found = f", best {value_text(outcome.task, best)}" if best == best else ""
        return f"{status.status} at iteration {status.iteration}{found}{reason}"


def _objective(task: Task) -> Objective:
    return task.experiment.settings.objective.resolved


def value_text(task: Task, value: float) -> str:
    """Return a value of the objective with its name, such as ``accuracy 98.00%`` or ``test loss 0.1235``."""
    objective = _objective(task)
    text = f"{value:.2%}" if objective.unit == "fraction" else f"{value:.4g}"
    return f"{objective.title} {text}"


def name_of(task: Task, total: int | None = None) -> str:
    """Return ``[ 3/21] FIX(k0=0.01) SGD seed 0``; without the total where that is None."""
    number = f"{task.number}" if total is None else f"{task.number:{len(str(total))}}/{total}"
    return f"[{number}] {plain(task.label)}"
