"""The report as tables, for a terminal or as GitHub's markdown."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lrbench.metrics.registry import METRICS, Metric
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.formats import (
    NOTHING,
    counted,
    different_targets,
    heading,
    marked,
    mean_and_deviation,
    mean_of_some,
    seeds,
    some_diverged,
    some_missed,
    status_counts,
    verdict,
)
from lrbench.report.labels import mixed_versions
from lrbench.report.next_commands import export_command, next_line
from lrbench.report.policies import PolicyRow, count_statuses
from lrbench.report.robustness import robustness_section
from lrbench.report.style import MARKDOWN, Style, for_terminal
from lrbench.report.untrusted import path_text

WIDTH = 120
MOST_FAILURES = 10
LONGEST_PATHS = 200

_TEXTS = ("solver", "engine", "runs", "against the best")
_TESTED = (
    "against the best: Welch's t-test over the seeds, p corrected for the number of comparisons (Holm); "
    "worse means p < 0.05"
)
_DIVERGED = (
    "a policy of which some runs diverged ranks behind every one of which none did, or a smaller share, and is not "
    "tested: its mean is of the runs that have a value"
)
_MISSED = (
    "(1/2): 1 of 2 runs reached the target, and the mean is over those that did; policies are ranked by the share of "
    "runs that reached it, then by the share that diverged, then by the restricted mean, in which a run that missed it "
    "counts with its whole budget; a policy of which a run missed the target or diverged is not tested"
)
_PROVISIONAL = "rows without a rank: under way (the best so far) or without a value; they are compared with nothing"
_EARLIER_COUNT = (
    "the rates of {} of {} runs were computed with an earlier count of cycles, in which a length that is not whole "
    "came an iteration late at some of its multiples; run the spec again for the rates of today, under another run id"
)


def terminal_report(report: Report, width: int = WIDTH) -> str:
    """The tables for a terminal, ending with what to type next."""
    following = "\n".join(_next(report))
    return "\n\n".join([*report_sections(report, for_terminal(width)), *([following] if following else [])]) + "\n"


def markdown_report(report: Report) -> str:
    """The tables as GitHub's markdown."""
    return "\n\n".join(report_sections(report, MARKDOWN)) + "\n"


def report_sections(report: Report, style: Style) -> Iterable[str]:
    """The parts of a report from top to bottom, each to stand alone: tables, and sentences about them."""
    for workload in report.workloads:
        yield style.title.format(style.clean(workload.label))
        yield ranking_table(workload, report.metric, style)
        yield from (style.paragraph(note) for note in notes(workload, report.metric))
        yield functions_table(workload, report.metric, style)
        yield from robustness_section(workload, style)
    yield _statuses(report, style)


@dataclass(frozen=True)
class Column:
    """A column of the ranking: its title, what it says of a policy, and the metric whose mean that is, if it is one."""

    title: str
    cell: Callable[[PolicyRow], str]
    metric: Metric | None = None


def ranking_table(workload: WorkloadTable, metric: Metric, style: Style) -> str:
    """A row a policy, the best first."""
    for identity in (_identity(workload, style), [Column("policy", lambda row: style.policy(workload.identity(row)))]):
        columns = [_RANK, *identity, *value_columns(workload, metric)]
        head = [column.title for column in columns]
        rows = [[_cell(column, row, metric, style) for column in columns] for row in workload.policies]
        if style.fits(head, rows):  # if not, solver and engine stand below the policy
            break
    return style.table(head, rows, left=_TEXTS)


def _cell(column: Column, row: PolicyRow, metric: Metric, style: Style) -> str:
    text = column.cell(row)
    return style.mark(text, row.comparison) if column.metric is metric else text


_RANK = Column("#", lambda row: str(row.rank) if row.rank is not None else NOTHING)


def _identity(workload: WorkloadTable, style: Style) -> list[Column]:
    columns = [Column("policy", lambda row: style.clean(row.policy))]
    if workload.several_solvers:
        columns.append(Column("solver", lambda row: style.clean(row.solver)))
    if workload.several_engines:
        columns.append(Column("engine", lambda row: style.clean(row.engine)))
    return columns


def value_columns(workload: WorkloadTable, metric: Metric) -> list[Column]:
    """What every table says of a policy beside its name, whatever it is written for."""
    return [
        _metric(metric),
        Column("runs", lambda row: seeds(row.summaries[metric.name].n, row.statuses)),
        Column("against the best", lambda row: _against_the_best(row, metric)),
        *(_mean(METRICS[name], title) for name, title in _further(workload) if name != metric.name),
    ]


def _against_the_best(row: PolicyRow, metric: Metric) -> str:
    if row.comparison is not None and row.comparison.verdict == "diverged":
        return some_diverged(row.diverged, len(row.runs))
    if row.comparison is not None and row.missed(metric):
        return some_missed(row.missed(metric), row.times[metric.name].runs)
    return verdict(row.comparison)


def _metric(metric: Metric) -> Column:
    return Column(heading(metric), lambda row: mean_and_deviation(row.summaries[metric.name], metric.unit), metric)


def _mean(metric: Metric, title: str) -> Column:
    return Column(title, lambda row: mean_of_some(row.summaries[metric.name], len(row.counted), metric.unit), metric)


def _further(workload: WorkloadTable) -> list[tuple[str, str]]:
    """The columns beside the ranking one: how it ended, and how soon it was good."""
    soon = "iterations_to_best" if workload.target is None else "iterations_to_target"
    return [("best_accuracy", "best %"), ("final_accuracy", "final %"), (soon, METRICS[soon].title)]


def notes(workload: WorkloadTable, metric: Metric) -> Iterable[str]:
    """What has to be said with a ranking by a metric, a sentence each."""
    ranked = [row for row in workload.policies if row.rank is not None]
    if any(row.comparison and row.comparison.p is not None for row in ranked):
        yield _TESTED
    if metric.to_target and any(row.diverged or row.missed(metric) for row in ranked):
        yield _MISSED
    elif any(row.diverged for row in ranked):
        yield _DIVERGED
    if any(row.rank is None for row in workload.policies):
        yield _PROVISIONAL
    if len(workload.targets) > 1:
        yield different_targets(workload.targets)
    rates = [run.rates for row in workload.policies for run in (*row.runs, *row.scaled)]
    if 1 in rates:
        yield _EARLIER_COUNT.format(rates.count(1), len(rates))
    yield from mixed_versions(run for row in workload.policies for run in row.runs)


def functions_table(workload: WorkloadTable, metric: Metric, style: Style) -> str:
    """The best and the worst policy of each LR function, or a sentence where each has one policy."""
    found = workload.functions()
    if all(function.policies == 1 for function in found):
        return "Each LR function has one policy here, which is its best and its worst."

    def cells(row: PolicyRow) -> list[str]:
        value = mean_and_deviation(row.summaries[metric.name], metric.unit)
        return [style.policy(workload.identity(row)), marked(value, row.diverged, len(row.runs))]

    rows = [
        [style.clean(each.function), str(each.policies), *cells(each.best), *cells(each.worst)]
        if each.policies > 1
        else [style.clean(each.function), "1", *cells(each.best), "(its only one)", NOTHING]
        for each in found
    ]
    title = heading(metric)
    return style.table(["function", "policies", "best policy", title, "worst policy", title], rows, left=("function",))


def _statuses(report: Report, style: Style) -> str:
    lines = [f"{counted(len(report.runs), 'run', 'runs')}: {status_counts(count_statuses(report.runs))}"]
    failed = [run for run in report.runs if run.status == "failed"]
    lines += [f"failed: {style.clean(f'{run.where}: {run.reason}')}" for run in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        lines.append(f"and {len(failed) - MOST_FAILURES} more that failed: see --format json")
    return "\n".join(lines)


def _next(report: Report) -> Iterable[str]:
    """What to type now; nothing of the paths where they are too many to be typed again."""
    paths = [path_text(path) for path in report.paths]
    if len(" ".join(paths)) <= LONGEST_PATHS and any(table.policies for table in report.workloads):
        yield next_line(shlex.join(["lrbench", "report", *paths, "--plots", "plots"]), "draws the curves")
    # Of several workloads each has its best: which one is meant, the user alone knows.
    export = export_command(report.workloads[0]) if len(report.workloads) == 1 else None
    if export:
        yield next_line(export, "the best, for your own PyTorch")
