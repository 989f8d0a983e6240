"""Entries of the policy database: tables with the best policy of each workload first, or one entry in full."""

from __future__ import annotations

import collections
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from lrbench.comparable import key
from lrbench.metrics.metric import Metric
from lrbench.metrics.objective import AnyTarget, Objective, Target
from lrbench.metrics.registry import METRICS, unknown_metric
from lrbench.metrics.summary import RankKey, rank_key
from lrbench.report.document import Block, Column, Command, Document, Heading, Items, Table
from lrbench.report.formats import (
    counted,
    heading,
    known_number,
    mean_and_deviation,
    number,
    seeds,
    status_counts,
    target_text,
    unit_text,
)
from lrbench.report.labels import labels, solver_name, workload_name
from lrbench.report.rows import STATUSES
from lrbench.report.views.provenance import entry_notes
from lrbench.report.views.ranking_data import flat
from lrbench.runs.declarations import arguments_text, declared_text
from lrbench.tuning.database.entry import Entry, StoredWorkload
from lrbench.tuning.database.lines import entry_object
from lrbench.tuning.database.measured import MeasuredRun

SHOWN_ID = 8
_PARTS = ("mean", "deviation", "minimum", "maximum")


def listing_document(entries: Sequence[Entry], target: AnyTarget | None, option: Sequence[str] | None) -> Document:
    """The document of several entries.

    Args:
        target: the target by whose iterations the policies are ranked; None for their objective.
        option: ``--db`` of the command that shows the first entry; None where no command may name the database.
    """
    workloads = _workloads(entries, target)
    ranked = [(name, entry) for name, own in workloads for entry in own]
    blocks: list[Block] = [block for name, own in workloads for block in (Heading(name), _table(own, target, name))]
    if ranked and option is not None:
        show = shlex.join(["lrbench", "db", "show", ranked[0][1].id[:SHOWN_ID], *option])
        blocks.append(Command(show, "all data of one entry, by its id"))
    return Document(
        blocks,
        lambda: [entry_summary(entry, target) for _, entry in ranked],
        lambda: [_record(entry, name, target) for name, entry in ranked],
    )


def _workloads(entries: Sequence[Entry], target: AnyTarget | None) -> list[tuple[str, list[Entry]]]:
    """Each net and data set with its entries, solvers and engines together, the best first.

    Entries that are judged by different metrics are apart.
    """

    def place(entry: Entry) -> tuple[RankKey, str, str]:
        metric = entry.objective.ranking
        summary = entry.spread(metric.name) if target is None else entry.times_to(target)
        return rank_key(summary, entry.diverged_share, metric), entry.policy, entry.id

    groups: dict[bytes, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(_judged(entry)), []).append(entry)
    names = labels(map(_judged, entries), _name)
    return sorted((names[identity], sorted(own, key=place)) for identity, own in groups.items())


def entry_summary(entry: Entry, target: AnyTarget | None = None) -> dict[str, Any]:
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
        **_target(target),
        "iterations_to_target": steps,
        "iterations_to_target_spread": vars(entry.iterations_spread(target)),
        "reached": vars(entry.reached(target)),
        "restricted_mean_iterations_to_target": entry.times_to(target).restricted_mean,
    }


def _target(target: AnyTarget) -> dict[str, Any]:
    return {"target": target.stored()} if isinstance(target, Target) else {"target_accuracy": target}


def _record(entry: Entry, workload: str, target: AnyTarget | None) -> dict[str, Any]:
    reached = None if target is None else entry.reached(target)
    record: dict[str, Any] = {
        "id": entry.id,
        "workload": workload,
        "policy": entry.policy,
        "function": entry.function,
        "lr_scale": entry.lr_scale,
        "solver": entry.workload.solver_type,
        "engine": entry.workload.engine_name,
        "evaluated_on": entry.workload.evaluated_on,
        "runs": len(entry.samples),
        **{status: entry_statuses(entry).get(status, 0) for status in ("finished", "stopped", "diverged")},
        "shipped": entry.shipped,
        **flat({"cost": vars(entry.cost)}),
    }
    spreads = {name: entry.spread(name) for name in _metrics(entry)}
    if target is not None and reached is not None:
        record |= {
            **flat(_target(target)),
            "reached": reached.reached,
            "reached_unknown": reached.unknown,
            "restricted_mean_iterations_to_target": entry.times_to(target).restricted_mean,
        }
        spreads["iterations_to_target"] = entry.iterations_spread(target)
    return record | flat({name: vars(spread) for name, spread in spreads.items()})


def entry_statuses(entry: Entry) -> dict[str, int]:
    """How many samples have each status, in the order of reports."""
    counts: collections.Counter[str] = collections.Counter(run.status for run in entry.samples)
    return {status: counts[status] for status in STATUSES if counts[status]}


def workload_title(workload: StoredWorkload) -> str:
    """Name a workload: ``lenet on MNIST, batch 100, 10,000 iterations``."""
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


def _judged(entry: Entry) -> dict[str, Any]:
    """The settings of an entry's workload, with its objective where that is not the accuracy."""
    settings, objective = _settings(entry.workload), entry.objective
    return settings if objective.is_accuracy else settings | {"objective": objective.stored()}


def _name(settings: Any) -> str:
    held_out = ", measured on a validation part" if settings["evaluated_on"] == "validation" else ""
    objective = Objective.parse(settings.get("objective", {}))
    judged = "" if objective is None else f", judged by {objective.title}"
    return workload_name(settings) + held_out + judged


_Column = tuple[Column, Callable[[Entry], str]]


def _table(entries: Sequence[Entry], target: AnyTarget | None, name: str) -> Table:
    scales = {entry.lr_scale: f" x{entry.lr_scale:g}" if entry.lr_scale != 1 else "" for entry in entries}
    columns: list[_Column] = [
        (Column("id", "text"), lambda entry: entry.id[:SHOWN_ID]),
        (Column("policy", "policy"), lambda entry: entry.policy + scales[entry.lr_scale]),
        *_settings_columns(entries),
        *_values(target, entries[0].objective),
        (Column("iterations in all"), lambda entry: f"{entry.cost.iterations:,}"),
    ]
    if any(entry.shipped for entry in entries):
        columns.append((Column("from", "text"), lambda entry: "LRBench" if entry.shipped else "here"))
    rows = [[cell(entry) for _, cell in columns] for entry in entries]
    return Table([column for column, _ in columns], rows, (name,), name, notes=tuple(entry_notes(entries)))


def _settings_columns(entries: Sequence[Entry]) -> list[_Column]:
    """Solver and engine, where they do not go without saying."""
    solvers = labels((entry.workload.solver for entry in entries), solver_name)
    engines = labels((_engine(entry.workload) for entry in entries), lambda settings: str(settings["name"]))
    columns = []
    if len(solvers) > 1:
        title = "arguments" if entries[0].workload.is_program else "solver"
        columns.append((Column(title, "text"), lambda entry: solvers[key(entry.workload.solver)]))
    if len(engines) > 1:
        columns.append((Column("engine", "text"), lambda entry: engines[key(_engine(entry.workload))]))
    return columns


def _engine(workload: StoredWorkload) -> dict[str, str]:
    return {name: getattr(workload, f"engine_{name}") for name in ("name", "driver", "device", "precision")}


def _values(target: AnyTarget | None, objective: Objective) -> list[_Column]:
    best, final, unit = objective.best_metric, objective.final_metric, objective.unit
    ranking, other = (best, final) if objective.at == "best" else (final, best)
    beside = "final" if objective.at == "best" else "best"
    columns: list[_Column] = [
        (Column(heading(ranking)), lambda entry: mean_and_deviation(entry.spread(ranking.name), unit)),
        (Column(beside + unit_text(unit)), lambda entry: known_number(entry.spread(other.name).mean, unit)),
        (Column("runs", "text"), lambda entry: seeds(entry.spread(best.name), entry_statuses(entry))),
    ]
    if target is None:
        return columns
    title = Column(f"iterations to {target_text(target)}")
    return [(title, lambda entry: mean_and_deviation(entry.times_to(target), "iterations")), *columns]


def _metrics(entry: Entry) -> list[str]:
    """The names of all metrics that its runs have, those that LRBench knows first."""
    names = {name for run in entry.runs for name in run.metrics}
    return [name for name in METRICS if name in names] + sorted(names - METRICS.keys())


def entry_document(entry: Entry) -> Document:
    """The document of one entry: its workload, every metric with its spread, every run and its origin."""
    title = workload_title(entry.workload)
    facts = [f"{name}: {value}" for name, value in _facts(entry)]
    blocks: list[Block] = [Heading(title), Items(facts), _spreads(entry, title), _runs(entry, title), *_origins(entry)]
    names = ("run_id", "seed", "status", "iteration")
    records = [{**{name: getattr(run, name) for name in names}, **run.metrics} for run in entry.runs]
    return Document(blocks, partial(entry_summary, entry), lambda: records)


def _facts(entry: Entry) -> Iterable[tuple[str, str]]:
    workload, cost = entry.workload, entry.cost
    yield "id", entry.id
    yield "policy", entry.policy
    if entry.lr_scale != 1:
        yield "rates times", f"{entry.lr_scale:g}"
    if workload.is_program:
        yield "program", f"{workload.net_name}, SHA-256 {workload.net_sha256}"
        yield "arguments", arguments_text(workload.solver)
        yield "as declared by the program", declared_text(entry.facts)
    else:
        yield "solver", ", ".join(f"{name}={value}" for name, value in workload.solver.items())
        yield "engine", " ".join(_engine(workload).values())
    yield "evaluated", f"on the {workload.evaluated_on} set, every {workload.test_interval} iterations"
    if not workload.is_program:
        yield "net", f"{workload.net_name}, SHA-256 {workload.net_sha256}"
        yield "data set", f"{workload.dataset_name}, SHA-256 {workload.dataset_sha256}"
    objective = entry.objective
    if not objective.is_accuracy:
        yield "objective", f"{objective.goal} {objective.metric}, at its {objective.at} evaluation"
    yield "runs", f"{counted(len(entry.samples), 'seed', 'seeds')}: {status_counts(entry_statuses(entry))}"
    seconds = "" if cost.train_seconds is None else f", {number(cost.train_seconds, 'seconds')} s of training"
    yield "cost", f"{cost.iterations:,} iterations in all{seconds}"


def _spreads(entry: Entry, title: str) -> Table:
    """The metrics over the seeds, the objective first, then those that LRBench knows."""
    rows = []
    for metric in _known_metrics(entry):
        spread = entry.spread(metric.name)
        if spread.n:
            values = (getattr(spread, part) for part in _PARTS)
            cells = [known_number(value, metric.unit) for value in values]
            rows.append([heading(metric), *cells, str(spread.n)])
    columns = [Column("metric", "text"), *map(Column, _PARTS), Column("n")]
    notes = tuple(entry_notes([entry]))
    return Table(columns, rows, (f"{title}: metrics over the seeds",), f"{title}: metrics", notes=notes)


def _known_metrics(entry: Entry) -> list[Metric]:
    objective = entry.objective
    own = () if objective.is_accuracy else (objective.final_metric, objective.best_metric)
    names = [name for name in _metrics(entry) if name not in METRICS] if entry.workload.is_program else []
    others = [unknown_metric(name, higher_is_better=False) for name in names]
    return list({metric.name: metric for metric in (*others, *METRICS.values(), *own)}.values())


def _runs(entry: Entry, title: str) -> Table:
    objective = entry.objective
    shown = (objective.best_metric, objective.final_metric, METRICS["iterations_to_best"], METRICS["train_seconds"])
    rows = [
        [
            str(run.seed),
            run.status,
            f"{run.iteration:,}",
            *(known_number(run.metrics.get(metric.name), metric.unit) for metric in shown),
        ]
        for run in entry.runs
    ]
    values = (Column(heading(metric)) for metric in shown)
    columns = [Column("seed"), Column("status", "text"), Column("iterations"), *values]
    return Table(columns, rows, (f"{title}: runs",), f"{title}: runs")


def _origins(entry: Entry) -> Iterator[Items]:
    """Where the runs come from, said once for those that were made alike, with their ids."""
    groups: dict[str, list[MeasuredRun]] = {}
    for run in entry.runs:
        groups.setdefault(_origin(run, entry), []).append(run)
    for origin, runs in groups.items():
        yield Items([f"{run.run_id} ({run.reason})" if run.reason else run.run_id for run in runs], f"{origin}:")


def _origin(run: MeasuredRun, entry: Entry) -> str:
    parts = [
        "shipped with LRBench" if run.shipped else "measured here",
        f"experiment {run.experiment}",
        f"run on {run.run_at[:10]}" if run.run_at else "",
        f"added on {run.added_at[:10]}",
        f"LRBench {run.lrbench_version}" if run.lrbench_version else "",
        f"{entry.workload.engine_name} {run.engine_version}" if run.engine_version else "",
        run.gpu or run.cpu or "",
        f"note: {run.note}" if run.note else "",
    ]
    return ", ".join(part for part in parts if part)
