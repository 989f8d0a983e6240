"""The matrix for programs: JSON, and CSV with a line for each policy under each solver."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import orjson

from lrbench.metrics.summary import Summary
from lrbench.report.by_solver.sentences import findings, verdict
from lrbench.report.by_solver.tables import SolverReport, SolverTable, Standing
from lrbench.report.export import summary_object
from lrbench.report.policies import PolicyRow
from lrbench.report.untrusted import csv_cell, printable_json

SCHEMA = 1


def json_solvers(found: SolverReport) -> bytes:
    """``tables``, one for each workload and engine, with ``rows``, ``policies`` and ``findings``.

    A row is a policy under a solver; a metric of it is ``{"mean", "standard_deviation", "n"}`` over its seeds, with
    ``runs`` and ``restricted_mean`` for a time to the target, see ``summary_object``. Its
    ``policy`` is as the spec has it, ``policy_as_trained`` has the solver's ``lr_scale`` in it, and ``regret`` is how
    much worse than the best policy of that solver the mean is. What is not known is null, and what diverged has no
    regret.
    """
    document = {
        "schema": SCHEMA,
        "compared_by": "solver",
        "ranked_by": found.report.metric.name,
        "tables": [_table(table) for table in found.tables],
        "problems": list(found.report.problems),
        "notes": [*found.report.notes, *found.notes],
    }
    return printable_json(orjson.dumps(document)) + b"\n"


def _table(table: SolverTable) -> dict[str, Any]:
    return {
        "workload": table.label,
        "solvers": list(table.solvers),
        "target_accuracy": table.target,
        "rows": [_row(table, *cell) for cell in _cells(table)],
        "policies": [
            {
                "policy": each.policy,
                "worst_rank": each.worst_rank,
                "largest_regret": each.largest_regret,
                "holds": each.holds,
                "verdict": verdict(each),
                "troubles": dict(each.troubles),
            }
            for each in table.standings
        ],
        "findings": list(findings(table)),
    }


def _cells(table: SolverTable) -> Iterable[tuple[Standing, str, PolicyRow]]:
    for each in table.standings:
        by = table.rows[each.policy]
        yield from ((each, solver, by[solver]) for solver in table.solvers if solver in by)


def _row(table: SolverTable, each: Standing, solver: str, row: PolicyRow) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "function": row.function,
        "solver": solver,
        "lr_scale": table.factors[solver],
        "policy_as_trained": row.policy,
        "engine": row.engine,
        "rank": row.rank,
        "provisional": row.provisional,
        "runs": len(row.runs),
        "diverged": row.diverged,
        **{name: summary_object(summary) for name, summary in _summaries(table, row)},
        "regret": each.regrets[solver],
        "against_the_best": row.comparison.verdict if row.comparison else None,
        "p_value_holm": row.comparison.p_holm if row.comparison else None,
    }


def _summaries(table: SolverTable, row: PolicyRow) -> Iterable[tuple[str, Summary]]:
    names = dict.fromkeys([table.metric.name, "best_accuracy", "iterations_to_target"])
    return ((name, row.summaries[name]) for name in names)


def csv_solvers(found: SolverReport) -> str:
    """A line for each policy under each solver; empty where not known."""
    lines = [_csv_line(table, *cell) for table in found.tables for cell in _cells(table)]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _csv_line(table: SolverTable, each: Standing, solver: str, row: PolicyRow) -> dict[str, Any]:
    line: dict[str, Any] = {"workload": csv_cell(table.label), "target_accuracy": table.target}
    for name, value in _row(table, each, solver, row).items():
        if isinstance(value, dict):
            line |= {f"{name}_{part}": known for part, known in value.items()}
        elif isinstance(value, bool):
            line[name] = str(value).lower()
        else:
            line[name] = csv_cell(value) if isinstance(value, str) else value
    return line | {
        "worst_rank": each.worst_rank,
        "largest_regret": each.largest_regret,
        "policy_verdict": csv_cell(verdict(each)),
    }
