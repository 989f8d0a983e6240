"""The matrix as tables, for a terminal or as GitHub's markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from lrbench.report.by_solver.sentences import findings, verdict
from lrbench.report.by_solver.tables import SolverReport, SolverTable, Standing
from lrbench.report.formats import NOTHING, different_targets, heading, marked, mean_and_deviation, number
from lrbench.report.policies import PolicyRow
from lrbench.report.style import MARKDOWN, Style, for_terminal
from lrbench.report.table import WIDTH

ACROSS = (
    "rank under each solver, and how far behind its best; holds: under no solver worse than the best by Welch's t-test "
    "over the seeds, p corrected for the number of policies (Holm), p < 0.05. With few seeds little can be told apart, "
    "so mind how far behind it is, too."
)


def terminal_solvers(found: SolverReport, width: int = WIDTH) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_sections(found, for_terminal(width))) + "\n"


def markdown_solvers(found: SolverReport) -> str:
    """The tables as GitHub's markdown."""
    return "\n\n".join(_sections(found, MARKDOWN)) + "\n"


def _sections(found: SolverReport, style: Style) -> Iterable[str]:
    for table in found.tables:
        yield style.title.format(style.clean(f"{table.label}: policies x solvers"))
        yield style.paragraph(values_note(table))
        yield from values_tables(table, style)
        yield style.paragraph(ACROSS)
        yield from across_tables(table, style)
        yield from (style.paragraph(style.clean(sentence)) for sentence in findings(table))
    targets = (workload.targets for workload in found.report.workloads if len(workload.targets) > 1)
    yield from (style.paragraph(different_targets(each)) for each in targets)
    yield from (style.paragraph(style.clean(f"note: {note}")) for note in found.notes)


def values_note(table: SolverTable) -> str:
    """What the values are, over how many seeds."""
    seeds = "one seed" if table.usual_seeds == 1 else f"{table.usual_seeds} seeds"
    return f"{heading(table.metric)}: mean ± sample standard deviation over {seeds}, unless a cell says otherwise"


def values_tables(table: SolverTable, style: Style) -> Iterable[str]:
    """What each policy reaches under each solver."""

    def cell(found: Standing, solver: str) -> str:
        row = table.rows[found.policy].get(solver)
        return style.mark(value_text(row, table), None if row is None else row.comparison)

    return _matrix(table, style, _Columns(cell, table.title))


def value_text(row: PolicyRow | None, table: SolverTable) -> str:
    """Mean and deviation, with the number of seeds where it is not that of most, and how many diverged."""
    if row is None:
        return NOTHING
    summary = row.summaries[table.metric.name]
    if summary.mean is None and row.diverged:
        return f"{row.diverged}/{len(row.runs)} diverged"
    return marked(mean_and_deviation(summary, table.metric.unit, table.usual_seeds), row.diverged, len(row.runs))


def across_tables(table: SolverTable, style: Style) -> Iterable[str]:
    """The ranks of each policy, how far behind it is, and whether it holds."""

    def cell(found: Standing, solver: str) -> str:
        rank, regret = found.ranks[solver], found.regrets[solver]
        if rank is None:
            return NOTHING
        return f"{rank} ({NOTHING if regret is None else number(regret, table.metric.unit)})"

    def worst(found: Standing) -> str:
        return NOTHING if found.worst_rank is None else str(found.worst_rank)

    def most(found: Standing) -> str:
        return NOTHING if found.largest_regret is None else number(found.largest_regret, table.metric.unit)

    further = (("worst rank", worst), ("most behind", most), ("verdict", lambda found: style.clean(verdict(found))))
    return _matrix(table, style, _Columns(cell, str, further))


@dataclass(frozen=True)
class _Columns:
    """What a matrix shows: of each policy and solver a cell, and of each policy further columns."""

    cell: Callable[[Standing, str], str]
    title: Callable[[str], str]
    further: tuple[tuple[str, Callable[[Standing], str]], ...] = ()


def _matrix(table: SolverTable, style: Style, columns: _Columns) -> Iterable[str]:
    """A row a policy and a column a solver, in as many tables as the width takes; the further columns in the last."""
    for count in range(1, len(table.solvers) + 1):
        size = -(-len(table.solvers) // count)
        chunks = [table.solvers[start : start + size] for start in range(0, len(table.solvers), size)]
        parts = [
            _part(table, style, replace(columns, further=columns.further if chunk is chunks[-1] else ()), chunk)
            for chunk in chunks
        ]
        if all(style.fits(head, rows) for head, rows in parts):
            break
    for head, rows in parts:
        yield style.table(head, rows, left=("verdict",))


def _part(
    table: SolverTable, style: Style, columns: _Columns, solvers: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    titles = [style.clean(columns.title(solver)) for solver in solvers]
    rows = [
        [
            style.clean(found.policy),
            *(columns.cell(found, solver) for solver in solvers),
            *(of(found) for _, of in columns.further),
        ]
        for found in table.standings
    ]
    return ["policy", *titles, *(title for title, _ in columns.further)], rows
