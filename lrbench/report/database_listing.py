"""Entries of the policy database as tables, one for each workload, best policy first."""

from __future__ import annotations

import collections
import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.metrics.registry import METRICS
from lrbench.report.formats import heading, mean_and_deviation, number, seeds
from lrbench.report.labels import key, labels, solver_name, workload_name
from lrbench.report.rows import STATUSES
from lrbench.report.style import Style
from lrbench.report.untrusted import csv_cell
from lrbench.tuning.database import Entry, StoredWorkload, entry_object

SHOWN_ID = 8
_TEXTS = ("id", "solver", "engine", "runs", "from")
_BEST = METRICS["best_accuracy"]


@dataclass(frozen=True)
class Listing:
    """What is listed.

    Attributes:
        target: the accuracy by whose iterations the policies are ranked, a fraction; None for their best accuracy.
    """

    entries: Sequence[Entry]
    target: float | None = None

    def workloads(self) -> list[tuple[str, list[Entry]]]:
        """Each net and data set with its entries, solvers and engines together, the best first."""
        groups: dict[bytes, list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(key(_settings(entry.workload)), []).append(entry)
        names = labels((_settings(entry.workload) for entry in self.entries), _name)
        return sorted((names[identity], self.ranked(entries)) for identity, entries in groups.items())

    def ranked(self, entries: Iterable[Entry]) -> list[Entry]:
        """The best first: by the share of seeds that diverged, then by the mean.

        With a target: by the share of seeds that reached it, then by the restricted mean of the iterations.
        """
        return sorted(entries, key=lambda entry: (*self._standing(entry), entry.policy, entry.id))

    def _standing(self, entry: Entry) -> tuple[float, float]:
        if self.target is None:
            mean = entry.best_accuracy.mean
            return (2, 0) if mean is None else (entry.diverged_share, -mean)
        return entry.times_to(self.target).order


def listing_tables(listing: Listing, style: Style) -> str:
    """The tables, for a terminal or as markdown."""
    sections = []
    for name, entries in listing.workloads():
        sections += [style.title.format(style.clean(name)), _table(entries, listing.target, style)]
    return "\n\n".join(sections) + "\n"


def listing_objects(listing: Listing) -> list[dict[str, Any]]:
    """Every entry with all its runs, and with every metric's spread, in the order of the tables."""
    return [entry_summary(entry, listing.target) for _, entries in listing.workloads() for entry in entries]


def entry_summary(entry: Entry, target: float | None = None) -> dict[str, Any]:
    """An entry as ``lrbench db export`` has it, and what follows from it: spreads, shares, cost."""
    summary: dict[str, Any] = {
        **entry_object(entry),
        "seeds": list(entry.seeds),
        "shipped": entry.shipped,
        "diverged_share": entry.diverged_share,
        "spread": {name: vars(entry.spread(name)) for name in _metrics(entry)},
        "cost": vars(entry.cost),
    }
    if target is None:
        return summary
    steps = [None if math.isnan(value) else value for value in entry.iterations_to(target)]
    return summary | {
        "target_accuracy": target,
        "iterations_to_target": steps,
        "iterations_to_target_spread": vars(entry.iterations_spread(target)),
        "reached": vars(entry.reached(target)),
        "restricted_mean_iterations_to_target": entry.times_to(target).restricted_mean,
    }


def listing_csv(listing: Listing) -> str:
    """A line for each entry: its workload, its policy, and each metric's spread; empty where not known."""
    lines = [_csv_line(entry, name, listing.target) for name, entries in listing.workloads() for entry in entries]
    names = list(dict.fromkeys(name for line in lines for name in line))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _csv_line(entry: Entry, workload: str, target: float | None) -> dict[str, Any]:
    reached = None if target is None else entry.reached(target)
    line: dict[str, Any] = {
        "id": entry.id,
        "workload": csv_cell(workload),
        "policy": csv_cell(entry.policy),
        "function": csv_cell(entry.function),
        "lr_scale": entry.lr_scale,
        "solver": csv_cell(entry.workload.solver_type),
        "engine": csv_cell(entry.workload.engine_name),
        "evaluated_on": entry.workload.evaluated_on,
        "runs": len(entry.samples),
        **{status: entry_statuses(entry).get(status, 0) for status in ("finished", "stopped", "diverged")},
        "shipped": str(entry.shipped).lower(),
        **{f"cost_{name}": value for name, value in vars(entry.cost).items()},
    }
    spreads = {name: entry.spread(name) for name in _metrics(entry)}
    if target is not None and reached is not None:
        line |= {
            "target_accuracy": target,
            "reached": reached.reached,
            "reached_unknown": reached.unknown,
            "restricted_mean_iterations_to_target": entry.times_to(target).restricted_mean,
        }
        spreads["iterations_to_target"] = entry.iterations_spread(target)
    for name, spread in spreads.items():
        line |= {f"{name}_{part}": value for part, value in vars(spread).items()}
    return {csv_cell(name): value for name, value in line.items()}


def entry_statuses(entry: Entry) -> dict[str, int]:
    """How many samples have each status, in the order of reports."""
    counts: collections.Counter[str] = collections.Counter(run.status for run in entry.samples)
    return {status: counts[status] for status in STATUSES if counts[status]}


def workload_title(workload: StoredWorkload) -> str:
    """Such as ``lenet on MNIST, batch 100, 10,000 iterations``."""
    return _name(_settings(workload))


def _settings(workload: StoredWorkload) -> dict[str, Any]:
    return {
        "net_name": workload.net_name,
        "net": workload.net_sha256,
        "dataset_name": workload.dataset_label,
        "dataset": workload.dataset_sha256,
        "batch_size": workload.batch_size,
        "iterations": workload.iterations,
        "test_interval": workload.test_interval,
        "evaluated_on": workload.evaluated_on,
    }


def _name(settings: Any) -> str:
    held_out = ", measured on a validation part" if settings["evaluated_on"] == "validation" else ""
    return workload_name(settings) + held_out


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[Entry], str]


def _table(entries: Sequence[Entry], target: float | None, style: Style) -> str:
    policy = _Column("policy", lambda entry: style.clean(entry.policy + _scale(entry)))
    identity = [_Column("id", lambda entry: entry.id[:SHOWN_ID]), policy, *_settings_columns(entries, style)]
    columns = [*identity, *_values(target), _Column("iterations in all", lambda entry: f"{entry.cost.iterations:,}")]
    if any(entry.shipped for entry in entries):
        columns.append(_Column("from", lambda entry: "LRBench" if entry.shipped else "here"))
    rows = [[column.cell(entry) for column in columns] for entry in entries]
    return style.table([column.title for column in columns], rows, left=_TEXTS)


def _settings_columns(entries: Sequence[Entry], style: Style) -> list[_Column]:
    """Solver and engine, where they do not go without saying."""
    solvers = labels((entry.workload.solver for entry in entries), solver_name)
    engines = labels((_engine(entry.workload) for entry in entries), lambda settings: str(settings["name"]))
    columns = []
    if len(solvers) > 1:
        columns.append(_Column("solver", lambda entry: style.clean(solvers[key(entry.workload.solver)])))
    if len(engines) > 1:
        columns.append(_Column("engine", lambda entry: style.clean(engines[key(_engine(entry.workload))])))
    return columns


def _engine(workload: StoredWorkload) -> dict[str, str]:
    return {name: getattr(workload, f"engine_{name}") for name in ("name", "driver", "device", "precision")}


def _values(target: float | None) -> list[_Column]:
    best = _Column(heading(_BEST), lambda entry: mean_and_deviation(entry.best_accuracy, "fraction"))
    runs = _Column("runs", lambda entry: seeds(entry.best_accuracy.n, entry_statuses(entry)))
    if target is None:
        return [best, runs]
    title = f"iterations to {number(target, 'fraction')} %"
    return [_Column(title, lambda entry: mean_and_deviation(entry.times_to(target), "iterations")), best, runs]


def _scale(entry: Entry) -> str:
    return f" x{entry.lr_scale:g}" if entry.lr_scale != 1 else ""


def _metrics(entry: Entry) -> list[str]:
    """The names of all metrics that its runs have, those that LRBench knows first."""
    names = {name for run in entry.runs for name in run.metrics}
    return [name for name in METRICS if name in names] + sorted(names - METRICS.keys())
