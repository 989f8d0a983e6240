"""What short runs at fixed rates say: accuracy as a function of the rate.

The gain of a rate is its accuracy beyond chance, the mean over the seeds. The largest rate that trains well and the
least that trains usefully are sought from the best rate outwards, without a gap. A rate at which any seed diverged has
no gain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Column = NDArray[np.float64]

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
        rate: a rate that was tried and is still in the range.
        beyond: the next one tried, which is not; None where ``rate`` is the last that was tried.
        seeds: what each seed says by itself, in order; None where it says nothing.
    """

    rate: float
    beyond: float | None
    seeds: tuple[float | None, ...]

    @property
    def spread(self) -> tuple[float, float] | None:
        """The least and the largest that a seed says; None where none says anything."""
        known = [rate for rate in self.seeds if rate is not None]
        return (min(known), max(known)) if known else None


@dataclass(frozen=True)
class FixedReading:
    """The range of useful rates.

    Attributes:
        least: the least rate that trains usefully.
        largest: the largest rate that trains well.
        best: the rate with the best accuracy, the mean over the seeds.
        accuracy: that accuracy, a fraction.
    """

    least: Edge
    largest: Edge
    best: float
    accuracy: float


@dataclass(frozen=True)
class Judged:
    """What a data set makes of an accuracy.

    Attributes:
        classes: how many there are.
        images: how many an accuracy is measured on.
    """

    classes: int
    images: int

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / self.classes

    @property
    def least_gain(self) -> float:
        """What a gain over chance has to exceed to be none of chance's own."""
        return max(LEAST_GAIN, STANDARD_ERRORS_OF_CHANCE * self._standard_error(self.chance))

    def tolerance(self, best: float) -> float:
        """How far a rate may stay behind the best accuracy and still train well.

        A twentieth of the best gain, or two standard errors of an accuracy measured on so many images.
        """
        return max((1 - WELL) * (best - self.chance), STANDARD_ERRORS_OF_BEST * self._standard_error(best))

    def _standard_error(self, accuracy: float) -> float:
        return math.sqrt(accuracy * (1 - accuracy) / self.images)


Side = Literal["least", "largest"]


def read_fixed(rates: Column, accuracies: Table, judged: Judged) -> FixedReading | None:
    """The range of useful rates; None where no rate trained beyond chance.

    Args:
        rates: rising, shape (rates,).
        accuracies: fractions, shape (seeds, rates); NaN where a run diverged.
    """
    found = _edges(mean_accuracies(accuracies, judged), judged)
    if found is None:
        return None
    least, best, largest = found
    of_seeds = [_edges(mean_accuracies(row[None], judged), judged) for row in accuracies]
    return FixedReading(
        Edge(
            float(rates[least]),
            float(rates[least - 1]) if least else None,
            tuple(None if one is None else float(rates[one[0]]) for one in of_seeds),
        ),
        Edge(
            float(rates[largest]),
            float(rates[largest + 1]) if largest + 1 < len(rates) else None,
            tuple(None if one is None else float(rates[one[2]]) for one in of_seeds),
        ),
        float(rates[best]),
        float(mean_accuracies(accuracies, judged)[best]),
    )


def mean_accuracies(accuracies: Table, judged: Judged) -> Column:
    """The mean over the seeds at each rate; that of guessing where one of them diverged."""
    diverged = ~np.isfinite(accuracies).all(axis=0)
    return np.where(diverged, judged.chance, np.where(np.isfinite(accuracies), accuracies, 0).mean(axis=0))


def _edges(means: Column, judged: Judged) -> tuple[int, int, int] | None:
    """The places of the least useful rate, the best and the largest good one."""
    best = int(np.argmax(means))
    top = float(means[best])
    if top - judged.chance <= judged.least_gain:
        return None
    tolerance = judged.tolerance(top)
    good = means >= top - tolerance
    useful = means >= min(judged.chance + USEFULLY * (top - judged.chance), top - tolerance)
    useful &= means > judged.chance + judged.least_gain
    least = largest = best
    while least and useful[least - 1]:
        least -= 1
    while largest + 1 < len(means) and good[largest + 1]:
        largest += 1
    return least, best, largest
