"""Reading of loss curves: from run directories of LRBench, or from a CSV file of any training.

The seeds of a policy are averaged at the iterations that all of them have, and give one curve.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lrbench.errors import PolicyError, ResultsError, path_text
from lrbench.policies import parse_policy
from lrbench.predicting.csv_file import read_csv
from lrbench.predicting.curves import Curve, Floats, Integers, Schedule
from lrbench.runs.description import RunDescription
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import RunRecord, find_runs, read_run

LOSS = "test_loss"


@dataclass(frozen=True, eq=False)
class SeedCurve:
    """The losses of one seed, each after so many iterations, and the rates that it was trained with."""

    name: str
    iterations: Integers
    losses: Floats
    rates: Floats


@dataclass(frozen=True)
class CurvesRead:
    """Curves, and a line for each run that gives none."""

    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class LeftOut:
    """Policies that are not fitted, by their texts, however these are written."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._unused = {_canonical(text): text for text in texts}
        self._texts = {*self._unused}

    def __contains__(self, name: str) -> bool:
        self._unused.pop(name, None)
        return name in self._texts

    def check(self, path: Path) -> None:
        """Raise ResultsError if one of the policies was not met with."""
        for text in self._unused.values():
            raise ResultsError(f"there is no run of {text} to leave out", where=path_text(path))


def _canonical(text: str) -> str:
    try:
        return parse_policy(text).text
    except PolicyError:
        return text


def read_curves(
    path: Path, comparable: Callable[[RunDescription], bool], loss: str = LOSS, left_out: Collection[str] = ()
) -> CurvesRead:
    """Read the curves of a folder of results, or of a CSV file.

    Args:
        comparable: whether a run is of the workload, solver and engine that predictions are for; a CSV file does not
            say.
        loss: the metric to read.
        left_out: names of policies not to read.

    Raises:
        ResultsError: there is no curve, a run diverged, or the file is no such CSV file.
    """
    if not path.exists():
        raise ResultsError(
            "no such file or folder", where=path_text(path), remedy="give a results folder or a CSV file"
        )
    found, leaving_out = CurvesRead(), LeftOut(left_out)
    if path.is_dir():
        seeds = _of_results(path, comparable, loss, leaving_out, found.notes)
    else:
        seeds = [seed for seed in _of_csv(path) if seed.name not in leaving_out]
    leaving_out.check(path)
    groups: Mapping[tuple[str, int], list[SeedCurve]] = defaultdict(list)
    for seed in seeds:
        groups[seed.name, len(seed.rates)].append(seed)
    found.curves.extend(_mean_curve(groups[key]) for key in sorted(groups))
    if not found.curves:
        raise ResultsError("there is no finished run left to fit", where=path_text(path), remedy="train some policies")
    return found


def _of_results(
    path: Path,
    comparable: Callable[[RunDescription], bool],
    loss: str,
    left_out: LeftOut,
    notes: list[str],
) -> list[SeedCurve]:
    seeds, others = [], 0
    for folder in find_runs([path]):
        try:
            record = read_run(folder)
        except DamagedRun as damage:
            notes.append(str(damage.at(path_text(folder))))
            continue
        if record.run.policy in left_out:
            continue
        if not comparable(record.run):
            others += 1
        elif record.status.status not in ("finished", "diverged"):
            state = "cut off" if record.cut_off else record.status.status
            notes.append(
                f"{path_text(folder)}: not fitted, as the run is {state} at iteration {record.status.iteration:,}"
            )
        else:
            seeds.append(_of_record(record, loss))
    if others and not seeds:
        raise ResultsError(
            f"none of the {others} runs is of the spec's net, data set, batch size, solver and engine",
            where=path_text(path),
            remedy="give the results of this spec, or change it with --set and --engine",
        )
    if others:
        notes.append(f"{path_text(path)}: runs of another workload, solver or engine, not fitted: {others}")
    return seeds


def _of_record(record: RunRecord, loss: str) -> SeedCurve:
    where, columns = path_text(record.path), record.evaluations
    if record.status.status == "diverged":
        raise ResultsError(
            f"{record.run.policy} diverged, and no law holds for it",
            where=where,
            remedy=f"add --leave-out '{record.run.policy}'",
        )
    if loss not in columns:
        known = ", ".join(name for name in columns if name.endswith("loss")) or "none"
        raise ResultsError(f"its evaluations have no {loss}; losses: {known}", where=where, remedy="give --loss NAME")
    trained = columns["iteration"] > 0
    iterations = columns["iteration"][trained].astype(np.int64)
    length = int(record.run.workload["iterations"])
    policy = parse_policy(record.run.policy)
    if policy.closed_loop:
        rates = rates_between(iterations, columns["learning_rate"][trained], length)
    else:
        rates = policy.rates(np.arange(length), length) * record.run.lr_scale
    scaled = f" x{record.run.lr_scale:g}" if record.run.lr_scale != 1 else ""
    return SeedCurve(record.run.policy + scaled, iterations, columns[loss][trained], rates)


def _of_csv(path: Path) -> list[SeedCurve]:
    return [
        SeedCurve(_canonical(run.name), iterations, run.losses[trained], _rates_of(run.name, run.iterations, run.rates))
        for run in read_csv(path)
        if len(iterations := run.iterations[trained := run.iterations > 0])
    ]


def _rates_of(name: str, iterations: Integers, rates: Floats) -> Floats:
    """Rates of every iteration: the policy's where the name is a policy that has the given rates, else in between."""
    length = int(iterations[-1])
    try:
        exact = parse_policy(name).rates(np.arange(length), length)
    except PolicyError:
        return rates_between(iterations, rates, length)
    trained = iterations > 0
    given = exact[iterations[trained] - 1]
    return exact if np.allclose(given, rates[trained], rtol=1e-4, atol=0) else rates_between(iterations, rates, length)


def rates_between(iterations: Integers, rates: Floats, length: int) -> Floats:
    """Rates of each iteration, in a straight line between those given; a rate is that of the last iteration done."""
    return np.interp(np.arange(1, length + 1), iterations, rates)


def _mean_curve(same: Sequence[SeedCurve]) -> Curve:
    shared = same[0].iterations
    for seed in same[1:]:
        shared = np.intersect1d(shared, seed.iterations)
    if not len(shared):
        raise ResultsError("its seeds were measured at different iterations", where=same[0].name)
    losses = [seed.losses[np.searchsorted(seed.iterations, shared)] for seed in same]
    return Curve(Schedule(same[0].name, same[0].rates), shared, np.mean(losses, axis=0))
