"""Detection of plateaus: of a monitored metric that has stopped getting better.

A value is better than the best so far where it beats that by more than a threshold; the first finite one is, and what
is not finite never is. A plateau is reached at the evaluation that is the ``patience``-th in a row without a better
one. In the ``cooldown`` evaluations that follow, none counts as one without, though a better one is still the best.
"""

from __future__ import annotations

import math

from lrbench.errors import PolicyError
from lrbench.policies.parameters import MetricName, Scalar, Word
from lrbench.policies.values import Row, Values

MODES = {"train_loss": "min", "test_loss": "min", "accuracy": "max"}
"""Whether low or high values are better, by values of ``monitor`` that tell it; others need ``mode``."""

WATCHING = (
    Scalar(name="patience", meaning="evaluations in a row without a better value", least=1, whole=True, default=10),
    Scalar(name="threshold", meaning="by how much a better value beats the best one", least=0, default=1e-4),
    Word(
        name="threshold_mode",
        meaning="a share of the best value, or a difference",
        choices=("rel", "abs"),
        default="rel",
    ),
    Scalar(name="cooldown", meaning="evaluations after a change that do not count", least=0, whole=True, default=0),
    MetricName(
        name="monitor", meaning="the value that is to get better, a metric of evaluations", default="train_loss"
    ),
    Word(
        name="mode",
        meaning="whether low or high values are better; auto: low losses, high accuracies; other metrics need min or "
        "max. auto is not written out",
        choices=("auto", "min", "max"),
        default="auto",
        unwritten_default=True,
    ),
)


class PlateauDetector:
    """Detects the plateaus of a monitored value.

    Args:
        v: the parameters WATCHING.
        column: name of the value in evaluations.
        sign: 1 where high values are better, else -1.

    Attributes:
        best: the best value so far; None before the first finite one.
    """

    def __init__(self, v: Values, column: str, sign: float) -> None:
        self._v, self._column, self._sign = v, column, sign
        self.best: float | None = None
        self._without = self._cooling = 0

    def reached(self, row: Row) -> bool:
        """Whether a plateau is reached at this evaluation; they come in order, each once."""
        value = row.get(self._column, math.nan)
        if self._is_better(value):
            self.best, self._without = value, 0
        else:
            self._without += 1
        if self._cooling:
            self._cooling, self._without = self._cooling - 1, 0
        if self._without < self._v.patience:
            return False
        self._cooling, self._without = self._v.cooldown, 0
        return True

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value) or self.best is None:
            return math.isfinite(value)
        if self._v.threshold_mode == "rel":
            beaten = self.best * (1 + self._sign * self._v.threshold)
        else:
            beaten = self.best + self._sign * self._v.threshold
        return bool(self._sign * value > self._sign * beaten)


def column_of(monitor: str) -> str:
    """Return the name in evaluations of a value of ``monitor``."""
    return "accuracy_top1" if monitor == "accuracy" else monitor


def mode_of(v: Values) -> str:
    """Return whether low (``min``) or high (``max``) values of the monitored metric are better."""
    return MODES[v.monitor] if v.mode == "auto" else str(v.mode)


def check_watching(v: Values) -> None:
    """Raise PolicyError unless the parameters WATCHING go together."""
    if v.mode == "auto" and v.monitor not in MODES:
        raise PolicyError(
            f"monitor is {v.monitor}, and mode does not say whether low or high values of it are better",
            remedy="set mode=min or mode=max",
        )
    if v.mode != "auto" and v.mode != MODES.get(v.monitor, v.mode):
        raise PolicyError(f"mode is {v.mode}, which does not go with {v.monitor}", remedy="remove it")
    if v.threshold_mode == "rel" and v.threshold >= 1:
        raise PolicyError(
            f"threshold is {v.threshold}, but as a share of the best value it must be below 1",
            remedy="lower it, or set threshold_mode=abs",
        )
