"""Policies ranked on each workload: the tables, and everything about each run and policy for programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lrbench.errors import path_text
from lrbench.metrics.objective import Objective
from lrbench.metrics.registry import METRICS, Metric
from lrbench.metrics.run import Robustness
from lrbench.report.added_seeds import added_seeds_note
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.document import Block, Cell, Column, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import (
    NOTHING,
    counted,
    different_targets,
    equal_seeds_note,
    heading,
    known_number,
    mark_of,
    marked,
    mean_and_deviation,
    mean_of_some,
    rank_text,
    seeds,
    some_diverged,
    some_missed,
    status_counts,
    verdict,
)
from lrbench.report.labels import mixed_versions
from lrbench.report.next_commands import export_command
from lrbench.report.policies import PolicyRow, count_statuses
from lrbench.report.selection import select
from lrbench.report.significance import test_notes
from lrbench.report.views.ranking_data import ranking_data, ranking_records

MOST_FAILURES = 10
LONGEST_PATHS = 200

_DIVERGED = (
    "a policy of which some runs diverged ranks behind every one of which none did, or a smaller share, and is not "
    "tested: its mean is of the runs that have a value"
)
_MISSED = (
    "(1/2): 1 of 2 runs reached the target, and the mean is over those that did; policies are ranked by the share of "
    "runs that reached it, then by the share that diverged, then by the restricted mean, in which a run that missed it "
    "counts with its whole budget; a policy of which a run missed the target or diverged is not tested"
)
_PROVISIONAL = "rows without a rank: running (the best so far) or without a value; they are not tested"
_SHARED = (
    "{:,} of {:,} iterations were not trained again: runs with the same seed and the same rates up to an evaluation "
    "share what comes before it"
)
_EARLIER_COUNT = (
    "the rates of {} of {} runs were computed with an earlier count of cycles, in which a length that is not whole "
    "came an iteration late at some of its multiples; run the spec again for the rates of today, under another run id"
)
_ACCURACIES = {"best_accuracy": "best %", "final_accuracy": "final %"}
_ROBUSTNESS = (
    "lr_scale_robustness: {} with the rates scaled, of the runs that did not diverge, and the spread over the scales"
)


def ranking_document(report: Report, page: Callable[[Callable[[], str]], bytes] | None = None) -> Document:
    """The document of a report.

    Args:
        page: makes the interactive page of the same report.
    """
    blocks = [block for workload in report.workloads for block in _workload(workload, workload.metric)]
    return Document(
        [*blocks, *_statuses(report), *_next(report)],
        partial(ranking_data, report),
        partial(ranking_records, report),
        page,
        large=True,
    )


def _workload(workload: WorkloadTable, metric: Metric) -> Iterator[Block]:
    yield Heading(f"{workload.label}: ranked by {metric.title}")
    yield _ranking(workload, metric)
    yield from _to_use(workload, metric)
    yield _functions(workload, metric)
    yield from _robustness(workload)


def _ranking(workload: WorkloadTable, metric: Metric) -> Table:
    """A row for each policy, the best first."""
    columns = ranking_columns(workload, metric)
    return Table(
        [each.column for each in columns],
        [[each.cell(row) for each in columns] for row in workload.policies],
        (f"{workload.label}: policies ranked by {metric.title}", _seeds_sentence(workload, metric)),
        workload.label,
        notes=tuple(ranking_notes(workload, metric)),
    )


@dataclass(frozen=True)
class RankingColumn:
    """A column of a ranking.

    Attributes:
        key: ``rank``, ``policy``, ``solver``, ``engine``, ``group``, ``runs``, ``against_the_best`` or a metric's name.
        cell: what it says of a policy.
    """

    key: str
    column: Column
    cell: Callable[[PolicyRow], Cell | str]


def ranking_columns(workload: WorkloadTable, metric: Metric) -> list[RankingColumn]:
    """The columns of a workload's ranking by a metric."""
    columns = [
        RankingColumn("rank", Column("#"), lambda row: rank_text(row.rank, row.comparison)),
        RankingColumn("policy", Column("policy", "policy"), lambda row: row.policy),
    ]
    if workload.several_solvers:
        columns.append(
            RankingColumn("solver", Column(workload.solver_title, "text", folds=True), lambda row: row.solver)
        )
    if workload.several_engines:
        columns.append(RankingColumn("engine", Column("engine", "text", folds=True), lambda row: row.engine))
    # How it ended, and how soon it was good.
    objective, further = workload.objective, {}
    if not objective.is_accuracy:
        further = {each.name: (each, heading(each)) for each in (objective.best_metric, objective.final_metric)}
    if workload.has_accuracy:
        further |= {name: (METRICS[name], title) for name, title in _ACCURACIES.items()}
    further[workload.soon.name] = (workload.soon, workload.soon.title)
    return [
        *columns,
        RankingColumn(
            metric.name,
            Column(heading(metric)),
            lambda row: Cell(mean_and_deviation(row.summaries[metric.name], metric.unit), mark_of(row.comparison)),
        ),
        *([] if workload.tests is None else [RankingColumn("group", Column("group", "text"), _group)]),
        RankingColumn("runs", Column("runs", "text"), lambda row: seeds(row.summaries[metric.name], row.statuses)),
        RankingColumn("against_the_best", Column("vs. best", "text"), lambda row: _against_the_best(row, metric)),
        *(_mean(each, title) for name, (each, title) in further.items() if name != metric.name),
    ]


def _group(row: PolicyRow) -> str:
    return NOTHING if row.comparison is None else row.comparison.group or NOTHING


def _against_the_best(row: PolicyRow, metric: Metric) -> str:
    if row.comparison is not None and row.comparison.verdict == "diverged":
        return some_diverged(row.diverged, len(row.runs))
    if row.comparison is not None and row.missed(metric):
        return some_missed(row.missed(metric), row.times[metric.name].runs)
    return verdict(row.comparison)


def _mean(metric: Metric, title: str) -> RankingColumn:
    return RankingColumn(
        metric.name,
        Column(title),
        lambda row: mean_of_some(row.summaries[metric.name], len(row.samples(metric)), metric.unit),
    )


def ranking_notes(workload: WorkloadTable, metric: Metric) -> Iterator[str]:
    """Yield the sentences that explain a ranking by a metric."""
    ranked = [row for row in workload.policies if row.rank is not None]
    if workload.tests is not None:
        yield from test_notes(workload.tests, metric.unit)
    if (adding := added_seeds_note(workload, metric)) is not None:
        yield adding
    if metric.to_target and any(row.diverged or row.missed(metric) for row in ranked):
        yield _MISSED
    elif any(row.diverged for row in ranked):
        yield _DIVERGED
    if not any(row.summaries[metric.name].n for row in workload.policies):
        yield f"no run here has a value of {metric.name}, so that nothing is ranked"
    elif any(row.rank is None for row in workload.policies):
        yield _PROVISIONAL
    if equal := workload.equal_seeds:
        yield equal_seeds_note(equal, len(workload.policies))
    if len(workload.targets) > 1:
        yield different_targets(workload.targets)
    rates = [run.rates for run in workload.runs]
    if 1 in rates:
        yield _EARLIER_COUNT.format(rates.count(1), len(rates))
    if taken_over := sum(run.taken_over for run in workload.runs):
        yield _SHARED.format(taken_over, sum(run.iteration for run in workload.runs))
    yield from mixed_versions(run for row in workload.policies for run in row.runs)
    yield from workload.program_notes


def _seeds_sentence(workload: WorkloadTable, metric: Metric) -> str:
    """Over how many seeds the means are."""
    if any(row.missed(metric) for row in workload.policies if row.rank is not None):
        return "Mean ± sample standard deviation over the seeds that reached the target"
    summaries = [row.summaries[metric.name] for row in workload.policies if row.summaries[metric.name].n]
    counts = sorted({summary.n for summary in summaries})
    if not counts:
        return "No policy has a value yet"
    if all(summary.equal_seeds for summary in summaries):
        return "The seeds change nothing, so there is no noise and nothing is tested"
    if counts == [1]:
        return "One seed each, so the noise between seeds is unknown and nothing is tested"
    over = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"Mean ± sample standard deviation over {over} seeds"


def _to_use(workload: WorkloadTable, metric: Metric) -> Iterator[Paragraph]:
    """The policy to use, where it is not the first of the table."""
    selected = select(workload, metric)
    if selected is None or selected.row is workload.policies[0]:
        return
    because = f", it has {selected.reason}" if selected.reason else ""
    yield Paragraph(
        f"to use: {workload.name(selected.row)}; of the {len(selected.alike)} policies that are not significantly "
        f"worse than the best{because}"
    )


def _functions(workload: WorkloadTable, metric: Metric) -> Table | Paragraph:
    """The best and the worst policy of each LR function, or a sentence where each has one policy."""
    found = workload.functions()
    if all(function.policies == 1 for function in found):
        return Paragraph("Each LR function has one policy here, which is its best and its worst.", aside=True)

    def pair(row: PolicyRow) -> list[Cell | str]:
        value = mean_and_deviation(row.summaries[metric.name], metric.unit)
        policy, *details = workload.identity(row)
        return [Cell(policy, details=tuple(details)), marked(value, row.diverged, len(row.runs))]

    only: list[Cell | str] = ["(its only one)", NOTHING]
    title = Column(heading(metric))
    return Table(
        [
            Column("function", "text"),
            Column("policies"),
            Column("best policy", "policy"),
            title,
            Column("worst policy", "policy"),
            title,
        ],
        [
            [each.function, str(each.policies), *pair(each.best), *(pair(each.worst) if each.policies > 1 else only)]
            for each in found
        ],
        (f"{workload.label}: the best and the worst policy of each LR function, by {heading(metric)}",),
        f"{workload.label}-functions",
    )


def _robustness(workload: WorkloadTable) -> Iterator[Table]:
    """The objective by scale, the spread over them, and why it is unknown; nothing where no scale was asked for."""
    objective, unit = workload.objective, workload.objective.unit
    rows = [(row, row.robustness) for row in workload.policies if row.robustness is not None]
    if not rows:
        return
    scales = sorted({scale for _, robustness in rows for scale in robustness.values})
    found: list[list[Cell | str]] = []
    for row, robustness in rows:
        policy, *details = workload.identity(row)
        means = [
            marked(
                known_number(robustness.values.get(scale), unit),
                robustness.diverged.get(scale, 0),
                row.runs_at(scale),
            )
            for scale in scales
        ]
        found.append([Cell(policy, details=tuple(details)), known_number(robustness.spread, unit), *means])
    unknown = [
        f"{workload.name(row)} at {', '.join(why)}"
        for row, robustness in rows
        if (why := _why_no_spread(robustness, objective))
    ]
    yield Table(
        [Column("policy", "policy"), Column("spread"), *(Column(f"x{scale:g}") for scale in scales)],
        found,
        (workload.label,),
        f"{workload.label}-robustness",
        lead=_ROBUSTNESS.format(objective.best_metric.title + (" in %" if unit == "fraction" else "")),
        notes=(f"no spread, because of {'; '.join(unknown)}",) if unknown else (),
    )


def _why_no_spread(robustness: Robustness, objective: Objective) -> list[str]:
    return [
        f"x{scale:g} ({'diverged' if scale in robustness.diverged else f'no {objective.title}'})"
        for scale in robustness.values
        if scale in robustness.diverged or scale in robustness.missing
    ]


def _statuses(report: Report) -> Iterator[Block]:
    lines = [f"{counted(len(report.runs), 'run', 'runs')}: {status_counts(count_statuses(report.runs))}"]
    failed = [run for run in report.runs if run.status == "failed"]
    lines += [f"failed: {run.where}: {run.reason}" for run in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        lines.append(f"and {len(failed) - MOST_FAILURES} more that failed: see --format json")
    yield Items(lines, aside=True)


def _next(report: Report) -> Iterator[Command]:
    """Yield the next commands; none with the paths where they are too many to be typed again."""
    paths = [path_text(path) for path in report.paths]
    if len(" ".join(paths)) <= LONGEST_PATHS and any(table.policies for table in report.workloads):
        yield Command(shlex.join(["lrbench", "report", *paths, "--plots", "plots"]), "draws the curves")
    # Of several workloads each has its best: which one is meant, the user alone knows.
    selected = select(report.workloads[0], report.workloads[0].metric) if len(report.workloads) == 1 else None
    export = None if selected is None else export_command(selected.row)
    if export:
        yield Command(export, "the policy to use, for your own PyTorch")
