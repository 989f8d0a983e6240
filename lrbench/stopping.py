"""Stopping rules, which decide after an evaluation whether a run goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, target_of
from lrbench.runs.evaluations import Evaluation, of_trained_net


@dataclass(frozen=True)
class StoppingRules:
    """Rules for ending a run early; one that is None never ends it.

    Attributes:
        target_accuracy: stop once the test accuracy, or the metric of another target, reaches it.
        patience: stop after this many evaluations without a new best value of the objective.
        max_train_seconds: stop once training (evaluations excluded) has taken this long.
        objective: the metric that ``patience`` watches.
    """

    target_accuracy: AnyTarget | None = None
    patience: int | None = None
    max_train_seconds: float | None = None
    objective: Objective = ACCURACY

    def verdict(self, evaluations: Sequence[Evaluation]) -> str | None:
        """Return why to stop after these evaluations, or None; it depends on them alone, so resuming keeps it."""
        trained = of_trained_net(evaluations)
        if not trained:
            return None
        target = target_of(self.target_accuracy)
        if target is not None and target.reached(trained[-1]):
            return f"the target {target.title} is reached"
        # NaN is no value, and max() of a list with NaN depends on its place.
        values = [self.objective.order(self.objective.value(each)) for each in trained]
        known = [-math.inf if math.isnan(value) else value for value in values]
        if self.patience is not None and len(trained) - 1 - known.index(max(known)) >= self.patience:
            return f"no better {self.objective.title} in {self.patience} evaluations"
        seconds = trained[-1].train_seconds
        if self.max_train_seconds is not None and seconds >= self.max_train_seconds:
            return f"{seconds:.0f} s of training, of at most {self.max_train_seconds:g} s"
        return None
