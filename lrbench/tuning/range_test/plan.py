"""Which rates are tried, how long, and which further ones after what was found."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from lrbench.errors import SpecError
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.solver_types import SolverType
from lrbench.tuning.range_test.fixed import FixedReading
from lrbench.tuning.range_test.sweep import SweepReading

# The usual rates of these lie that much above those of SGD: Caffe's own examples use 0.01 with SGD, 0.001 with Adam
# and 1 with AdaDelta.
_SGD_RANGE = (1e-5, 10.0)
_BY_TYPE: dict[SolverType, float] = {
    "SGD": 1,
    "Nesterov": 1,
    "AdaGrad": 0.1,
    "RMSProp": 0.01,
    "AdaDelta": 100,
    "Adam": 0.01,
}

FEWEST_SWEPT, MOST_SWEPT = 100, 2000
POINTS = 50
"""Evaluations of a sweep, about."""
FEWEST_FIXED = 25
STEP = 3.0
"""By what the range is extended where its end has not been reached."""
APART = 2.5
"""Neighbours at the edge of the range that lie farther apart have their geometric mean tried, too."""
HIDING = 6.0
"""A gap that wide between rates that do not train has its middle tried: nets train over a decade or more."""
DIGITS = 2


@dataclass(frozen=True)
class Plan:
    """What a range test tries for one solver.

    Attributes:
        low, high: bounds of all rates, before the solver's ``lr_scale``.
        swept: iterations of the sweep.
        sweep_interval: iterations between two of its evaluations.
        lengths: iterations after which runs at a fixed rate are compared; multiples of the first.
        rates: how many of those there are to begin with.
        seeds: of the nets.
    """

    low: float
    high: float
    swept: int
    sweep_interval: int
    lengths: tuple[int, ...]
    rates: int
    seeds: tuple[int, ...]

    @property
    def growth(self) -> float:
        """What each iteration of the sweep multiplies the rate by, so that its last one has the rate ``high``."""
        return math.exp(math.log(self.high / self.low) / (self.swept - 1))

    @property
    def sweep_text(self) -> str:
        """The sweep's policy."""
        return f"EXP(k0={self.low!r}, gamma={self.growth!r})"

    def swept_rate(self, start: int, end: int) -> float:
        """The geometric mean of the sweep's rates over the iterations from ``start`` up to ``end``, that left out."""
        return min(self.low * math.pow(self.growth, (start + end - 1) / 2), self.high)


def plan_for(experiment: Experiment, solver: SolverSettings) -> Plan:
    """The spec's section ``range``, with what it leaves open filled in.

    Raises:
        SpecError: the bound it gives does not fit the solver's own other one; with the spec's line.
    """
    settings, iterations = experiment.settings.range, experiment.workload.iterations
    factor = _BY_TYPE[solver.type] / solver.lr_scale
    usual = [float(f"{rate * factor:.6g}") for rate in _SGD_RANGE]
    low, high = settings.low or usual[0], settings.high or usual[1]
    if low >= high:
        given, other = ("low", "high") if settings.low else ("high", "low")
        where = experiment.document.where(("range", given))
        raise SpecError(
            f"range.{given} is {low if given == 'low' else high:g}, but the rates for {solver.type} go "
            f"from {low:g} to {high:g} then",
            where=where,
            remedy=f"give range.{other}, too",
        )
    swept = settings.iterations or min(max(iterations // 10, FEWEST_SWEPT), MOST_SWEPT, iterations)
    return Plan(
        low,
        high,
        max(swept, 2),
        max(1, round(swept / POINTS)),
        tuple(settings.lengths) if settings.lengths else _lengths(iterations),
        settings.rates,
        tuple(settings.seeds),
    )


def _lengths(iterations: int) -> tuple[int, ...]:
    first = max(iterations // 20, min(FEWEST_FIXED, iterations // 4), 1)
    return tuple(length for length in (first, 2 * first, 4 * first) if length <= iterations)


def first_rates(plan: Plan, sweep: SweepReading) -> tuple[float, ...]:
    """The fixed rates to begin with: where the sweep says that training takes place, the whole range if nowhere.

    A run at a fixed rate moves as far as the sweep has up to some rate when rate times iterations are the same. The
    sweep up to rate r is worth ``swept / ln(high / low)`` iterations at r, so long runs train at lower rates than it.
    """
    low, high = plan.low, plan.high
    if sweep.start is not None:
        worth = plan.swept / math.log(plan.high / plan.low)
        low = max(plan.low, sweep.start * min(1.0, worth / plan.lengths[-1]))
        high = sweep.rises or plan.high
    step = (high / low) ** (1 / (plan.rates - 1))
    return _rounded([low * step**index for index in range(plan.rates)], plan)


def further_rates(plan: Plan, tried: tuple[float, ...], reading: FixedReading | None) -> tuple[float, ...]:
    """Rates to try next, none of them tried: beyond an end that has not been reached, or at an edge known roughly.

    Where no rate trained, the bounds, and the middle of each gap that could hide a range.
    """
    if reading is None:
        known = sorted({plan.low, plan.high, *tried})
        gaps = [(rate, after) for rate, after in itertools.pairwise(known) if after / rate > HIDING]
        wanted = [plan.low, plan.high, *(math.sqrt(rate * after) for rate, after in gaps)]
    else:
        wanted = [
            *_at_edge(reading.least.rate, reading.least.beyond, 1 / STEP),
            *_at_edge(reading.largest.rate, reading.largest.beyond, STEP),
        ]
    return tuple(rate for rate in _rounded(wanted, plan) if rate not in tried)


def _at_edge(rate: float, beyond: float | None, step: float) -> list[float]:
    if beyond is None:
        return [rate * step]
    return [math.sqrt(rate * beyond)] if max(rate / beyond, beyond / rate) > APART else []


def _rounded(rates: list[float], plan: Plan) -> tuple[float, ...]:
    """Rising, each once, within the bounds, with few digits where that leaves them apart."""
    short = {min(max(float(f"{rate:.{DIGITS}g}"), plan.low), plan.high) for rate in rates}
    whole = {min(max(rate, plan.low), plan.high) for rate in rates}
    return tuple(sorted(short if len(short) == len(whole) else whole))
