"""Result of a range test: the runs, the suggested rates, and the reasons in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lrbench.spec.model import SolverSettings
from lrbench.tuning.range_test.fixed import USEFULLY, AccuracyScale, Edge, FixedReading, Table
from lrbench.tuning.range_test.plan import STEP, Plan
from lrbench.tuning.range_test.sweep import Column, SweepReading


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
class RangeCost:
    """Cost of all runs of a range test, those done before it included."""

    runs: int
    iterations: int
    train_seconds: float
    evaluation_seconds: float


@dataclass(frozen=True, eq=False)
class RangeResult:
    """Result of a range test for one solver.

    Attributes:
        evaluated_on: "validation" or "test".
        sweep: the reading of the sweeps.
        readings: of the runs at fixed rates, by length; None where no rate trained. The longest decides.
    """

    solver: SolverSettings
    plan: Plan
    scale: AccuracyScale
    evaluated_on: str
    sweeps: Sweeps
    sweep: SweepReading
    fixed: FixedRuns
    readings: dict[int, FixedReading | None]
    cost: RangeCost

    @property
    def reading(self) -> FixedReading | None:
        """The reading of the runs at fixed rates at the longest length."""
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
        """The reasons for the suggestion, how sure they are, and what to do for more; a sentence each."""
        return reasons(self.plan, self.scale, self.sweep, self.readings)


def reasons(
    plan: Plan, scale: AccuracyScale, sweep: SweepReading, readings: Mapping[int, FixedReading | None]
) -> tuple[str, ...]:
    """Return the reasons for a suggestion in sentences, the most important first.

    Args:
        readings: of the runs at fixed rates, by length; the longest decides.
    """
    reading = readings[plan.lengths[-1]]
    edges = _edges(plan, scale, reading)
    return tuple(filter(None, [*edges, _sweep(plan, sweep), _disagreement(sweep, reading), _trend(plan, readings)]))


def _edges(plan: Plan, scale: AccuracyScale, reading: FixedReading | None) -> Iterator[str]:
    length = plan.lengths[-1]
    if reading is None:
        yield (
            f"none of the rates tried, {plan.low:g} to {plan.high:g}, trained beyond chance ({scale.chance:.1%}, and "
            f"{scale.least_gain:.1%} for luck) in {length} iterations: raise range.lengths, or see whether the net "
            "trains at all"
        )
        return
    least, largest = reading.least, reading.largest
    yield (
        f"k1 = {largest.rate:g} is the largest rate that trains well: after {length} iterations at most "
        f"{scale.tolerance(reading.accuracy):.1%} behind the best, {reading.accuracy:.1%} at {reading.best:g}; "
        f"{_sure(largest)}"
    )
    if largest.beyond is None:
        yield (
            f"no rate was too high: k1 is only known to be at least {largest.rate:g}; to see where it ends, set "
            f"range.high={10 * plan.high:g}"
        )
    if least.rate == largest.rate:
        if least.beyond is None:
            yield f"a single rate, the lowest tried, is no range: set range.low={plan.low / 100:g}"
        else:
            yield f"k0 = {least.beyond:g} is the next lower rate that was tried: it trains less than usefully"
        return
    yield (
        f"k0 = {least.rate:g} is the least rate that trains usefully: {USEFULLY:.0%} of the best gain over chance "
        f"({scale.chance:.1%}), or more; {_sure(least)}"
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


def _sweep(plan: Plan, sweep: SweepReading) -> str:
    if sweep.start is None or sweep.end is None:
        return (
            f"sweep: the loss does not fall by more than chance makes it, in {plan.swept} iterations from "
            f"{plan.low:g} to {plan.high:g}"
        )
    starts, ends = ([getattr(fall, name) for fall in sweep.known] for name in ("start", "end"))
    rose = sum(fall.rises is not None for fall in sweep.known)
    after = {0: "and does not rise up to there, the end of the sweep", len(starts): "and rises beyond"}
    silent = len(sweep.falls) - len(starts)
    return (
        f"sweep: the loss falls from {sweep.start:.2g}{_between(starts)} on, is low up to "
        f"{sweep.end:.2g}{_between(ends)}, {after.get(rose, f'and rises beyond in {rose} of {len(starts)} seeds')}"
        + (f"; no fall in {silent} of {len(sweep.falls)} seeds" if silent else "")
    )


def _between(values: list[float]) -> str:
    return f" ({min(values):.2g} to {max(values):.2g} over the seeds)" if min(values) < max(values) else ""


def _disagreement(sweep: SweepReading, reading: FixedReading | None) -> str | None:
    """The disagreement of the sweep and the runs at fixed rates, which are closer to later use."""
    if reading is None or sweep.end is None:
        if (reading is None) == (sweep.end is None):
            return None
        return "the sweep and the runs at fixed rates disagree on whether the net trains; the latter decide"
    largest, end = reading.largest, sweep.end
    if largest.rate > STEP * end:
        return f"the sweep had the loss rise beyond {end:.2g}, but runs at fixed rates train well above it: they decide"
    if largest.beyond is not None and largest.beyond * STEP < end:
        return (
            f"the sweep had the loss low up to {end:.2g}, but runs at fixed rates, untrained when they meet it, do "
            "worse from much lower on: they decide"
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
