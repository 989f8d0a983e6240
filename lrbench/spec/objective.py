"""Objective and target of an experiment as a spec names them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lrbench.errors import did_you_mean
from lrbench.metrics.objective import Goal, Objective, is_evaluated, is_measured, known_goal
from lrbench.spec.sections import Word
from lrbench.spec.settings import Settings, inconsistent
from lrbench.spec.yaml_loader import Key

if TYPE_CHECKING:
    from lrbench.metrics.metric import Metric


class ObjectiveSettings(Settings):
    """The metric by which every command judges runs; of a run's identity only where ``stopping.patience`` watches it.

    Attributes:
        metric: accuracy, or another metric of an evaluation, such as test_loss or one that a program reports.
        goal: whether low or high values are better; None: as the metric's name tells.
        at: evaluation of a run that counts: ``final``, its last one, or ``best``, the one with the best value; a search
            that is given none judges accuracies at their best.
    """

    metric: Word = Field(default="accuracy", examples=["accuracy"])
    goal: Goal | None = Field(default=None, examples=["minimize"])
    at: Literal["final", "best"] = "final"

    @property
    def resolved(self) -> Objective:
        """The objective with its goal."""
        goal = self.goal or known_goal(self.metric)
        assert goal is not None  # as ExperimentSettings was checked
        return Objective(self.metric, goal, self.at)

    @property
    def ranking(self) -> Metric:
        """Metric of a run that ranks policies."""
        return self.resolved.ranking

    @property
    def searched(self) -> Objective:
        """The objective of a search: an accuracy counts at its best evaluation unless the spec sets ``at``."""
        early = self.resolved.is_accuracy and "at" not in self.model_fields_set
        return replace(self.resolved, at="best") if early else self.resolved

    @model_validator(mode="after")
    def _metric_and_goal_fit(self) -> ObjectiveSettings:
        if not is_evaluated(self.metric):
            raise no_metric(("metric",), self.metric)
        known = known_goal(self.metric)
        if is_measured(self.metric) and self.goal is not None and self.goal != known:
            better = "high" if known == "maximize" else "low"
            raise inconsistent(
                ("goal",), f"is {self.goal}, but {better} values of {self.metric} are better", f"write goal: {known}"
            )
        return self


def no_metric(key: Key, name: str) -> PydanticCustomError:
    """Build the error for a name that is not a metric of a net's evaluations."""
    from lrbench.metrics.registry import METRICS

    names = ["accuracy", *(metric.name for metric in METRICS.values() if metric.of_evaluation)]
    rule = f"is {name!r}, but must be accuracy or a metric of an evaluation"
    return inconsistent(key, rule, did_you_mean(name, names) or f"there are {', '.join(names)}")


class TargetSettings(Settings):
    """The value of a metric that runs are to reach.

    Attributes:
        metric: accuracy, or another metric of an evaluation; its goal is that of ``objective`` where it is the same
            metric, else as its name tells.
        value: the value to reach; of an accuracy a fraction.
    """

    metric: Word = Field(examples=["test_loss"])
    value: Annotated[float, Field(allow_inf_nan=False)] = Field(examples=["0.12"])
