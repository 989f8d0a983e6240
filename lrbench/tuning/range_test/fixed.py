"""Reading of short runs at fixed rates: the objective, by default the accuracy, as a function of the rate.

The gain of a rate is how much better its value is than without training, the mean over the seeds. The largest rate that
trains well and the least that trains usefully are sought from the best rate outwards, without a gap. A rate at which
any seed diverged has no gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrbench.tuning.range_test.scale import USEFULLY, Scale, Table
from lrbench.tuning.range_test.sweep import Column


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
        best: the rate with the best mean value over the seeds.
        accuracy: that value of the objective, by default an accuracy as a fraction.
    """

    least: Edge
    largest: Edge
    best: float
    accuracy: float


def read_fixed(rates: Column, values: Table, scale: Scale) -> FixedReading | None:
    """Read the range of useful rates; None where no rate trained beyond chance.

    Args:
        rates: rising, shape (rates,).
        values: of the objective, shape (seeds, rates); NaN where a run diverged.
    """
    means = mean_values(values, scale)
    found = _edges(means, scale)
    if found is None:
        return None
    least, best, largest = found
    of_seeds = [_edges(mean_values(row[None], scale), scale) for row in values]
    below = float(rates[least - 1]) if least else None
    above = float(rates[largest + 1]) if largest + 1 < len(rates) else None
    return FixedReading(
        Edge(float(rates[least]), below, tuple(None if one is None else float(rates[one[0]]) for one in of_seeds)),
        Edge(float(rates[largest]), above, tuple(None if one is None else float(rates[one[2]]) for one in of_seeds)),
        float(rates[best]),
        float(means[best]),
    )


def mean_values(values: Table, scale: Scale) -> Column:
    """Return the mean over the seeds at each rate; the value without training where one of them diverged."""
    diverged = ~np.isfinite(values).all(axis=0)
    return np.where(diverged, scale.chance, np.where(np.isfinite(values), values, 0).mean(axis=0))


def _edges(means: Column, scale: Scale) -> tuple[int, int, int] | None:
    """The indices of the least useful rate, the best and the largest good one."""
    ordered, chance = scale.sign * means, scale.sign * scale.chance
    best = int(np.argmax(ordered))
    top = float(ordered[best])
    if not top - chance > scale.least_gain:  # also where it is not known
        return None
    tolerance = scale.tolerance(float(means[best]))
    good = ordered >= top - tolerance
    useful = ordered >= min(chance + USEFULLY * (top - chance), top - tolerance)
    useful &= ordered > chance + scale.least_gain
    least = largest = best
    while least and useful[least - 1]:
        least -= 1
    while largest + 1 < len(means) and good[largest + 1]:
        largest += 1
    return least, best, largest
