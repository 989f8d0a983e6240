"""Quality over the length of a training: a row for each length, with the runs that anneal at its end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lrbench.metrics.objective import Objective
from lrbench.metrics.summary import summarise
from lrbench.report.document import Block, Column, Command, Document, Heading, Paragraph, Table
from lrbench.report.formats import counted, mean_and_deviation, objective_heading
from lrbench.tuning.branching import LengthResult


def branch_document(
    lengths: Sequence[LengthResult], objective: Objective, stable: str, heading: str, folder: Path
) -> Document:
    """The document of branches.

    Args:
        stable: the policy of the run that they branch from.
        heading: the workload, without a length.
        folder: the branches' experiment.
    """
    return Document(
        _blocks(lengths, objective, stable, heading, folder),
        lambda: {
            "workload": heading,
            "stable_policy": stable,
            "objective": objective.stored(),
            "lengths": [asdict(one) for one in lengths],
            "iterations_trained": sum(one.trained for one in lengths),
            "iterations_of_all_runs": sum(one.iterations * len(one.seeds) for one in lengths),
        },
        lambda: [
            {
                "iterations": one.iterations,
                "policy": one.policy,
                "seed": seed,
                "status": status,
                objective.metric: value,
            }
            for one in lengths
            for seed, status, value in zip(one.seeds, one.statuses, one.final, strict=True)
        ],
    )


def _blocks(
    lengths: Sequence[LengthResult], objective: Objective, stable: str, heading: str, folder: Path
) -> list[Block]:
    columns = [
        Column("iterations"),
        Column("cooldown from"),
        Column(f"final {objective_heading(objective)}"),
        Column("seeds"),
        Column("iterations trained for it"),
    ]
    rows = [
        [
            f"{one.iterations:,}",
            f"{one.start:,}",
            mean_and_deviation(summarise(one.final), objective.unit),
            str(len(one.seeds)),
            f"{one.trained:,}",
        ]
        for one in lengths
    ]
    trained, apart = sum(one.trained for one in lengths), [one.iterations * len(one.seeds) for one in lengths]
    ended = [status for one in lengths for status in one.statuses if status != "finished"]
    notes = [f"{counted(len(ended), 'run', 'runs')} did not finish: {', '.join(sorted(set(ended)))}"] if ended else []
    if all(len(one.seeds) == 1 for one in lengths):
        notes.append("one seed each: differences may be chance")
    return [
        Heading(f"quality over the length of the training: {heading}"),
        Table(columns, rows, (), "lengths", f"the rates of {stable}, then a cooldown to 0", tuple(notes)),
        Paragraph(
            f"{trained:,} iterations trained, {trained / max(apart):.2f} times those of the longest; each run by "
            f"itself would take {sum(apart):,} in all"
        ),
        Command(shlex.join(["lrbench", "report", str(folder)]), "every run, with its policy"),
    ]
