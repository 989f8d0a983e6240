"""Reading of short runs at fixed rates: accuracy as a function of the rate.

The gain of a rate is its accuracy beyond chance, the mean over the seeds. The largest rate that trains well and the
least that trains usefully are sought from the best rate outwards, without a gap. A rate at which any seed diverged has
no gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.tuning.range_test.sweep import Column

Table = NDArray[np.float64]

WELL = 0.95
"""Share of the best gain from which on a rate trains well."""
USEFULLY = 0.8
"""Share of the best gain from which on a rate trains usefully."""
LEAST_GAIN = 0.02
STANDARD_ERRORS_OF_CHANCE, STANDARD_ERRORS_OF_BEST = 3.0, 2.0


@dataclass(frozen=True)
class Edge:
    """One end of the range of useful rates.

    Attributes:
        rate: the outermost rate tried that is in the range.
        beyond: the next one tried, which is not; None where ``rate`` is the last that was tried.
        seeds: the end that each seed gives by itself, in order; None where no rate trained.
    """

    rate: float
    beyond: float | None
    seeds: tuple[float | None, ...]

    @property
    def spread(self) -> tuple[float, float] | None:
        """The least and the largest end that a seed gives; None where none gives any."""
        known = [rate for rate in self.seeds if rate is not None]
        return (min(known), max(known)) if known else None


@dataclass(frozen=True)
class FixedReading:
    """The range of useful rates.

    Attributes:
        least: the least rate that trains usefully.
        largest: the largest rate that trains well.
        best: the rate with the best mean accuracy over the seeds.
        accuracy: that accuracy, a fraction.
    """

    least: Edge
    largest: Edge
    best: float
    accuracy: float


@dataclass(frozen=True)
class AccuracyScale:
    """Chance and noise of accuracies on a data set with so many ``classes``, measured on so many ``images``."""

    classes: int
    images: int

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

    def _standard_error(self, accuracy: float) -> float:
        return math.sqrt(accuracy * (1 - accuracy) / self.images)


def read_fixed(rates: Column, accuracies: Table, scale: AccuracyScale) -> FixedReading | None:
    """Read the range of useful rates; None where no rate trained beyond chance.

    Args:
        rates: rising, shape (rates,).
        accuracies: fractions, shape (seeds, rates); NaN where a run diverged.
    """
    means = mean_accuracies(accuracies, scale)
    found = _edges(means, scale)
    if found is None:
        return None
    least, best, largest = found
    of_seeds = [_edges(mean_accuracies(row[None], scale), scale) for row in accuracies]
    below = float(rates[least - 1]) if least else None
    above = float(rates[largest + 1]) if largest + 1 < len(rates) else None
    return FixedReading(
        Edge(float(rates[least]), below, tuple(None if one is None else float(rates[one[0]]) for one in of_seeds)),
        Edge(float(rates[largest]), above, tuple(None if one is None else float(rates[one[2]]) for one in of_seeds)),
        float(rates[best]),
        float(means[best]),
    )


def mean_accuracies(accuracies: Table, scale: AccuracyScale) -> Column:
    """Return the mean over the seeds at each rate; the accuracy of guessing where one of them diverged."""
    diverged = ~np.isfinite(accuracies).all(axis=0)
    return np.where(diverged, scale.chance, np.where(np.isfinite(accuracies), accuracies, 0).mean(axis=0))


def _edges(means: Column, scale: AccuracyScale) -> tuple[int, int, int] | None:
    """The indices of the least useful rate, the best and the largest good one."""
    best = int(np.argmax(means))
    top = float(means[best])
    if top - scale.chance <= scale.least_gain:
        return None
    tolerance = scale.tolerance(top)
    good = means >= top - tolerance
    useful = means >= min(scale.chance + USEFULLY * (top - scale.chance), top - tolerance)
    useful &= means > scale.chance + scale.least_gain
    least = largest = best
    while least and useful[least - 1]:
        least -= 1
    while largest + 1 < len(means) and good[largest + 1]:
        largest += 1
    return least, best, largest
