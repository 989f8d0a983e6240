"""The comparison of engines as tables, for a terminal or as GitHub's markdown."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.report.by_engine.cost import COSTS, Cost, ratio
from lrbench.report.by_engine.difference import Contrast, Difference
from lrbench.report.by_engine.sentences import (
    agreement_sentence,
    contrast_sentence,
    cost_sentences,
    signed,
    transfer_sentence,
)
from lrbench.report.by_engine.tables import EngineReport, EngineRow, EngineTable
from lrbench.report.formats import NOTHING, heading, marked, mean_and_deviation, mean_of_some
from lrbench.report.style import MARKDOWN, Style, for_terminal
from lrbench.report.table import WIDTH

EACH = (
    "mean ± sample standard deviation over the seeds; noise: Welch's t-test between the engines, p corrected for the "
    "number of policies (Holm); differs means p < 0.05"
)


def terminal_engines(found: EngineReport, width: int = WIDTH) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_sections(found, for_terminal(width))) + "\n"


def markdown_engines(found: EngineReport) -> str:
    """The tables as GitHub's markdown."""
    return "\n\n".join(_sections(found, MARKDOWN)) + "\n"


def _sections(found: EngineReport, style: Style) -> Iterable[str]:
    for table in found.tables:
        yield style.title.format(style.clean(f"{table.label}: {' and '.join(table.engines)}"))
        yield from (style.paragraph(style.clean(line)) for line in table.conditions)
        yield accuracies_table(table, style)
        yield style.paragraph(EACH)
        yield from (style.paragraph(style.clean(contrast_sentence(each, table.metric))) for each in table.contrasts)
        yield costs_table(table, style)
        yield from (style.paragraph(style.clean(sentence)) for sentence in cost_sentences(table))
        yield from (style.paragraph(style.clean(transfer_sentence(each, table.metric))) for each in table.transfers)
        yield from (style.paragraph(style.clean(agreement_sentence(each))) for each in table.agreements)
    yield from (style.paragraph(style.clean(f"note: {note}")) for note in found.notes)


Columns = list[tuple[str, list[str]]]


def accuracies_table(table: EngineTable, style: Style) -> str:
    """A row a policy: what it reaches on each engine, whether they differ, its ranks and how soon; in two tables where
    it does not fit one."""
    parts = [_reached_columns(table, style), _placed_columns(table)]
    if style.fits(*_with_policies(table, [*parts[0], *parts[1]], style)):
        parts = [[*parts[0], *parts[1]]]
    noise = [style.clean(_noise_title(table, each)) for each in table.contrasts]
    return "\n\n".join(style.table(*_with_policies(table, part, style), left=noise) for part in parts)


def _with_policies(table: EngineTable, columns: Columns, style: Style) -> tuple[list[str], list[list[str]]]:
    """Head and rows."""
    head = ["policy", *(style.clean(title) for title, _ in columns)]
    policies = [style.clean(policy) for policy in table.rows]
    return head, [list(row) for row in zip(policies, *(cells for _, cells in columns), strict=True)]


def _reached_columns(table: EngineTable, style: Style) -> Columns:
    metric = table.metric
    columns: Columns = [
        (f"{heading(metric)}, {engine}", [_reached(by.get(engine), table, style) for by in table.rows.values()])
        for engine in table.engines
    ]
    for each in table.contrasts:
        apart = [_apart(each.differences[policy], table) for policy in table.rows]
        unit = " points" if metric.unit == "fraction" else ""
        columns.append((f"{each.other} - {each.base}{unit}", [value for value, _ in apart]))
        columns.append((_noise_title(table, each), [verdict for _, verdict in apart]))
    return columns


def _placed_columns(table: EngineTable) -> Columns:
    rows = [[by.get(engine) for engine in table.engines] for by in table.rows.values()]
    engines = " / ".join(table.engines)
    columns = [(f"rank, {engines}", [" / ".join(map(_rank, row)) for row in rows])]
    if table.target is not None:
        columns.append((f"iterations to {table.target:g}, {engines}", [" / ".join(map(_soon, row)) for row in rows]))
    return columns


def _rank(found: EngineRow | None) -> str:
    return NOTHING if found is None or found.row.rank is None else str(found.row.rank)


def _noise_title(table: EngineTable, found: Contrast) -> str:
    return "noise" if len(table.contrasts) == 1 else f"noise, {found.other}"


def _reached(found: EngineRow | None, table: EngineTable, style: Style) -> str:
    """Mean and deviation, with the number of seeds where it is not that of most, and how many diverged."""
    if found is None:
        return NOTHING
    summary = found.row.summaries[table.metric.name]
    value = mean_and_deviation(summary, table.metric.unit, table.usual_seeds)
    return style.mark(marked(value, found.row.diverged, len(found.row.runs)), found.row.comparison)


def _apart(found: Difference, table: EngineTable) -> tuple[str, str]:
    value = NOTHING if found.value is None else signed(found.value, table.metric)
    if found.p_holm is None:
        return value, found.verdict
    return value, f"{found.verdict}, {'p<0.001' if found.p_holm < 0.001 else f'p={found.p_holm:.2g}'}"


def _soon(found: EngineRow | None) -> str:
    if found is None:
        return NOTHING
    return mean_of_some(found.row.summaries["iterations_to_target"], len(found.row.counted), "iterations")


def costs_table(table: EngineTable, style: Style) -> str:
    """For each policy a row an engine, and a row with how many times the first engine's each further one takes."""
    rows = [found for by in table.rows.values() for found in by.values()]
    shown = [cost for cost in COSTS if not cost.of_gpu or any(found.costs[cost.name].n for found in rows)]
    cells = []
    for policy, by in table.rows.items():
        present = [by[engine] for engine in table.engines if engine in by]
        lines = [[style.clean(each.engine), *(_cost(each, cost) for cost in shown)] for each in present]
        for other in present[1:] if present[0].engine == table.engines[0] else []:
            ratios = [ratio(other.costs[cost.name], present[0].costs[cost.name]) for cost in shown]
            title = style.clean(f"{other.engine} / {present[0].engine}")
            lines.append([title, *(NOTHING if value is None else f"{value:.2f}" for value in ratios)])
        cells += [[style.clean(policy) if place == 0 else "", *line] for place, line in enumerate(lines)]
    return style.table(["policy", "engine", *(cost.title for cost in shown)], cells, left=("engine",))


def _cost(found: EngineRow, cost: Cost) -> str:
    mean = found.costs[cost.name].mean
    return NOTHING if mean is None else cost.text(mean)
