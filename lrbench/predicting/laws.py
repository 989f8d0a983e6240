"""Laws of the loss: what a run's loss is after t iterations, as a function of all its learning rates up to t.

Each law is a sum of three terms with coefficients that are never negative,

    L(t) = L0 + A P(t)^-alpha + B n(t)

P is the progress, the sum of a power of the rates so far. n is the noise that the rates keep up: the first rate's, and
for each change of the rate since, that of the change, reached gradually as training goes on. The laws differ in the
powers, and in how a change of the rate takes effect. Rates are in units of the highest fitted rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lrbench.predicting.curves import Floats, Integers, Schedule

BLOCKS = 160
"""Number of stretches of a schedule in each of which all changes of the rate count as one."""

LOWEST = 1e-3
"""Rates count as at least this share of the highest one where a change takes effect with the power of the rate."""


@dataclass(frozen=True)
class Shape:
    """A parameter that gives a law its shape: where its search starts, its bounds, its first step.

    Attributes:
        usual, spread: the value that it is drawn to, and how weakly: the fit's mean squared error, in squared per
            cent, grows by 1 where the value is ``spread`` away. An infinite spread does not draw.
        per_run: the value is a rate per progress of the longest run, and its logarithm is searched.
    """

    name: str
    starts: tuple[float, ...]
    low: float
    high: float
    step: float
    usual: float = 0.0
    spread: float = np.inf
    per_run: bool = False


@dataclass(frozen=True)
class Law:
    """A law of the loss.

    Attributes:
        progress_power: power of the rates in P, and in the progress since a change.
        settled: share of a change that has taken effect, from the progress since, the iterations since, and the rate
            after the change; with the values of the shape parameters behind ``alpha`` and ``noise_power``.
        noise_power: power of the rates in n; None: it is the second shape parameter.
    """

    name: str
    source: str
    shapes: tuple[Shape, ...]
    progress_power: float
    settled: Callable[[Floats, Floats, Floats, Floats], Floats]
    noise_power: float | None = None


def _exponential(progress: Floats, _since: Floats, rate: Floats, values: Floats) -> Floats:
    pace, power = values
    return np.asarray(-np.expm1(-np.exp(pace) * progress * rate**-power))


def _multi_power(progress: Floats, _since: Floats, rate: Floats, values: Floats) -> Floats:
    pace, power, beta = values
    return np.asarray(1 - (1 + np.exp(pace) * progress * rate**-power) ** -beta)


def _momentum(_progress: Floats, since: Floats, _rate: Floats, values: Floats) -> Floats:
    return np.asarray(-np.expm1(-np.exp(values[0]) * since))


_ALPHA = Shape("alpha", (0.45,), 0.05, 1.5, 0.15, usual=0.45, spread=10)
_PACE = Shape("pace", (np.log(50), np.log(500)), np.log(2), np.log(1e5), 1.0, per_run=True)

SETTLING = Law(
    "settling",
    "P = sum (eta / eta_ref)^0.7, n the sum over rate changes of (1 - exp(-c x (eta / eta_ref)^-g)) times the change "
    "of (eta / eta_ref)^q, x the part of P since the change",
    (
        _ALPHA,
        Shape("q", (0.7,), 0.2, 2.5, 0.2, usual=0.7, spread=10),
        _PACE,
        Shape("g", (0.0,), -0.5, 1.5, 0.2, usual=0, spread=10),
    ),
    0.7,
    _exponential,
)
"""The law that predicts values best on public curves of language models."""

MULTI_POWER = Law(
    "multi-power",
    "arXiv:2503.12811",
    (
        _ALPHA,
        _PACE,
        Shape("gamma", (0.5,), -0.5, 1.5, 0.2, usual=0.5, spread=10),
        Shape("beta", (0.5,), 0.05, 3.0, 0.2, usual=0.5, spread=10),
    ),
    1.0,
    _multi_power,
    1.0,
)
ANNEALING = Law("annealing", "arXiv:2408.11029", (_ALPHA, _PACE), 1.0, _momentum, 1.0)
LAWS = (SETTLING, MULTI_POWER, ANNEALING)


class Terms:
    """The three terms of a law for one schedule at the given iterations, for any values of the shape parameters."""

    def __init__(self, law: Law, schedule: Schedule, iterations: Integers, reference: float) -> None:
        relative = np.maximum(schedule.rates, 0) / reference
        sums = np.concatenate([[0.0], np.cumsum(relative**law.progress_power)])
        edges = _edges(schedule)
        middles = (edges[:-1] + edges[1:] + 1) // 2
        at_edges = relative[np.minimum(edges, schedule.length - 1)]
        changed = np.flatnonzero(np.diff(at_edges))
        since = iterations[:, None] - middles[None, changed]
        self._law = law
        self._progress = np.maximum(sums[iterations], 1e-12)
        self._before, self._after = at_edges[changed], at_edges[changed + 1]
        self._first = at_edges[0]
        self._since = np.maximum(since, 0).astype(np.float64)
        self._gained = np.where(since > 0, self._progress[:, None] - sums[middles[changed]][None, :], 0.0)
        self._rate = np.maximum(relative[np.minimum(middles[changed], schedule.length - 1)], LOWEST)[None, :]

    def matrix(self, values: Floats, longest: float) -> Floats:
        """The terms, a column each: 1, P^-alpha with P in units of ``longest``, and n.

        Args:
            values: of the law's shape parameters; those per run are per ``longest``.
        """
        law = self._law
        power, others = (values[1], values[2:]) if law.noise_power is None else (law.noise_power, values[1:])
        scaled = np.array(others)
        for index, shape in enumerate(law.shapes[len(values) - len(others) :]):
            if shape.per_run:
                scaled[index] -= np.log(longest)
        settled = law.settled(self._gained, self._since, self._rate, scaled)
        noise = self._first**power + settled @ (self._after**power - self._before**power)
        return np.column_stack([np.ones(len(self._progress)), (self._progress / longest) ** -values[0], noise])


def _edges(schedule: Schedule) -> Integers:
    """Iterations between which changes of the rate count as one, those of the warm-up all as its end's rate."""
    start = schedule.warm_up
    return np.unique(np.linspace(start, schedule.length, min(BLOCKS, schedule.length - start) + 1).astype(np.int64))
