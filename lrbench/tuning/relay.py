"""A listener that passes everything on, for those who want to know of some of it themselves."""

from __future__ import annotations

from lrbench.engines.base import Progress
from lrbench.executors.local import Listener, Outcome
from lrbench.executors.plan import Task
from lrbench.runs.evaluations import Evaluation


class Relay(Listener):
    """Passes all news on to another listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def started(self, task: Task) -> None:
        """Pass it on."""
        self._listener.started(task)

    def resumed(self, task: Task, iteration: int) -> None:
        """Pass it on."""
        self._listener.resumed(task, iteration)

    def restarted(self, task: Task, reason: str) -> None:
        """Pass it on."""
        self._listener.restarted(task, reason)

    def progressed(self, task: Task, progress: Progress) -> None:
        """Pass it on."""
        self._listener.progressed(task, progress)

    def noticed(self, task: Task, text: str) -> None:
        """See Listener."""
        self._listener.noticed(task, text)

    def evaluated(self, task: Task, evaluation: Evaluation) -> None:
        """Pass it on."""
        self._listener.evaluated(task, evaluation)

    def held_elsewhere(self, task: Task) -> None:
        """Pass it on."""
        self._listener.held_elsewhere(task)

    def ended(self, outcome: Outcome) -> None:
        """Pass it on."""
        self._listener.ended(outcome)
