"""One entry of the policy database in full: its workload, every metric with its spread, every run and its origin."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.metrics.registry import METRICS
from lrbench.report.database_listing import entry_statuses, workload_title
from lrbench.report.formats import NOTHING, heading, number, status_counts
from lrbench.report.style import Style
from lrbench.tuning.database import Entry, MeasuredRun

_PARTS = ("mean", "deviation", "minimum", "maximum")


def entry_page(entry: Entry, style: Style) -> str:
    """The whole entry, for a terminal or as markdown."""
    sections = [
        style.title.format(style.clean(workload_title(entry.workload))),
        style.lines(f"{name}: {value}" for name, value in _facts(entry)),
        _spreads(entry, style),
        _runs(entry, style),
        _origins(entry, style),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(entry: Entry) -> Iterable[tuple[str, str]]:
    workload, cost = entry.workload, entry.cost
    yield "id", entry.id
    yield "policy", entry.policy
    if entry.lr_scale != 1:
        yield "rates times", f"{entry.lr_scale:g}"
    yield "solver", ", ".join(f"{name}={value}" for name, value in workload.solver.items())
    yield (
        "engine",
        " ".join((workload.engine_name, workload.engine_driver, workload.engine_device, workload.engine_precision)),
    )
    yield "evaluated", f"on the {workload.evaluated_on} set, every {workload.test_interval} iterations"
    yield "net", f"{workload.net_name}, SHA-256 {workload.net_sha256}"
    yield "data set", f"{workload.dataset_name}, SHA-256 {workload.dataset_sha256}"
    yield "runs", f"{len(entry.samples)} seeds: {status_counts(entry_statuses(entry))}"
    seconds = "" if cost.train_seconds is None else f", {number(cost.train_seconds, 'seconds')} s of training"
    yield "cost", f"{cost.iterations:,} iterations in all{seconds}"


def _spreads(entry: Entry, style: Style) -> str:
    """The metrics that LRBench knows, over the seeds."""
    rows = []
    for metric in METRICS.values():
        spread = entry.spread(metric.name)
        if spread.n:
            values = (getattr(spread, part) for part in _PARTS)
            cells = [NOTHING if value is None else number(value, metric.unit) for value in values]
            rows.append([heading(metric), *cells, str(spread.n)])
    return style.table(("metric", *_PARTS, "n"), rows, left=("metric",))


def _runs(entry: Entry, style: Style) -> str:
    titles = ("best_accuracy", "final_accuracy", "iterations_to_best", "train_seconds")
    rows = [
        [str(run.seed), run.status, f"{run.iteration:,}", *(_value(run, name) for name in titles)] for run in entry.runs
    ]
    head = ("seed", "status", "iterations", *(heading(METRICS[name]) for name in titles))
    return style.table(head, rows, left=("status",))


def _value(run: MeasuredRun, name: str) -> str:
    value = run.metrics.get(name)
    return NOTHING if value is None else number(value, METRICS[name].unit)


def _origins(entry: Entry, style: Style) -> str:
    """Where the runs come from, said once for those that were made alike, with their ids."""
    groups: dict[str, list[MeasuredRun]] = {}
    for run in entry.runs:
        groups.setdefault(_origin(run, entry), []).append(run)
    lines = [[f"{origin}:", *(f"{run.run_id}{_reason(run)}" for run in runs)] for origin, runs in groups.items()]
    return "\n\n".join(map(style.lines, lines))


def _reason(run: MeasuredRun) -> str:
    return f" ({run.reason})" if run.reason else ""


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
