"""What a range test found, with all that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.spec.model import SolverSettings
from lrbench.tuning.range_test.fixed import FixedReading, Judged
from lrbench.tuning.range_test.plan import Plan
from lrbench.tuning.range_test.reasons import reasons
from lrbench.tuning.range_test.sweep import SweepReading

Column = NDArray[np.float64]
Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sweeps:
    """The sweeps' curves.

    Attributes:
        rates: the geometric mean of each stretch's rates, rising, shape (points,).
        losses: mean training loss over each stretch, shape (seeds, points); NaN from where a run diverged.
        accuracies: at the end of each stretch, fractions, likewise.
    """

    rates: Column
    losses: Table
    accuracies: Table


@dataclass(frozen=True, eq=False)
class FixedRuns:
    """The runs at fixed rates.

    Attributes:
        rates: rising, shape (rates,).
        accuracies: by length in iterations, fractions, shape (seeds, rates); NaN where a run had diverged by then.
    """

    rates: Column
    accuracies: dict[int, Table]


@dataclass(frozen=True)
class Cost:
    """What all runs of a range test have taken, those done before it included."""

    runs: int
    iterations: int
    train_seconds: float
    evaluation_seconds: float


@dataclass(frozen=True, eq=False)
class RangeResult:
    """What a range test found for one solver.

    Attributes:
        evaluated_on: "validation" or "test".
        sweep: what the sweeps say.
        readings: what the runs at fixed rates say at each length; None where no rate trained. The longest decides.
    """

    solver: SolverSettings
    plan: Plan
    judged: Judged
    evaluated_on: str
    sweeps: Sweeps
    sweep: SweepReading
    fixed: FixedRuns
    readings: dict[int, FixedReading | None]
    cost: Cost

    @property
    def reading(self) -> FixedReading | None:
        """What the runs at fixed rates say at the longest length."""
        return self.readings[self.plan.lengths[-1]]

    @property
    def rates(self) -> tuple[float, float] | None:
        """The least and the largest rate worth trying, for ``search.rates``; None where there is no such range.

        Both were tried. Where a single rate is useful, the least is the next lower one that was tried.
        """
        if self.reading is None:
            return None
        least, largest = self.reading.least, self.reading.largest
        if least.rate < largest.rate:
            return least.rate, largest.rate
        return None if least.beyond is None else (least.beyond, largest.rate)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, how sure, and what to do where that is not enough: a sentence each."""
        return reasons(self.plan, self.judged, self.sweep, self.readings)

    @property
    def text(self) -> str:
        """The suggestion, then the reasons, a line each."""
        found = self.rates
        first = "no rates to suggest" if found is None else f"search.rates: [{found[0]:.10g}, {found[1]:.10g}]"
        return "\n".join([first, *self.reasons])
