"""Range tests among the runs: the loss of rate sweeps, and the objective of runs at fixed rates.

``lrbench range`` leaves ordinary runs in the experiment ``<name>-range``. Its suggestion also needs the numbers of
classes and images, which runs do not hold, so the page shows only what was measured.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.comparable import engine_settings, key
from lrbench.errors import PolicyError, plain
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.policies import parse_policy
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import number
from lrbench.report.labels import solver_name
from lrbench.report.page.curves import rounded
from lrbench.report.rows import RunRow
from lrbench.runs.status import OUTCOMES
from lrbench.tuning.range_test.sweep import read_sweeps

Column = NDArray[np.float64]
SUFFIX = "-range"


def is_of_range_test(run: RunRow) -> bool:
    """Whether the run was made by ``lrbench range``."""
    return run.experiment.endswith(SUFFIX)


def is_range_test(workload: WorkloadTable) -> bool:
    """Whether all runs of the workload were made by ``lrbench range``."""
    return all(map(is_of_range_test, workload.runs))


def page_ranges(runs: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return ``sweeps``, ``fixed`` and a ``sentence`` for each experiment, data set, solver and engine."""
    groups: dict[tuple[str, bytes], list[RunRow]] = {}
    for run in filter(is_of_range_test, runs):
        same = {
            "workload": [run.workload.get(name) for name in ("net", "dataset", "batch_size", "program")],
            "solver": run.solver,
            "engine": engine_settings(run),
        }
        groups.setdefault((run.experiment, key(same)), []).append(run)
    found = (_range(experiment, members) for (experiment, _), members in groups.items())
    return [one for one in found if one["sweeps"] or one["fixed"]]


def _range(experiment: str, runs: Sequence[RunRow]) -> dict[str, Any]:
    objective = runs[0].objective or ACCURACY
    sweeps = [(run, *curve) for run in runs if run.function == "EXP" and (curve := _sweep(run)) is not None]
    fixed = _fixed([run for run in runs if run.function == "FIX" and run.status in OUTCOMES], objective)
    sentences = [
        _of_sweeps(sweeps),
        _of_fixed(fixed, objective),
        "Rerun the lrbench range command to see the suggested range.",
    ]
    return {
        "label": plain(f"{experiment}, {solver_name(runs[0].solver)}"),
        "objective": {"title": plain(objective.title), "percent": objective.unit == "fraction"},
        "sweeps": [
            {"seed": run.seed, "rates": rounded(rates), "losses": rounded(losses)} for run, rates, losses in sweeps
        ],
        "fixed": fixed,
        "sentence": " ".join(filter(None, sentences)),
    }


def _sweep(run: RunRow) -> tuple[Column, Column] | None:
    """Return the geometric mean of the rates before each evaluation, and the training loss; None for no sweep."""
    ends, losses = run.evaluations.get("iteration"), run.evaluations.get("train_loss")
    try:
        policy = parse_policy(run.policy)
        low, growth = float(policy.parameters["k0"]), float(policy.parameters["gamma"])
    except (PolicyError, KeyError, TypeError, ValueError):
        return None
    if ends is None or losses is None or not len(ends) or growth <= 1:
        return None
    ends, losses = ends[ends > 0], losses[ends > 0]
    starts = np.concatenate([[0.0], ends[:-1]])
    return low * np.power(growth, (starts + ends - 1) / 2), losses


def _fixed(runs: Sequence[RunRow], objective: Objective) -> list[dict[str, Any]]:
    """Return ``iterations`` and ``rates`` by length, each rate with the values by seed, null where it diverged."""
    ends = [run.evaluations["iteration"] for run in runs if run.status != "diverged"]
    lengths = sorted({int(end) for column in ends for end in column if end > 0})
    rated: dict[float, list[RunRow]] = {}
    for run in runs:
        with contextlib.suppress(PolicyError, KeyError, TypeError, ValueError):
            rated.setdefault(float(parse_policy(run.policy).parameters["k0"]), []).append(run)
    return [
        {
            "iterations": length,
            "rates": [
                {"rate": rate, "seeds": {str(run.seed): _value(run, length, objective) for run in rated[rate]}}
                for rate in sorted(rated)
            ],
        }
        for length in lengths
        if math.log2(length / lengths[0]).is_integer()
    ]


def _value(run: RunRow, length: int, objective: Objective) -> float | None:
    place = np.flatnonzero(run.evaluations["iteration"] == length)
    column = run.evaluations.get(objective.column)
    if column is None or not len(place) or not np.isfinite(column[place[0]]):
        return None
    return float(column[place[0]])


def _of_sweeps(sweeps: Sequence[tuple[RunRow, Column, Column]]) -> str:
    longest = max((len(rates) for _, rates, _ in sweeps), default=0)
    if longest < 3:
        return ""
    same = [(rates, losses) for _, rates, losses in sweeps if len(rates) == longest]
    found = read_sweeps(same[0][0], [losses for _, losses in same])
    if found.start is None or found.end is None:
        return "While the rate rose, the loss did not fall by more than its noise."
    return f"While the rate rose, the loss fell from {found.start:.2g} on and stayed low up to {found.end:.2g}."


def _of_fixed(fixed: Sequence[dict[str, Any]], objective: Objective) -> str:
    if not fixed:
        return ""
    seeds = {each["rate"]: [*each["seeds"].values()] for each in fixed[-1]["rates"]}
    means = {rate: float(np.mean(values)) for rate, values in seeds.items() if None not in values}
    if not means:
        return "At every fixed rate a seed diverged."
    best = max(means, key=lambda rate: objective.order(means[rate]))
    iterations, value = fixed[-1]["iterations"], means[best]
    text = f"{100 * value:.1f} %" if objective.unit == "fraction" else number(value, objective.unit)
    return f"Best fixed rate: {best:g}, with a mean {plain(objective.title)} of {text} after {iterations:,} iterations."
