"""Result of a range test: the runs, the suggested rates, and the reasons in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments
from lrbench.tuning.range_test.fixed import Edge, FixedReading
from lrbench.tuning.range_test.plan import STEP, Plan
from lrbench.tuning.range_test.scale import USEFULLY, Scale, Table
from lrbench.tuning.range_test.sweep import Column, SweepReading


@dataclass(frozen=True)
class SweptCurve:
    """The values that sweeps are read by, in words.

    Attributes:
        name: of the values; ``good`` values are low or high.
        improve, worsen: the verbs of values that get better, and worse.
    """

    name: str
    improve: str = "fall"
    good: str = "low"
    worsen: str = "rise"


TRAIN_LOSS = SweptCurve("loss")
"""The training loss."""


def curve_of(objective: Objective) -> SweptCurve:
    """Return the objective as the curve of sweeps, for a program that tells no training losses."""
    if objective.sign < 0:
        return SweptCurve(objective.title)
    return SweptCurve(objective.title, improve="rise", good="high", worsen="fall")


@dataclass(frozen=True, eq=False)
class Sweeps:
    """The sweeps' curves.

    Attributes:
        rates: the geometric mean of each stretch's rates, rising, shape (points,).
        losses: mean training loss over each stretch, shape (seeds, points); NaN from where a run diverged, and where a
            program tells no losses.
        values: value of the objective at the end of each stretch, likewise.
    """

    rates: Column
    losses: Table
    values: Table


@dataclass(frozen=True, eq=False)
class FixedRuns:
    """The runs at fixed rates.

    Attributes:
        rates: rising, shape (rates,).
        values: of the objective by length in iterations, shape (seeds, rates); NaN where a run had diverged by then.
    """

    rates: Column
    values: dict[int, Table]


@dataclass(frozen=True)
class RangeCost:
    """Cost of all runs of a range test, those done before it included."""

    runs: int
    iterations: int
    train_seconds: float
    evaluation_seconds: float

    @property
    def seconds(self) -> float:
        """Training and evaluating time."""
        return self.train_seconds + self.evaluation_seconds


@dataclass(frozen=True)
class Peak:
    """The peak rate to begin with, and why."""

    rate: float
    reason: str


@dataclass(frozen=True, eq=False)
class RangeResult:
    """Result of a range test for one solver.

    Attributes:
        scale: of the runs at fixed rates at the longest length.
        evaluated_on: "validation" or "test".
        sweep: the reading of the sweeps.
        readings: of the runs at fixed rates, by length; None where no rate trained. The longest decides.
        objective: the metric by which the runs at fixed rates are read.
        swept: the curve of the sweeps.
        declared: sentences on what a program declares.
    """

    solver: SolverSettings | ProgramArguments
    plan: Plan
    scale: Scale
    evaluated_on: str
    sweeps: Sweeps
    sweep: SweepReading
    fixed: FixedRuns
    readings: dict[int, FixedReading | None]
    cost: RangeCost
    objective: Objective = ACCURACY
    swept: SweptCurve = TRAIN_LOSS
    declared: tuple[str, ...] = ()

    @property
    def equal_seeds(self) -> bool:
        """Whether seeds change nothing: all values of the sweeps and of the runs at fixed rates are equal."""
        tables = [self.sweeps.losses, self.sweeps.values, *self.fixed.values.values()]
        equal = all(np.array_equal(table, np.broadcast_to(table[:1], table.shape), equal_nan=True) for table in tables)
        return len(self.plan.seeds) > 1 and equal and any(np.isfinite(table).any() for table in tables)

    @property
    def reading(self) -> FixedReading | None:
        """The reading of the runs at fixed rates at the longest length."""
        return self.readings[self.plan.lengths[-1]]

    @property
    def rates(self) -> tuple[float, float] | None:
        """The least rate that trains usefully and the largest that trains well; None where there is no such range.

        Both were tried. Where a single rate is useful, the least is the next lower one that was tried.
        """
        if self.reading is None:
            return None
        least, largest = self.reading.least, self.reading.largest
        if least.rate < largest.rate:
            return least.rate, largest.rate
        return None if least.beyond is None else (least.beyond, largest.rate)

    @property
    def search_rates(self) -> tuple[float, float] | None:
        """The rates for a search, ``search.rates``; None where there is no range.

        They go up to the next rate that was tried above the range: a policy that warms up or decays may have a higher
        peak than a rate that is constant from the start.
        """
        if self.rates is None or self.reading is None:
            return None
        low, high = self.rates
        return low, self.reading.largest.beyond or high

    @property
    def peak(self) -> Peak | None:
        """The rate to use as the highest one of a schedule: the largest that trains well with every seed.

        None where no rate trained.
        """
        if self.reading is None:
            return None
        largest = self.reading.largest
        rate = min([largest.rate, *(edge for edge in largest.seeds if edge is not None)])
        with_seeds = "with every seed" if len(self.plan.seeds) > 1 else "with the one seed"
        reason = f"the largest rate that trains well {with_seeds}"
        if largest.beyond is None:
            return Peak(rate, f"{reason}; none was too high, so that a higher one may be better")
        return Peak(rate, f"{reason}: a schedule that falls or cycles below it is near the edge at its start alone")

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for the suggestion, how sure they are, and what to do for more; a sentence each."""
        return reasons(self.plan, self.scale, self.sweep, self.readings, self.swept)


def reasons(
    plan: Plan,
    scale: Scale,
    sweep: SweepReading,
    readings: Mapping[int, FixedReading | None],
    swept: SweptCurve = TRAIN_LOSS,
) -> tuple[str, ...]:
    """Return the reasons for a suggestion in sentences, the most important first.

    Args:
        readings: of the runs at fixed rates, by length; the longest decides.
    """
    reading = readings[plan.lengths[-1]]
    edges = _edges(plan, scale, reading)
    of_sweep = (_sweep(plan, sweep, swept), _disagreement(sweep, swept, reading))
    return tuple(filter(None, [*edges, *of_sweep, _trend(plan, readings)]))


def _edges(plan: Plan, scale: Scale, reading: FixedReading | None) -> Iterator[str]:
    length = plan.lengths[-1]
    if reading is None:
        yield (
            f"none of the rates tried, {plan.low:g} to {plan.high:g}, {scale.beyond_chance} in {length} iterations: "
            "raise range.lengths, or see whether the net trains at all"
        )
        return
    least, largest = reading.least, reading.largest
    yield (
        f"k1 = {largest.rate:g} is the largest rate that trains well: after {length} iterations at most "
        f"{scale.text(scale.tolerance(reading.accuracy))} behind the best, {scale.text(reading.accuracy)} at "
        f"{reading.best:g}; "
        f"{_sure(largest)}"
    )
    if largest.beyond is None:
        yield (
            f"no rate was too high: k1 is only known to be at least {largest.rate:g}; to see where it ends, set "
            f"range.high={10 * plan.high:g}"
        )
    else:
        yield (
            f"a search goes up to {largest.beyond:g}, the next rate tried: a policy that warms up or decays may have a "
            "higher peak than a rate that is constant from the start"
        )
    if least.rate == largest.rate:
        if least.beyond is None:
            yield f"a single rate, the lowest tried, is no range: set range.low={plan.low / 100:g}"
        else:
            yield f"k0 = {least.beyond:g} is the next lower rate that was tried: it trains less than usefully"
        return
    yield (
        f"k0 = {least.rate:g} is the least rate that trains usefully: {USEFULLY:.0%} of the best {scale.gain}, or "
        f"more; {_sure(least)}"
    )
    if least.beyond is None:
        yield (
            f"no rate was too low: k0 is only known to be at most {least.rate:g}; to see where it ends, set "
            f"range.low={plan.low / 10:g}"
        )


def _sure(edge: Edge) -> str:
    """The certainty of an edge, by the neighbour that was tried and by each seed."""
    parts = [f"not so {edge.beyond:g}, the next tried"] if edge.beyond is not None else []
    said = sum(rate is not None for rate in edge.seeds)
    if len(edge.seeds) == 1:
        parts.append("one seed, so nothing is known of chance")
    elif edge.spread is not None:
        low, high = edge.spread
        silent = f" ({len(edge.seeds) - said} of {len(edge.seeds)} say nothing)" if said < len(edge.seeds) else ""
        parts.append((f"all seeds say {low:g}" if low == high else f"by seed {low:g} to {high:g}") + silent)
    return ", ".join(parts)


def _sweep(plan: Plan, sweep: SweepReading, swept: SweptCurve) -> str:
    if sweep.start is None or sweep.end is None:
        return (
            f"sweep: the {swept.name} does not {swept.improve} by more than chance makes it, in {plan.swept} "
            f"iterations from {plan.low:g} to {plan.high:g}"
        )
    starts, ends = ([getattr(fall, name) for fall in sweep.known] for name in ("start", "end"))
    rose = sum(fall.rises is not None for fall in sweep.known)
    after = {
        0: f"and does not {swept.worsen} up to there, the end of the sweep",
        len(starts): f"and {swept.worsen}s beyond",
    }
    silent = len(sweep.falls) - len(starts)
    return (
        f"sweep: the {swept.name} {swept.improve}s from {sweep.start:.2g}{_between(starts)} on, is {swept.good} up to "
        f"{sweep.end:.2g}{_between(ends)}, "
        f"{after.get(rose, f'and {swept.worsen}s beyond in {rose} of {len(starts)} seeds')}"
        + (f"; no {swept.improve} in {silent} of {len(sweep.falls)} seeds" if silent else "")
    )


def _between(values: list[float]) -> str:
    return f" ({min(values):.2g} to {max(values):.2g} over the seeds)" if min(values) < max(values) else ""


def _disagreement(sweep: SweepReading, swept: SweptCurve, reading: FixedReading | None) -> str | None:
    """The disagreement of the sweep and the runs at fixed rates, which are closer to later use."""
    if reading is None or sweep.end is None:
        if (reading is None) == (sweep.end is None):
            return None
        return "the sweep and the runs at fixed rates disagree on whether the net trains; the latter decide"
    largest, end = reading.largest, sweep.end
    if largest.rate > STEP * end:
        return (
            f"the sweep had the {swept.name} {swept.worsen} beyond {end:.2g}, but runs at fixed rates train well above "
            "it: they decide"
        )
    if largest.beyond is not None and largest.beyond * STEP < end:
        return (
            f"the sweep had the {swept.name} {swept.good} up to {end:.2g}, but runs at fixed rates, untrained when "
            "they meet it, do worse from much lower on: they decide"
        )
    return None


def _trend(plan: Plan, readings: Mapping[int, FixedReading | None]) -> str | None:
    """The move of the range with the length, which hints at the range of the whole run."""
    known = {length: reading for length, reading in readings.items() if reading is not None}
    if len(known) < 2 or plan.lengths[-1] not in known:
        return None
    first, last = (known[length] for length in (min(known), max(known)))
    ends = (("k0", first.least, last.least), ("k1", first.largest, last.largest))
    moved = [name for name, before, after in ends if after.rate < before.rate]
    if not moved:
        return None
    return (
        f"from {min(known)} to {max(known)} iterations {' and '.join(moved)} fell: for longer runs "
        f"{'it' if len(moved) == 1 else 'they'} may lie lower still"
    )
