"""The difference that the seeds of a planned experiment can show, by the spread of stored runs of its workload."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lrbench.comparable import key, workload_settings
from lrbench.executors.plan import Task
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary
from lrbench.report.build import build_report
from lrbench.report.formats import counted, with_unit
from lrbench.report.rows import row_of_record
from lrbench.runs.description import read_description
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import RunRecord, find_runs, read_run
from lrbench.spec.seeds import AddedSeeds
from lrbench.statistics.all_pairs import LEVEL, testable
from lrbench.statistics.planning import smallest_difference
from lrbench.statistics.studentized_range import critical_value

MOST_READ = 120
"""Runs by which the spread over the seeds is known to about 7 %."""
NEIGHBOURS = 12
"""Runs with neighbouring names, which are the seeds of one policy or of a few."""


def planned_difference(tasks: Sequence[Task], results: Path) -> str | None:
    """Return a sentence on the smallest difference that the seeds of an experiment can show.

    None where it has fewer than two policies, which are compared with nothing.

    Args:
        tasks: all runs of the experiment.
        results: folder whose runs, of any experiment, tell how much seeds vary on the workload.
    """
    policies = _policies(tasks)
    seeds, metric = len({task.run.seed for task in tasks}), tasks[0].experiment.settings.objective.resolved.ranking
    if len(policies) < 2:
        return None
    if isinstance(adding := tasks[0].experiment.settings.seeds, AddedSeeds):
        return _seeds_needed(adding, len(policies), stored_deviation(tasks[0], results, metric))
    if seeds < 2:
        return "one seed a policy shows no difference beyond the seeds' noise; for example seeds: 3"
    shown = smallest_difference(len(policies), seeds)
    spread = stored_deviation(tasks[0], results, metric)
    start = f"{counted(seeds, 'seed', 'seeds')} show a difference"
    between = f"between {len(policies)} policies in 4 of 5 cases"
    if spread is None:
        return (
            f"{start} of {shown:.2g} standard deviations over the seeds {between}; how much that is, runs of this "
            "workload will tell: none with several seeds is stored"
        )
    deviation, number = spread
    return (
        f"{start} in {metric.title} of {with_unit(shown * deviation, metric.unit, difference=True)} {between} "
        f"(by the spread over the seeds of {counted(number, 'stored policy', 'stored policies')})"
    )


def _policies(tasks: Sequence[Task]) -> set[tuple[str, bytes]]:
    """Return what tells the rows of a table apart; many runs share a solver."""
    solvers = {id(task.run.solver): task.run.solver for task in tasks}
    keys = {number: key(solver.resolved()) for number, solver in solvers.items()}
    return {(task.run.policy.text, keys[id(task.run.solver)]) for task in tasks}


def _seeds_needed(adding: AddedSeeds, policies: int, spread: tuple[float, int] | None) -> str:
    """Return a sentence on the seeds with which all differences of policies that vary alike are known well enough."""
    if spread is None:
        return "how many seeds that takes, runs of this workload will tell: none with several seeds is stored"
    deviation, number = spread
    level = LEVEL / len(adding.looks)
    widths = [
        critical_value(policies, policies * (look - 1), level) * deviation / math.sqrt(look) for look in adding.looks
    ]
    found = (look for look, width in zip(adding.looks, widths, strict=True) if width <= adding.half_width)
    enough = next(found, None)
    take = f"{enough} seeds" if enough else f"more than {adding.at_most} seeds"
    return f"by the spread over the seeds of {counted(number, 'stored policy', 'stored policies')} that takes {take}"


def stored_deviation(task: Task, results: Path, metric: Metric) -> tuple[float, int] | None:
    """Return the pooled standard deviation over the seeds of stored policies of a workload, and their number.

    At most ``MOST_READ`` runs are read; of more, as many, some next to each other at a time.
    """
    wanted = key(workload_settings(task.experiment.describe(task.run, task.data)))
    rows = [row_of_record(record) for record in _runs_of(wanted, results)]
    policies = [row for table in build_report(rows, metric).workloads for row in table.policies]
    summaries = [row.tested(metric) for row in policies if row.rank is not None]
    return _pooled([summary for summary in summaries if testable(summary)])


def _runs_of(wanted: bytes, results: Path) -> Iterator[RunRecord]:
    paths = find_runs([results]) if results.is_dir() else []
    parts = [paths[start : start + NEIGHBOURS] for start in range(0, len(paths), NEIGHBOURS)]
    if len(paths) > MOST_READ:
        random.Random(0).shuffle(parts)
    read = 0
    for path in itertools.chain.from_iterable(parts):
        with suppress(DamagedRun):
            if key(workload_settings(read_description(path))) == wanted:
                yield read_run(path)
                read += 1
        if read == MOST_READ:
            return


def _pooled(summaries: Sequence[Summary]) -> tuple[float, int] | None:
    freedom = sum(summary.n - 1 for summary in summaries)
    if not freedom:
        return None
    squares = math.fsum((summary.n - 1) * (summary.deviation or 0.0) ** 2 for summary in summaries)
    return (math.sqrt(squares / freedom), len(summaries)) if squares else None
