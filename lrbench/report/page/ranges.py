"""Range tests among the runs: the loss while the rate rose, and the accuracy of runs at fixed rates.

``lrbench range`` leaves ordinary runs in the experiment ``<name>-range``. Its suggestion also rests on the number of
classes and images, which runs do not hold, so the page shows what was measured and leaves the suggestion to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import PolicyError, plain
from lrbench.policies import parse_policy
from lrbench.report.build import WorkloadTable
from lrbench.report.labels import engine_settings, key, solver_name
from lrbench.report.page.curves import rounded
from lrbench.report.rows import RunRow
from lrbench.runs.status import OUTCOMES
from lrbench.tuning.range_test.sweep import read_sweeps

SUFFIX = "-range"


def is_of_range_test(run: RunRow) -> bool:
    """Whether the run was made by ``lrbench range``."""
    return run.experiment.endswith(SUFFIX)


def is_range_test(workload: WorkloadTable) -> bool:
    """Whether all runs of the workload were made by ``lrbench range``."""
    return all(is_of_range_test(run) for row in workload.policies for run in (*row.runs, *row.scaled))


def page_ranges(runs: Sequence[RunRow]) -> list[dict[str, Any]]:
    """One for each experiment, data set, solver and engine: ``sweeps`` and ``fixed`` by seed, and a ``sentence``."""
    groups: dict[tuple[str, bytes], list[RunRow]] = {}
    for run in filter(is_of_range_test, runs):
        same = {
            "workload": [run.workload.get(name) for name in ("net", "dataset", "batch_size")],
            "solver": run.solver,
            "engine": engine_settings(run),
        }
        groups.setdefault((run.experiment, key(same)), []).append(run)
    found = (_range(experiment, members) for (experiment, _), members in groups.items())
    return [one for one in found if one["sweeps"] or one["fixed"]]


def _range(experiment: str, runs: Sequence[RunRow]) -> dict[str, Any]:
    sweeps = [(run, *curve) for run in runs if run.function == "EXP" and (curve := _sweep(run)) is not None]
    fixed = _fixed([run for run in runs if run.function == "FIX" and run.status in OUTCOMES])
    return {
        "label": plain(f"{experiment}, {solver_name(runs[0].solver)}"),
        "sweeps": [
            {"seed": run.seed, "rates": rounded(rates), "losses": rounded(losses)} for run, rates, losses in sweeps
        ],
        "fixed": fixed,
        "sentence": " ".join(
            filter(
                None,
                [
                    _of_sweeps([(rates, losses) for _, rates, losses in sweeps]),
                    _of_fixed(fixed),
                    "lrbench range says which range to search: type its command again.",
                ],
            )
        ),
    }


def _sweep(run: RunRow) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The geometric mean of each stretch's rates, and the training loss over it; None for no rising rate."""
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


def _fixed(runs: Sequence[RunRow]) -> list[dict[str, Any]]:
    """By length in iterations: ``rates``, and of each seed the accuracy there, null where it had diverged."""
    ends = [run.evaluations["iteration"] for run in runs if run.status != "diverged"]
    lengths = sorted({int(end) for column in ends for end in column if end > 0})
    shown = [length for length in lengths if math.log2(length / lengths[0]).is_integer()] if lengths else []
    return [_at_length(runs, length) for length in shown]


def _at_length(runs: Sequence[RunRow], length: int) -> dict[str, Any]:
    rates: dict[float, dict[str, float | None]] = {}
    for run in runs:
        rate = _rate(run)
        if rate is not None:
            rates.setdefault(rate, {})[str(run.seed)] = _accuracy(run, length)
    return {"iterations": length, "rates": [{"rate": rate, "seeds": rates[rate]} for rate in sorted(rates)]}


def _rate(run: RunRow) -> float | None:
    try:
        return float(parse_policy(run.policy).parameters["k0"])
    except (PolicyError, KeyError, TypeError, ValueError):
        return None


def _accuracy(run: RunRow, length: int) -> float | None:
    place = np.flatnonzero(run.evaluations["iteration"] == length)
    column = run.evaluations.get("accuracy_top1")
    if column is None or not len(place) or not np.isfinite(column[place[0]]):
        return None
    return float(column[place[0]])


def _of_sweeps(sweeps: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> str:
    longest = max((len(rates) for rates, _ in sweeps), default=0)
    same = [(rates, losses) for rates, losses in sweeps if len(rates) == longest]
    if longest < 3:
        return ""
    found = read_sweeps(same[0][0], [losses for _, losses in same])
    if found.start is None or found.end is None:
        return "While the rate rose, the loss did not fall by more than chance makes it."
    return f"While the rate rose, the loss fell from {found.start:.2g} on and stayed low up to {found.end:.2g}."


def _of_fixed(fixed: Sequence[dict[str, Any]]) -> str:
    if not fixed:
        return ""
    means = {
        one["rate"]: float(np.mean([*one["seeds"].values()]))
        for one in fixed[-1]["rates"]
        if None not in one["seeds"].values()
    }
    if not means:
        return "No fixed rate was trained with by every seed without diverging."
    best = max(means, key=lambda rate: means[rate])
    return (
        f"Of the fixed rates {best:g} was best: {100 * means[best]:.1f} % after {fixed[-1]['iterations']:,} "
        "iterations, the mean over the seeds."
    )
