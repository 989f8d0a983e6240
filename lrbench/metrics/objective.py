"""The objective of a spec, by which every command judges runs, and the target that a run is to reach."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from lrbench.errors import UsageError
from lrbench.metrics.metric import ACCURACY_COLUMN, Metric, Unit
from lrbench.metrics.registry import METRICS, unknown_metric

if TYPE_CHECKING:
    from lrbench.runs.evaluations import Evaluation

Goal = Literal["minimize", "maximize"]
At = Literal["final", "best"]

_TARGET = re.compile(r"\s*([a-z][a-z0-9_]*)\s*([<>]?=)\s*(\S+)\s*")
_GOALS: Mapping[str, Goal] = {">=": "maximize", "<=": "minimize"}
_MINIMIZED = re.compile(r".*(?:loss|error)|(?:.*_)?(?:perplexity|mae|mse|rmse)")


def known_goal(name: str) -> Goal | None:
    """Whether a metric of an evaluation is better low or high; None where its name does not tell."""
    if name == "accuracy":
        return "maximize"  # looking at the others loads those of other packages
    if name in METRICS:
        return "maximize" if METRICS[name].higher_is_better else "minimize"
    return "minimize" if _MINIMIZED.fullmatch(name) else None


@dataclass(frozen=True)
class Objective:
    """The metric by which runs are judged.

    Attributes:
        metric: ``accuracy``, or the name of another metric of an evaluation.
        goal: whether low or high values are better.
        at: evaluation of a run that counts: its last one, or the one with the best value.
    """

    metric: str = "accuracy"
    goal: Goal = "maximize"
    at: At = "final"

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> Objective | None:
        """Return the objective that run.json stores; None where there is none, or where its goal is not known."""
        metric, at = stored.get("metric"), stored.get("at", "final")
        if not isinstance(metric, str) or at not in get_args(At) or not is_evaluated(metric):
            return None
        goal: Any = stored.get("goal") or known_goal(metric)
        return cls(metric, goal, at) if goal in get_args(Goal) else None

    def stored(self) -> dict[str, str]:
        """Return what run.json stores, with the goal where the metric's name does not tell it."""
        goal = {} if known_goal(self.metric) == self.goal else {"goal": self.goal}
        return {"metric": self.metric, "at": self.at, **goal}

    @property
    def column(self) -> str:
        """Name of the metric in evaluations."""
        return ACCURACY_COLUMN if self.metric == "accuracy" else self.metric

    @property
    def is_accuracy(self) -> bool:
        """Whether the top-1 accuracy is the metric."""
        return self.column == ACCURACY_COLUMN

    @property
    def sign(self) -> float:
        """1 where high values are better, else -1."""
        return 1.0 if self.goal == "maximize" else -1.0

    @cached_property
    def _known(self) -> Metric | None:
        return METRICS.get(self.column)

    @property
    def title(self) -> str:
        """Name of the metric in sentences and at the head of a column."""
        if self.is_accuracy:
            return "accuracy"
        return self.column.replace("_", " ") if self._known is None else self._known.title

    @property
    def unit(self) -> Unit:
        """Unit of the metric; ``value``, a plain number, where LRBench does not know the metric."""
        return "value" if self._known is None else self._known.unit

    def value(self, evaluation: Evaluation) -> float:
        """Return the metric at an evaluation; NaN where it is not known."""
        return evaluation.metrics.get(self.column, math.nan)

    def best(self, evaluations: Iterable[Evaluation]) -> float | None:
        """Return the best value over the evaluations of the trained net; None where none is known."""
        known = [value for each in evaluations if each.iteration > 0 and math.isfinite(value := self.value(each))]
        return max(known, key=self.order, default=None)

    def final(self, evaluations: Iterable[Evaluation]) -> float | None:
        """Return the value of the last evaluation, unless of the initial weights; None where it is not known."""
        values = [self.value(each) for each in evaluations if each.iteration > 0]
        return values[-1] if values and math.isfinite(values[-1]) else None

    def judged(self, evaluations: Iterable[Evaluation]) -> float | None:
        """Return the value at the evaluation of a run that counts; None where it is not known."""
        return self.final(evaluations) if self.at == "final" else self.best(evaluations)

    def order(self, value: float) -> float:
        """Return a number that is the higher, the better the value is."""
        return self.sign * value

    def reached(self, value: float, threshold: float) -> bool:
        """Whether the value is at least as good as the threshold; False for NaN."""
        return self.order(value) >= self.order(threshold)

    @cached_property
    def ranking(self) -> Metric:
        """The metric of a run that ranks policies."""
        return self.final_metric if self.at == "final" else self.best_metric

    @cached_property
    def best_metric(self) -> Metric:
        """The metric of a run that is its best value."""
        if self.metric == "accuracy":
            return METRICS["best_accuracy"]
        lowest = "highest" if self.goal == "maximize" else "lowest"
        return Metric(
            f"best_{self.column}",
            f"best {self.title}",
            self.unit,
            f"the {lowest} {self.column} after iteration 0",
            higher_is_better=self.goal == "maximize",
            of_run=lambda run: run.best(self),
        )

    @cached_property
    def final_metric(self) -> Metric:
        """The metric of a run that is the value of its last evaluation."""
        if self.metric == "accuracy":
            return METRICS["final_accuracy"]
        return self._known or unknown_metric(self.column, higher_is_better=self.goal == "maximize")


ACCURACY = Objective()


def is_evaluated(name: str) -> bool:
    """Whether evaluations can have a metric of that name: it is not one of a whole run, such as its seconds."""
    if name == "accuracy":
        return True
    return name not in METRICS or METRICS[name].of_evaluation is not None


def is_measured(name: str) -> bool:
    """Whether LRBench, or another package, measures a metric of that name at each evaluation of a net."""
    if name == "accuracy":
        return True
    return name in METRICS and METRICS[name].of_evaluation is not None


@dataclass(frozen=True)
class Target:
    """A value of a metric that a run is to reach.

    Attributes:
        metric: the metric, with its goal.
        value: the value; of an accuracy a fraction.
    """

    metric: Objective
    value: float

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> Target | None:
        """Return the target that run.json stores; None where there is none, or where its goal is not known."""
        metric = Objective.parse({"metric": stored.get("metric"), "goal": stored.get("goal")})
        value = stored.get("value")
        return None if metric is None or not isinstance(value, int | float) else cls(metric, float(value))

    def stored(self) -> dict[str, Any]:
        """Return what run.json stores."""
        found = {**self.metric.stored(), "value": self.value}
        del found["at"]
        return found

    @property
    def title(self) -> str:
        """The target in sentences, such as ``accuracy of 0.98``."""
        return f"{self.metric.title} of {self.value:g}"

    def reached(self, evaluation: Evaluation) -> bool:
        """Whether an evaluation reaches the target."""
        return self.metric.reached(self.metric.value(evaluation), self.value)

    def iterations(self, evaluations: Iterable[Evaluation]) -> int | None:
        """Return the iterations up to the first evaluation of the trained net that reaches it; None without one."""
        return next((each.iteration for each in evaluations if each.iteration > 0 and self.reached(each)), None)


AnyTarget = float | Target
"""A target: an accuracy as a fraction, or a value of another metric."""


def read_target(given: str | float | Target | None, called: str) -> AnyTarget | None:
    """Return a target that the user gives: an accuracy as a fraction, or a text ``METRIC=VALUE``.

    ``METRIC>=VALUE`` and ``METRIC<=VALUE`` say that high or low values are better, where the metric's name does not.

        >>> read_target("test_loss=0.12", "target").title
        'test loss of 0.12'

    Args:
        called: what the user calls it, for messages.

    Raises:
        UsageError: it is no target, or the metric's direction is not known or another.
    """
    if given is None or isinstance(given, Target):
        return given
    found = _TARGET.fullmatch(str(given))
    name, sign, number = ("accuracy", "=", str(given)) if found is None else found.groups()
    value = None
    with suppress(ValueError):
        value = float(number)
    if name == "accuracy" and value is not None and not 0 < value <= 1:
        raise UsageError(
            f"{called} is {value:g}, but an accuracy is above 0 and at most 1",
            remedy="give a fraction, such as 0.98 for 98 %, or METRIC=VALUE for another metric",
        )
    if value is None or not math.isfinite(value):
        raise UsageError(
            f"{called} is {str(given)!r}, but must be an accuracy or the value of a metric",
            remedy="write a fraction, such as 0.98, or METRIC=VALUE, such as test_loss=0.12",
        )
    known, typed = known_goal(name), _GOALS.get(sign)
    if not is_evaluated(name):
        raise UsageError(f"{called} names {name}, which is not a metric of an evaluation", remedy="name another")
    if known is None and typed is None:
        raise UsageError(
            f"{called} names {name}, a name that does not tell whether low or high values are better",
            remedy=f"write '{name}>={value:g}' or '{name}<={value:g}'",
        )
    if known is not None and typed not in (None, known):
        better = "high" if known == "maximize" else "low"
        raise UsageError(
            f"{called} is {given}, but {better} values of {name} are better", remedy=f"write {name}={number}"
        )
    return value if name == "accuracy" else Target(Objective(name, typed or known or "minimize"), value)


def target_of(target: AnyTarget | None) -> Target | None:
    """Return the target, where a number is an accuracy."""
    return Target(ACCURACY, target) if isinstance(target, int | float) else target


def target_accuracy(target: AnyTarget | None) -> float | None:
    """Return the accuracy to reach; None for a target on another metric."""
    return None if isinstance(target, Target) else target
