"""The report for LaTeX: tables to include in a paper, from the same rows as every other format."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.metrics.registry import Metric
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.by_engine.sentences import (
    agreement_sentence,
    contrast_sentence,
    cost_sentences,
    transfer_sentence,
)
from lrbench.report.by_engine.table import EACH, accuracies_table, costs_table
from lrbench.report.by_engine.tables import EngineReport, EngineTable
from lrbench.report.by_solver.sentences import findings
from lrbench.report.by_solver.table import ACROSS, across_tables, values_note, values_tables
from lrbench.report.by_solver.tables import SolverReport, SolverTable
from lrbench.report.formats import heading
from lrbench.report.latex_style import LATEX, PREAMBLE, Latex, in_float
from lrbench.report.robustness import robustness_section
from lrbench.report.table import functions_table, notes, ranking_table

_MARKS = "Bold: the best; †: not told apart from it"


def latex_report(report: Report) -> str:
    """For each workload a float with the ranking, one with the functions, and one with the robustness if there is."""
    return _document(part for workload in report.workloads for part in _workload(workload, report))


def latex_engines(found: EngineReport) -> str:
    """For each table a float with the accuracies and one with the costs; the findings follow as text."""
    parts = [part for table in found.tables for part in _engines(table)]
    return _document([*parts, *map(_note, found.notes)])


def latex_solvers(found: SolverReport) -> str:
    """For each table a float with the values and one with the ranks; the findings follow as text."""
    parts = [part for table in found.tables for part in _solvers(table)]
    return _document([*parts, *map(_note, found.notes)])


def _document(parts: Iterable[str]) -> str:
    return "\n\n".join([PREAMBLE, *parts]) + "\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _note(note: str) -> str:
    return LATEX.paragraph(f"note: {note}")


def _workload(workload: WorkloadTable, report: Report) -> Iterable[str]:
    metric, label = report.metric, workload.label
    caption = [f"{label}: policies ranked by {metric.title}", seeds_sentence(workload, metric), _MARKS]
    caption += map(_sentence, notes(workload, metric))
    yield in_float([ranking_table(workload, metric, LATEX)], caption, label)
    functions = functions_table(workload, metric, LATEX)
    if isinstance(functions, Latex):
        caption = [f"{label}: the best and the worst policy of each LR function, by {heading(metric)}"]
        yield in_float([functions], caption, f"{label}-functions")
    robust = list(robustness_section(workload, LATEX))
    if robust:
        intro, table, *why = robust
        yield in_float([table], [label, intro, *why], f"{label}-robustness")


def seeds_sentence(workload: WorkloadTable, metric: Metric) -> str:
    """Over how many seeds the means are."""
    if any(row.missed(metric) for row in workload.policies if row.rank is not None):
        return "Mean ± sample standard deviation over the seeds that reached the target"
    counts = sorted({row.summaries[metric.name].n for row in workload.policies} - {0})
    if not counts:
        return "No policy has a value yet"
    if counts == [1]:
        return "One seed each, so that the noise between seeds is not known and nothing is tested"
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"Mean ± sample standard deviation over {seeds} seeds"


def _engines(table: EngineTable) -> Iterable[str]:
    label, metric = f"{table.label}: {' and '.join(table.engines)}", table.metric
    contrasts = [_sentence(contrast_sentence(each, metric)) for each in table.contrasts]
    marks = "Bold: the best of its engine; †: not told apart from it"
    yield in_float([accuracies_table(table, LATEX)], [label, _sentence(EACH), marks, *contrasts], label)
    yield in_float([costs_table(table, LATEX)], [f"{label}: costs", *cost_sentences(table)], f"{label}-costs")
    yield from map(LATEX.paragraph, table.conditions)
    yield from (LATEX.paragraph(transfer_sentence(each, metric)) for each in table.transfers)
    yield from (LATEX.paragraph(agreement_sentence(each)) for each in table.agreements)


def _solvers(table: SolverTable) -> Iterable[str]:
    label = f"{table.label}: policies x solvers"
    marks = "Bold: the best of its solver; †: not told apart from it"
    yield in_float(list(values_tables(table, LATEX)), [label, _sentence(values_note(table)), marks], label)
    yield in_float(list(across_tables(table, LATEX)), [label, _sentence(ACROSS)], f"{label}-ranks")
    yield from map(LATEX.paragraph, findings(table))
