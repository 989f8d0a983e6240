"""News of runs for a program: lines of the logger ``lrbench``."""

from __future__ import annotations

import logging

from lrbench.executors.local import Outcome
from lrbench.executors.log_listener import LogListener, name_of
from lrbench.executors.plan import Task

LOG = logging.getLogger("lrbench")


class RunLog(LogListener):
    """Logs each piece of news at the level INFO, and a run that failed or diverged as a WARNING."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._total = total

    def say(self, task: Task, text: str) -> None:
        LOG.info("%s  %s", name_of(task, self._total), text)

    def ended(self, outcome: Outcome) -> None:
        if outcome.how == "ran" and outcome.status.status in ("failed", "diverged"):
            LOG.warning("%s  %s", name_of(outcome.task, self._total), self.ending(outcome))
        else:
            super().ended(outcome)


def log_preparation(done: int, total: int, text: str) -> None:
    """A line for each thing said while a data set is prepared, and one for each amount that is complete."""
    if not total:
        LOG.info("%s", text)
    elif done == total:
        LOG.info("%s: %d done", text, total)
