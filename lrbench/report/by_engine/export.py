"""The comparison of engines for programs: JSON, and CSV with a line for each policy on each engine."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import orjson

from lrbench.metrics.summary import Summary
from lrbench.report.by_engine.cost import COSTS, ratio
from lrbench.report.by_engine.difference import Difference
from lrbench.report.by_engine.sentences import agreement_sentence, contrast_sentence, cost_sentences, transfer_sentence
from lrbench.report.by_engine.tables import EngineReport, EngineRow, EngineTable
from lrbench.report.export import summary_object
from lrbench.report.untrusted import csv_cell, printable_json

SCHEMA = 1


def json_engines(found: EngineReport) -> bytes:
    """``tables``, one for each workload and solver, with ``rows``, ``contrasts``, ``transfers`` and ``agreements``.

    A metric or cost of a row is ``{"mean", "standard_deviation", "n"}`` over its seeds, in the unit that its name says,
    accuracies as fractions; a time to the target has ``runs`` and ``restricted_mean``, too, see ``summary_object``.
    What is not known is null, and what diverged has no value. ``ratio`` is to the first of ``engines``, and
    ``difference`` a row's mean less that of the first engine.
    """
    document = {
        "schema": SCHEMA,
        "compared_by": "engine",
        "ranked_by": found.report.metric.name,
        "tables": [_table(table) for table in found.tables],
        "problems": list(found.report.problems),
        "notes": [*found.report.notes, *found.notes],
    }
    return printable_json(orjson.dumps(document)) + b"\n"


def _table(table: EngineTable) -> dict[str, Any]:
    metric = table.metric
    return {
        "workload": table.label,
        "engines": list(table.engines),
        "target_accuracy": table.target,
        "conditions": list(table.conditions),
        "rows": [_row(table, each) for by in table.rows.values() for each in by.values()],
        "costs": list(cost_sentences(table)),
        "contrasts": [
            {
                **asdict(each),
                "differences": [asdict(difference) for difference in each.differences.values()],
                "verdict": contrast_sentence(each, metric),
            }
            for each in table.contrasts
        ],
        "transfers": [{**asdict(each), "sentence": transfer_sentence(each, metric)} for each in table.transfers],
        "agreements": [{**asdict(each), "sentence": agreement_sentence(each)} for each in table.agreements],
    }


def _row(table: EngineTable, found: EngineRow) -> dict[str, Any]:
    row = found.row
    return {
        "policy": row.policy,
        "function": row.function,
        "solver": row.solver,
        "engine": found.engine,
        "rank": row.rank,
        "provisional": row.provisional,
        "runs": len(row.runs),
        "diverged": row.diverged,
        **{name: summary_object(summary) for name, summary in _summaries(table, found)},
        "ratio": _ratios(table, found),
    }


def _summaries(table: EngineTable, found: EngineRow) -> Iterable[tuple[str, Summary]]:
    names = dict.fromkeys([table.metric.name, "best_accuracy", "iterations_to_target"])
    yield from ((name, found.row.summaries[name]) for name in names if name not in found.costs)
    yield from found.costs.items()


def _ratios(table: EngineTable, found: EngineRow) -> Mapping[str, float | None]:
    """To the first engine's; none of that engine itself and where that has not run the policy."""
    base = table.rows[found.row.policy].get(table.engines[0])
    if base is None or base is found:
        return {cost.name: None for cost in COSTS}
    return {cost.name: ratio(found.costs[cost.name], base.costs[cost.name]) for cost in COSTS}


def csv_engines(found: EngineReport) -> str:
    """A line for each policy on each engine, against the first engine; empty where not known."""
    lines = [_csv_line(table, each) for table in found.tables for by in table.rows.values() for each in by.values()]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _csv_line(table: EngineTable, found: EngineRow) -> dict[str, Any]:
    row, difference = found.row, _difference(table, found)
    line: dict[str, Any] = {
        "workload": csv_cell(table.label),
        "policy": csv_cell(row.policy),
        "function": csv_cell(row.function),
        "solver": csv_cell(row.solver),
        "engine": csv_cell(found.engine),
        "rank": row.rank,
        "target_accuracy": table.target,
        "provisional": str(row.provisional).lower(),
        "runs": len(row.runs),
        "diverged": row.diverged,
    }
    for name, summary in _summaries(table, found):
        line |= {f"{name}_{part}": value for part, value in summary_object(summary).items()}
    return {
        **line,
        "compared_with": None if difference is None else csv_cell(table.engines[0]),
        "difference": difference.value if difference else None,
        "verdict": difference.verdict if difference else None,
        "p_value": difference.p if difference else None,
        "p_value_holm": difference.p_holm if difference else None,
        **{f"{name}_ratio": value for name, value in _ratios(table, found).items()},
    }


def _difference(table: EngineTable, found: EngineRow) -> Difference | None:
    contrasts = {each.other: each for each in table.contrasts}
    return contrasts[found.engine].differences[found.row.policy] if found.engine in contrasts else None
