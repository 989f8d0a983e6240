"""Plan of a range test: the rates to try and how long, and further ones after what was found."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from lrbench.errors import SpecError
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments
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
_PROGRAM_RANGE = (1e-6, 10.0)
"""Rates for an optimizer that is not known: from the least of Adam to the largest of SGD, about."""

FEWEST_SWEPT, MOST_SWEPT = 100, 2000
POINTS = 50
"""Evaluations of a sweep, about."""
FEWEST_FIXED = 25
STEP = 3.0
"""Factor by which the range is extended where its end has not been reached."""
APART = 2.5
"""Ratio of neighbours at the edge of the range beyond which their geometric mean is tried, too."""
HIDING = 6.0
"""Ratio of rates that do not train beyond which the middle is tried: nets train over a decade or more."""
DIGITS = 2


@dataclass(frozen=True)
class Plan:
    """Plan of a range test for one solver.

    Attributes:
        low, high: bounds of all rates, before the solver's ``lr_scale``.
        swept: iterations of the sweep.
        sweep_interval: iterations between two of its evaluations.
        lengths: iterations after which runs at a fixed rate are compared; multiples of the first.
        rates: number of fixed rates to begin with.
        seeds: of the runs.
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
        """Factor on the rate in each iteration of the sweep, so that its last one has the rate ``high``."""
        return math.exp(math.log(self.high / self.low) / (self.swept - 1))

    def swept_rate(self, start: int, end: int) -> float:
        """Return the geometric mean of the sweep's rates over the iterations from ``start`` up to but not ``end``."""
        return min(self.low * math.pow(self.growth, (start + end - 1) / 2), self.high)


def plan_for(experiment: Experiment, solver: SolverSettings | ProgramArguments, *, short: bool = False) -> Plan:
    """Return the plan of the spec's section ``range``, with its defaults filled in.

    Args:
        short: whether defaults are those of a test before a search: one seed, and half as long runs.

    Raises:
        SpecError: the bound it gives does not fit the solver's own other one; with the spec's line.
    """
    settings, iterations = experiment.settings.range, experiment.workload.iterations
    usual, rates = _usual_rates(solver)
    low, high = settings.low or usual[0], settings.high or usual[1]
    if low >= high:
        given, other = ("low", "high") if settings.low else ("high", "low")
        where = experiment.document.where(("range", given))
        raise SpecError(
            f"range.{given} is {low if given == 'low' else high:g}, but {rates} go from {low:g} to {high:g} then",
            where=where,
            remedy=f"give range.{other}, too",
        )
    first = max(iterations // 20, min(FEWEST_FIXED, iterations // 4), 1)
    lengths = (first, 2 * first) if short else (first, 2 * first, 4 * first)
    seeds = settings.seeds[:1] if short and "seeds" not in settings.model_fields_set else settings.seeds
    swept = settings.iterations or min(max(iterations // 10, FEWEST_SWEPT), MOST_SWEPT, iterations)
    return Plan(
        low,
        high,
        max(swept, 2),
        max(1, round(swept / POINTS)),
        tuple(settings.lengths or (length for length in lengths if length <= iterations)),
        settings.rates,
        tuple(seeds),
    )


def _usual_rates(solver: SolverSettings | ProgramArguments) -> tuple[tuple[float, float], str]:
    """The bounds of rates that a spec leaves open, and what these rates are called."""
    if isinstance(solver, ProgramArguments):
        return _PROGRAM_RANGE, "the rates for a program"
    factor = _BY_TYPE[solver.type] / solver.lr_scale
    low, high = (float(f"{rate * factor:.6g}") for rate in _SGD_RANGE)
    return (low, high), f"the rates for {solver.type}"


def first_rates(plan: Plan, sweep: SweepReading) -> tuple[float, ...]:
    """Return the fixed rates to begin with: where the net trains in the sweep, the whole range if nowhere.

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
    """Return rates to try next: beyond an end that has not been reached, or at an edge that is known roughly.

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
    """The rates in order, each once, within the bounds, with few digits where that keeps them apart."""
    short = {min(max(float(f"{rate:.{DIGITS}g}"), plan.low), plan.high) for rate in rates}
    whole = {min(max(rate, plan.low), plan.high) for rate in rates}
    return tuple(sorted(short if len(short) == len(whole) else whole))
