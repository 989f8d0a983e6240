"""Stopping rules, which decide after an evaluation whether a run goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.runs.evaluations import Evaluation, of_trained_net


@dataclass(frozen=True)
class StoppingRules:
    """Rules for ending a run early; one that is None never ends it.

    Attributes:
        target_accuracy: stop once the test accuracy reaches it.
        patience: stop after this many evaluations without a new best accuracy.
        max_train_seconds: stop once training (evaluations excluded) has taken this long.
    """

    target_accuracy: float | None = None
    patience: int | None = None
    max_train_seconds: float | None = None

    def verdict(self, evaluations: Sequence[Evaluation]) -> str | None:
        """Return why to stop after these evaluations, or None; it depends on them alone, so resuming keeps it."""
        trained = of_trained_net(evaluations)
        if not trained:
            return None
        # NaN is no accuracy, and max() of a list with NaN depends on its place.
        accuracies = [-math.inf if math.isnan(each.accuracy) else each.accuracy for each in trained]
        if self.target_accuracy is not None and accuracies[-1] >= self.target_accuracy:
            return f"the target accuracy of {self.target_accuracy:g} is reached"
        if self.patience is not None and len(trained) - 1 - accuracies.index(max(accuracies)) >= self.patience:
            return f"no better accuracy in {self.patience} evaluations"
        seconds = trained[-1].train_seconds
        if self.max_train_seconds is not None and seconds >= self.max_train_seconds:
            return f"{seconds:.0f} s of training, of at most {self.max_train_seconds:g} s"
        return None
