"""Data of figures and of the HTML page: curves over iterations with bands, and limits to zoom in on.

Does not import matplotlib.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import PolicyError
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.metrics.registry import Unit
from lrbench.policies import parse_policy
from lrbench.report.policies import PolicyRow

Column = NDArray[np.float64]

MOST_POINTS = 20_000
"""Points in the curve of a policy's rates; a figure cannot show more."""
ZOOM_SPANS, LARGEST_QUANTILE = 2.0, 0.8
START = 0.2
"""Share of a run, from its start, that does not count for the scale in figures of rate against the objective."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one policy.

    Attributes:
        iterations, mean, lowest, highest: of the same length; over the seeds that have a value at that iteration, NaN
            where none has.
        ends: (iteration, value) of the last value before a seed's training diverged.
        at_evaluations: whether it is a rate known only at the evaluations, of the iteration before each.
    """

    iterations: Column
    mean: Column
    lowest: Column
    highest: Column
    ends: tuple[tuple[float, float], ...]
    at_evaluations: bool = False

    @property
    def empty(self) -> bool:
        """Whether no value is finite."""
        return not np.isfinite(self.mean).any()


def metric_curve(row: PolicyRow, name: str) -> Curve:
    """Return a metric's curve over the counted runs."""
    columns = [
        (run.evaluations["iteration"], run.evaluations[name], run.status == "diverged")
        for run in row.counted
        if name in run.evaluations
    ]
    iterations = np.unique(np.concatenate([at for at, _, _ in columns])) if columns else np.empty(0)
    table = np.full((max(1, len(columns)), len(iterations)), np.nan)
    ends = []
    for place, (at, values, diverged) in enumerate(columns):
        table[place, np.searchsorted(iterations, at)] = values
        known = np.flatnonzero(np.isfinite(values))
        if diverged and len(known):
            ends.append((float(at[known[-1]]), float(values[known[-1]])))
    table[~np.isfinite(table)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an iteration at which no seed has a value
        mean, lowest, highest = (statistic(table, axis=0) for statistic in (np.nanmean, np.nanmin, np.nanmax))
    return Curve(iterations, mean, lowest, highest, tuple(ends))


def rate_curve(row: PolicyRow) -> Curve:
    """Return the policy's rates over the run's iterations.

    For a closed-loop policy, or a text that is no policy, these are the rates in the evaluations.
    """
    run = row.runs[0] if row.runs else None
    budget = run.workload.get("iterations") if run else None
    if isinstance(budget, int) and 0 < budget < 2**53:
        try:
            policy = parse_policy(row.policy)
            if policy.closed_loop:
                return _used(row, float(policy.start(budget).rates(0, 1)[0]))
            t = np.unique(np.linspace(0, budget - 1, min(budget, MOST_POINTS)).astype(np.int64))
            rates = policy.rates(t, budget)
        except PolicyError:
            pass
        else:
            return Curve(t.astype(np.float64), rates, rates, rates, ())
    return _used(row)


def _used(row: PolicyRow, first: float | None = None) -> Curve:
    """Return the rates in the evaluations, after the rate at t = 0 where it is given."""
    curve = replace(metric_curve(row, "learning_rate"), at_evaluations=True)
    if first is None or curve.iterations[:1].tolist() == [0]:
        return curve
    iterations = np.insert(curve.iterations, 0, 0)
    mean, lowest, highest = (np.insert(column, 0, first) for column in (curve.mean, curve.lowest, curve.highest))
    return replace(curve, iterations=iterations, mean=mean, lowest=lowest, highest=highest)


@dataclass(frozen=True)
class Zoom:
    """Part of a figure of the objective in which the better half of the policies ends."""

    start: float
    end: float
    low: float
    high: float


def zoom(rows: Sequence[PolicyRow], objective: Objective = ACCURACY) -> Zoom | None:
    """Zoom in on the best values of the objective; None where no row has any.

    The zoom reaches ZOOM_SPANS spans from the best value towards the worse ones, and begins at the iteration at which
    the first curve gets there. A span is the distance from the best value to the median, of best or of final values, at
    least half a percentage point of an accuracy.
    """
    best = [
        objective.order(mean) for row in rows if (mean := row.summaries[objective.best_metric.name].mean) is not None
    ]
    curves = [curve for row in rows if not (curve := metric_curve(row, objective.column)).empty]
    if not best or not curves:
        return None
    top = max(best)
    at_end = np.median([objective.sign * curve.mean[np.isfinite(curve.mean)][-1] for curve in curves])
    span = max(top - min(float(np.median(best)), float(at_end)), _least_span(top, objective))
    worst, beyond = top - ZOOM_SPANS * span, top + 0.3 * span
    end = max(float(curve.iterations[-1]) for curve in curves)
    starts = [curve.iterations[objective.sign * _better_end(curve, objective) >= worst] for curve in curves]
    start = min((float(found[0]) for found in starts if len(found)), default=end)
    low, high = sorted((objective.sign * worst, objective.sign * beyond))
    if objective.unit == "fraction":
        low, high = max(low, -0.1 * span), min(high, 1.0 + 0.1 * span)
    return Zoom(start if start < end else 0.0, end, low, high)


def _better_end(curve: Curve, objective: Objective) -> Column:
    """The best seed at each iteration."""
    return curve.highest if objective.sign > 0 else curve.lowest


def _least_span(size: float, objective: Objective) -> float:
    return 0.005 if objective.unit == "fraction" else 0.005 * abs(size) or 1e-9


def objective_limits(rows: Sequence[PolicyRow], objective: Objective = ACCURACY) -> tuple[float, float]:
    """Return one scale for the objective of all rows, which ignores worse values at the start of training."""
    curves = [curve for row in rows if not (curve := metric_curve(row, objective.column)).empty]
    if not curves:
        return 0.0, 1.0
    end = max(curve.iterations[-1] for curve in curves)
    late = [
        value
        for curve in curves
        for column in (curve.lowest, curve.highest)
        for value in objective.sign * column[curve.iterations >= START * end]
        if np.isfinite(value)
    ]
    top = max(float(np.nanmax(objective.sign * _better_end(curve, objective))) for curve in curves)
    bottom = min(late, default=0.0)
    margin = 0.06 * max(top - bottom, _least_span(top, objective))
    low, high = sorted((objective.sign * (bottom - margin), objective.sign * (top + margin)))
    return low, high


def rank_labels(rows: Sequence[PolicyRow]) -> list[str]:
    """Return short unique labels for lines: the rank, with a letter where policies share it or have none."""
    ranks = ["-" if row.rank is None else str(row.rank) for row in rows]
    shared, seen = collections.Counter(ranks), collections.Counter[str]()
    labels = []
    for rank in ranks:
        letter = chr(ord("a") + seen[rank]) if seen[rank] < 26 else f".{seen[rank] + 1}"
        seen[rank] += 1
        labels.append(rank + letter if shared[rank] > 1 else rank)
    return labels


def thinned(values: Column, most: int) -> NDArray[np.intp]:
    """Return the indices of at most ``most`` values with the shape of all: ends, and extremes of equal stretches."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    width = -(-count // ((most - 2) // 2))
    padded = np.concatenate([values, np.full(-count % width, np.nan)]).reshape(-1, width)
    known = np.isfinite(padded)
    first = np.arange(len(padded)) * width
    least, largest = np.where(known, padded, np.inf).argmin(axis=1), np.where(known, padded, -np.inf).argmax(axis=1)
    inside = known.any(axis=1)
    return np.unique(np.concatenate([[0, count - 1], (first + least)[inside], (first + largest)[inside]]))


def worst_shade(regrets: Iterable[float | None], unit: Unit) -> float:
    """Return the regret with the darkest shade in a heat map, given all regrets in that unit.

    It is a quantile, so that one bad policy does not make all others look alike.
    """
    known = [regret for regret in regrets if regret is not None and regret > 0]
    if known:
        return float(np.quantile(known, LARGEST_QUANTILE))
    return 0.01 if unit == "fraction" else 1.0
