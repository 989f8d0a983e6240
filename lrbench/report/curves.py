"""Curves over iterations: the mean over a policy's seeds, how far the seeds lie apart, and where one diverged."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import PolicyError
from lrbench.policies import parse_policy
from lrbench.report.policies import PolicyRow

Column = NDArray[np.float64]

MOST_POINTS = 20_000  # of a rate's curve; more cannot be told apart in a picture


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
        """Whether there is nothing to draw."""
        return not np.isfinite(self.mean).any()


def metric_curve(row: PolicyRow, name: str) -> Curve:
    """A metric's column over the runs that count."""
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
    """The policy's own rates over the run's iterations.

    Where the text is no policy, or a closed-loop one, the rates that were used, as the evaluations have them.
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
    """The rates of the evaluations; where that at t = 0 is known, the curve begins with it."""
    curve = replace(metric_curve(row, "learning_rate"), at_evaluations=True)
    if first is None or curve.iterations[:1].tolist() == [0]:
        return curve
    iterations = np.insert(curve.iterations, 0, 0)
    mean, lowest, highest = (np.insert(column, 0, first) for column in (curve.mean, curve.lowest, curve.highest))
    return replace(curve, iterations=iterations, mean=mean, lowest=lowest, highest=highest)
