"""Policies side by side over the values of a setting: what they reach, how they rank, what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from lrbench.metrics.registry import METRICS
from lrbench.report.comparison.cost import COSTS, ratio
from lrbench.report.comparison.findings import (
    agreement_sentence,
    contrast_sentence,
    cost_sentences,
    findings,
    signed,
    transfer_sentence,
    verdict,
)
from lrbench.report.comparison.table import ComparedRow, Comparison, ComparisonTable, Standing
from lrbench.report.document import Block, Cell, Column, Document, Heading, Paragraph, Table
from lrbench.report.formats import (
    NOTHING,
    different_targets,
    heading,
    known_number,
    mark_of,
    marked,
    mean_and_deviation,
    mean_of_some,
    plain_target,
    rank_text,
    verdict_text,
)
from lrbench.report.views.ranking_data import flat, summary_object, target_data

SCHEMA = 2


def comparison_document(found: Comparison) -> Document:
    """The document of a comparison."""
    blocks = [block for table in found.tables for block in _blocks(table)]
    targets = (workload.targets for workload in found.report.workloads if len(workload.targets) > 1)
    notes = [*map(different_targets, targets), *(f"note: {note}" for note in found.notes)]
    return Document(
        [*blocks, *map(Paragraph, notes)],
        partial(_data, found),
        lambda: [
            _record(table, standing, each)
            for table in found.tables
            for standing, by in table.ordered()
            for each in by.values()
        ],
        large=True,
    )


def _blocks(table: ComparisonTable) -> Iterator[Block]:
    caption = f"{table.label}: policies x {table.axis.plural}"
    yield Heading(caption)
    yield from map(Paragraph, table.conditions)
    yield _values(table, caption)
    yield _ranks(table, caption)
    yield from map(Paragraph, findings(table))
    if table.axis.costs:
        yield _costs(table)


def _values(table: ComparisonTable, caption: str) -> Table:
    """Return the mean of each policy at each value of the setting and, of two values, their difference."""
    columns = [
        Column("policy", "policy"),
        *(Column(table.title(value), group=i) for i, value in enumerate(table.values)),
    ]
    seeds = "one seed" if table.usual_seeds == 1 else f"{table.usual_seeds} seeds"
    lead = f"{heading(table.metric)}: mean ± sample standard deviation over {seeds}, unless a cell says otherwise"
    rows: list[list[Cell | str]] = [
        [found.policy, *(_value(by.get(value), table) for value in table.values)] for found, by in table.ordered()
    ]
    notes: tuple[str, ...] = ()
    if len(table.values) == 2:
        (only,) = table.contrasts
        unit = " points" if table.metric.unit == "fraction" else ""
        columns += [Column(f"{only.other} - {only.base}{unit}", group=1), Column("noise", "text", group=1)]
        for row, (found, _) in zip(rows, table.ordered(), strict=True):
            apart = only.differences[found.policy]
            row.append(NOTHING if apart.value is None else signed(apart.value, table.metric))
            row.append(verdict_text(apart.verdict, apart.p))
        notes = (
            f"noise: t-test between the {table.axis.plural}, by the spread of all policies at each or a policy's own "
            "if larger, p corrected for the number of policies (Sidak); differs means p < 0.05",
        )
    if table.target is not None and table.metric.name != "iterations_to_target":
        last, soon = len(table.values) - 1, METRICS["iterations_to_target"]
        columns += [
            Column(f"iterations to {plain_target(table.target)}, {value}", group=last) for value in table.values
        ]
        for row, (_, by) in zip(rows, table.ordered(), strict=True):
            at = [by[value].row if value in by else None for value in table.values]
            row += [
                mean_of_some(each.summaries[soon.name], len(each.samples(soon)), soon.unit) if each else NOTHING
                for each in at
            ]
    marks = f"the best of its {table.axis.title}"
    return Table(columns, rows, (caption,), table.label, lead, notes, marks)


def _value(found: ComparedRow | None, table: ComparisonTable) -> Cell:
    return Cell(value_text(found, table), None if found is None else mark_of(found.row.comparison))


def value_text(found: ComparedRow | None, table: ComparisonTable) -> str:
    """Mean and deviation, with the number of seeds where it is not that of most, and how many diverged."""
    if found is None:
        return NOTHING
    row = found.row
    summary = row.summaries[table.metric.name]
    if summary.mean is None and row.diverged:
        return f"{row.diverged}/{len(row.runs)} diverged"
    return marked(mean_and_deviation(summary, table.metric.unit, table.usual_seeds), row.diverged, len(row.runs))


def _ranks(table: ComparisonTable, caption: str) -> Table:
    """The ranks of each policy, how far behind it is, and whether it holds."""
    last = len(table.values) - 1

    def cell(found: Standing, value: str) -> str:
        rank, compared = found.ranks[value], table.rows[found.policy].get(value)
        if rank is None or compared is None:
            return NOTHING
        return f"{rank_text(rank, compared.row.comparison)} ({_number(found.regrets[value], table)})"

    def across(found: Standing) -> list[str]:
        worst = NOTHING if found.worst_rank is None else str(found.worst_rank)
        return [worst, _number(found.largest_regret, table), verdict(found, table.axis)]

    return Table(
        [
            Column("policy", "policy"),
            *(Column(value, group=i) for i, value in enumerate(table.values)),
            Column("worst rank", group=last),
            Column("largest gap", group=last),
            Column("verdict", "text", group=last),
        ],
        [[found.policy, *(cell(found, value) for value in table.values), *across(found)] for found in table.standings],
        (caption,),
        f"{table.label}-ranks",
        f"ranks that the tests leave possible {table.axis.at} each {table.axis.title}, with the gap to its best in "
        f"brackets; holds: {table.axis.at} no {table.axis.title} significantly worse than the best (Tukey's test of "
        "all pairs over the seeds, p < 0.05; Welch's, corrected for their number, where the policies' spreads clearly "
        "differ). With few seeds few gaps are significant: mind their sizes, too.",
    )


def _number(value: float | None, table: ComparisonTable) -> str:
    return known_number(value, table.metric.unit)


def _costs(table: ComparisonTable) -> Table:
    """For each policy a row a value, and a row with how many times the first value's each further one takes."""
    every = [found for by in table.rows.values() for found in by.values()]
    shown = [
        cost for cost in COSTS if not cost.name.startswith("gpu") or any(found.costs[cost.name].n for found in every)
    ]
    rows = []
    for found, by in table.ordered():
        present = [by[value] for value in table.values if value in by]
        means = [[each.costs[cost.name].mean for cost in shown] for each in present]
        lines = [
            [each.value, *(NOTHING if mean is None else cost.text(mean) for mean, cost in zip(own, shown, strict=True))]
            for each, own in zip(present, means, strict=True)
        ]
        for other in present[1:] if present[0].value == table.values[0] else []:
            ratios = [ratio(other.costs[cost.name], present[0].costs[cost.name]) for cost in shown]
            title = f"{other.value} / {present[0].value}"
            lines.append([title, *(NOTHING if value is None else f"{value:.2f}" for value in ratios)])
        rows += [[found.policy if index == 0 else "", *line] for index, line in enumerate(lines)]
    columns = [Column("policy", "policy"), Column(table.axis.title, "text"), *(Column(cost.title) for cost in shown)]
    notes = tuple(cost_sentences(table))
    return Table(columns, rows, (f"{table.label}: costs",), f"{table.label}-costs", notes=notes)


def _data(found: Comparison) -> dict[str, Any]:
    """``tables``, one for all that is equal but for the compared setting.

    A metric or cost of a row is ``{"mean", "standard_deviation", "n"}`` over its seeds, see ``summary_object``. Its
    ``policy`` is as the spec has it, ``policy_as_trained`` has the solver's ``lr_scale`` in it. ``ratio`` is to the
    first of the values, ``difference`` a row's mean less that at the first value, and ``regret`` how much worse than
    the best policy at the same value the mean is. All p-values are corrected for the number of comparisons; those whose
    names end in ``holm`` are so named by earlier versions.
    """
    return {
        "schema": SCHEMA,
        "compared_by": found.axis.key,
        "ranked_by": found.report.metric.name,
        "tables": [_table(table) for table in found.tables],
        "problems": list(found.report.problems),
        "notes": [*found.report.notes, *found.notes],
    }


def _table(table: ComparisonTable) -> dict[str, Any]:
    metric, axis = table.metric, table.axis
    return {
        "workload": table.label,
        axis.plural.replace(" ", "_"): list(table.values),
        **target_data(table.target),
        "conditions": list(table.conditions),
        "rows": [_row(table, found, each) for found, by in table.ordered() for each in by.values()],
        "policies": [
            {
                **asdict(each),
                "worst_rank": each.worst_rank,
                "largest_regret": each.largest_regret,
                "holds": each.holds,
                "verdict": verdict(each, axis),
            }
            for each in table.standings
        ],
        "findings": list(findings(table)),
        "costs": list(cost_sentences(table)),
        "contrasts": [
            {
                **asdict(each),
                "differences": [{**asdict(apart), "p_holm": apart.p} for apart in each.differences.values()],
                "verdict": contrast_sentence(each, metric, axis),
            }
            for each in table.contrasts
        ],
        "transfers": [{**asdict(each), "sentence": transfer_sentence(each, metric, axis)} for each in table.transfers],
        "agreements": [{**asdict(each), "sentence": agreement_sentence(each)} for each in table.agreements],
    }


def _row(table: ComparisonTable, standing: Standing, found: ComparedRow) -> dict[str, Any]:
    row, policy = found.row, standing.policy
    contrast = next((each for each in table.contrasts if each.other == found.value), None)
    difference = None if contrast is None else contrast.differences[policy]
    base = table.rows[policy].get(table.values[0])
    compared = None if base is found else base  # a value is not compared with itself
    ranks = (row.comparison.ranks if row.comparison else None) or (None, None)
    names = dict.fromkeys([table.metric.name, "best_accuracy", "iterations_to_target"])
    summaries = {name: row.summaries[name] for name in names if name not in found.costs}
    return {
        "policy": policy,
        "function": row.function,
        "solver": row.solver,
        "engine": row.engine,
        table.axis.key: found.value,
        "lr_scale": table.factors[found.value],
        "policy_as_trained": row.policy,
        "rank": row.rank,
        "rank_from": ranks[0],
        "rank_to": ranks[1],
        "group": (row.comparison.group or None) if row.comparison else None,
        "provisional": row.provisional,
        "runs": len(row.runs),
        "diverged": row.diverged,
        **{name: summary_object(summary) for name, summary in {**summaries, **found.costs}.items()},
        "regret": standing.regrets[found.value],
        "against_the_best": row.comparison.verdict if row.comparison else None,
        "against_the_best_p_value_holm": row.comparison.p if row.comparison else None,
        "compared_with": None if difference is None else table.values[0],
        "difference": difference.value if difference else None,
        "verdict": difference.verdict if difference else None,
        "p_value": difference.p if difference else None,
        "p_value_holm": difference.p if difference else None,
        "ratio": {cost.name: compared and ratio(found.costs[cost.name], compared.costs[cost.name]) for cost in COSTS},
    }


def _record(table: ComparisonTable, standing: Standing, found: ComparedRow) -> dict[str, Any]:
    row = _row(table, standing, found)
    ratios = row.pop("ratio")
    return {
        "workload": table.label,
        **target_data(table.target),
        **flat(row),
        **{f"{cost}_ratio": known for cost, known in ratios.items()},
        "worst_rank": standing.worst_rank,
        "largest_regret": standing.largest_regret,
        "policy_verdict": verdict(standing, table.axis),
    }
