"""Progress of experiments: numbers of runs by status, the time left, and where the active runs are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from lrbench.errors import path_text
from lrbench.report.active_runs import ActiveRun, value_title
from lrbench.report.document import Block, Column, Command, Document, Items, Table
from lrbench.report.formats import NOTHING
from lrbench.report.progress import GIVEN_UP, ExperimentProgress
from lrbench.report.rows import CUT_OFF
from lrbench.runs.status import OUTCOMES

_COLUMNS = ("planned", "done", "active", "to do", "failed", "time left")


def status_document(experiments: Sequence[ExperimentProgress]) -> Document:
    """The document of the progress of experiments."""
    return Document(
        list(_blocks(experiments)),
        lambda: {"experiments": _data(experiments)},
        lambda: [{name: row[name] for name in row if name not in ("active", "statuses")} for row in _data(experiments)],
    )


def _blocks(experiments: Sequence[ExperimentProgress]) -> Iterator[Block]:
    columns = [Column("experiment", "text"), *map(Column, _COLUMNS)]
    if experiments:
        rows = []
        for each in experiments:
            numbers = (each.planned, each.done, len(each.active), _waiting(each), each.statuses.get("failed", 0))
            texts = [NOTHING if number is None else f"{number:,}" for number in numbers]
            rows.append([each.folder.name, *texts, each.left or NOTHING])
        yield Table(columns, rows, (), "experiments")
    active = [run for each in experiments for run in each.active]
    if active:
        yield active_table(active)
    if problems := [line for each in experiments for line in each.problems]:
        yield Items(problems, "cannot be read:")
    if ended := [path_text(each.folder) for each in experiments if each.done]:
        yield Command(shlex.join(["lrbench", "report", *ended]))


def active_table(active: Sequence[ActiveRun]) -> Table:
    """The table of active runs: each with its place, iteration, objective, rate and the time left."""
    columns = [Column("run", "policy"), Column("where", "text"), Column("iteration")]
    columns += [Column(title) for title in (value_title(active), "best", "rate", "time left")]
    rows = [[run.name, run.place or NOTHING, *run.texts.values()] for run in active]
    return Table(columns, rows, (), "active", "active runs")


def _waiting(each: ExperimentProgress) -> int:
    """Runs that no process is training and that have no outcome yet, the failed ones apart."""
    others = {*OUTCOMES, GIVEN_UP, "running", "failed"}
    return sum(count for status, count in each.statuses.items() if status not in others)


def _data(experiments: Sequence[ExperimentProgress]) -> list[dict[str, Any]]:
    return [
        {
            "experiment": each.folder.name,
            "folder": path_text(each.folder),
            "planned": each.planned,
            "done": each.done,
            "to_do": _waiting(each),
            "failed": each.statuses.get("failed", 0),
            "cut_off": each.statuses.get(CUT_OFF, 0),
            "seconds_left": each.seconds_left,
            "statuses": dict(each.statuses),
            "active": [
                {
                    "run": run.path,
                    "name": run.name,
                    "where": run.place or None,
                    "iteration": run.iteration,
                    "iterations": run.iterations,
                    "objective": run.objective.metric,
                    "value": run.value,
                    "best": run.best,
                    "seconds_left": run.seconds_left,
                }
                for run in each.active
            ],
        }
        for each in experiments
    ]
