"""Scales by which values of the objective at fixed rates are read: the value of an untrained net, and the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lrbench.metrics.objective import Objective

Table = NDArray[np.float64]

WELL = 0.95
"""Share of the best gain from which on a rate trains well."""
USEFULLY = 0.8
"""Share of the best gain from which on a rate trains usefully."""
LEAST_GAIN = 0.02
STANDARD_ERRORS_OF_CHANCE, STANDARD_ERRORS_OF_BEST = 3.0, 2.0


class Scale(Protocol):
    """Value without training, and noise, of the objective."""

    @property
    def images(self) -> int | None:
        """Number of images that the objective is measured on; None where it is not known."""

    @property
    def sign(self) -> float:
        """1 where high values are better, else -1."""

    @property
    def chance(self) -> float:
        """Value of a net that has not been trained."""

    @property
    def least_gain(self) -> float:
        """Gain over ``chance`` that a rate has to exceed to be no luck."""

    def tolerance(self, best: float) -> float:
        """Return how far a rate that trains well may stay behind the best value."""

    def text(self, value: float) -> str:
        """Return a value, or a difference of two, as text."""

    @property
    def beyond_chance(self) -> str:
        """Effect of a rate that trains, as the end of a sentence in the past tense."""

    @property
    def gain(self) -> str:
        """The gain in words."""


@dataclass(frozen=True)
class AccuracyScale:
    """Chance and noise of accuracies on a data set with so many ``classes``, measured on so many ``images``."""

    classes: int
    images: int

    sign = 1.0

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / self.classes

    @property
    def least_gain(self) -> float:
        """The gain that an accuracy has to exceed chance by to be no luck."""
        return max(LEAST_GAIN, STANDARD_ERRORS_OF_CHANCE * self._standard_error(self.chance))

    def tolerance(self, best: float) -> float:
        """Return how far a rate that trains well may stay behind the best accuracy.

        A twentieth of the best gain, or two standard errors of an accuracy measured on so many images.
        """
        return max((1 - WELL) * (best - self.chance), STANDARD_ERRORS_OF_BEST * self._standard_error(best))

    def text(self, value: float) -> str:
        """Return an accuracy in percent."""
        return f"{value:.1%}"

    @property
    def beyond_chance(self) -> str:
        """Effect of a rate that trains, as the end of a sentence in the past tense."""
        return f"trained beyond chance ({self.chance:.1%}, and {self.least_gain:.1%} for luck)"

    @property
    def gain(self) -> str:
        """The gain in words."""
        return f"gain over chance ({self.chance:.1%})"

    def _standard_error(self, accuracy: float) -> float:
        return math.sqrt(accuracy * (1 - accuracy) / self.images)


@dataclass(frozen=True)
class MetricScale:
    """Untrained value and noise of any metric, both measured.

    Attributes:
        untrained: mean over the seeds at the first evaluation of a sweep, whose rates are the lowest; NaN where it is
            not known.
        untrained_error: standard error of that mean; 0 for one seed.
        best_error: standard error of the mean at the best fixed rate; 0 for one seed.
    """

    objective: Objective
    untrained: float
    untrained_error: float
    best_error: float

    images = None

    @property
    def sign(self) -> float:
        """1 where high values are better, else -1."""
        return self.objective.sign

    @property
    def chance(self) -> float:
        """The untrained value."""
        return self.untrained

    @property
    def least_gain(self) -> float:
        """Three standard errors, or 2 % of the untrained value."""
        return max(LEAST_GAIN * abs(self.untrained), STANDARD_ERRORS_OF_CHANCE * self.untrained_error)

    def tolerance(self, best: float) -> float:
        """Return how far a rate that trains well may stay behind the best value.

        A twentieth of the best gain, or two standard errors.
        """
        return max((1 - WELL) * abs(best - self.untrained), STANDARD_ERRORS_OF_BEST * self.best_error)

    def text(self, value: float) -> str:
        """Return a value of the metric."""
        return f"{value:.1%}" if self.objective.unit == "fraction" else f"{value:.4g}"

    @property
    def beyond_chance(self) -> str:
        """Effect of a rate that trains, as the end of a sentence in the past tense."""
        how = "raised" if self.sign > 0 else "lowered"
        return (
            f"{how} the {self.objective.title} by more than {self.text(self.least_gain)} from "
            f"{self.text(self.untrained)}, its value before training,"
        )

    @property
    def gain(self) -> str:
        """The gain in words."""
        return f"change of the {self.objective.title} from {self.text(self.untrained)}, its value before training"


def metric_scale(objective: Objective, swept: Table, values: Table) -> MetricScale:
    """Return the scale of a metric.

    Args:
        swept: its values at the evaluations of the sweeps, shape (seeds, points); NaN where unknown.
        values: its values at fixed rates, shape (seeds, rates); NaN where a run diverged.
    """
    first = swept[:, 0]
    whole = values[:, np.isfinite(values).all(axis=0)]
    best = whole[:, np.argmax(objective.sign * whole.mean(axis=0))] if whole.size else np.zeros(1)
    return MetricScale(objective, float(first.mean()), _standard_error(first), _standard_error(best))


def _standard_error(values: NDArray[np.float64]) -> float:
    if len(values) < 2 or not np.isfinite(values).all():
        return 0.0
    return float(values.std(ddof=1) / math.sqrt(len(values)))
