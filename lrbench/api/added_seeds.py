"""Runs of a spec that adds seeds: each policy is trained with more of them until the differences are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from lrbench.executors.dispatcher import Dispatcher, Outcome
from lrbench.executors.plan import Task
from lrbench.executors.prefixes import run_sharing
from lrbench.report.added_seeds import added_seeds_note, undecided
from lrbench.report.build import build_report
from lrbench.report.rows import RunRow, row_of_record
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import read_run
from lrbench.spec.seeds import AddedSeeds


def run_tasks(dispatcher: Dispatcher, tasks: Sequence[Task], tell: Callable[[str], None]) -> list[Outcome]:
    """Run the tasks; of a spec that adds seeds those that its policies need.

    Each policy is trained with the seeds up to the first look. At each look those of a pair that neither differs
    significantly nor is known well enough go on to the next; see ``lrbench.statistics.sequential``.

    Args:
        tell: called with a line after each look.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    seeds = tasks[0].experiment.settings.seeds
    if not isinstance(seeds, AddedSeeds):
        return run_sharing(dispatcher, tasks)
    outcomes: list[Outcome] = []
    rows: list[RunRow] = []
    wanted, metric = list(tasks), tasks[0].experiment.settings.objective.ranking
    for look in seeds.looks:
        done = {outcome.task.folder for outcome in outcomes}
        ended = run_sharing(dispatcher, [task for task in wanted if task.run.seed < look and task.folder not in done])
        outcomes += ended
        for outcome in ended:
            with suppress(DamagedRun):
                rows.append(row_of_record(read_run(outcome.task.folder)))
        undecided_folders = set()
        for table in build_report(rows, metric).workloads:
            tell(f"after {look} seeds: {added_seeds_note(table, metric, remedy='')}")
            undecided_folders |= {run.path for row in undecided(table, seeds.half_width) for run in row.runs}
        policies = {_policy(outcome.task) for outcome in outcomes if outcome.task.folder in undecided_folders}
        wanted = [task for task in tasks if _policy(task) in policies]
        if not wanted:
            break
    return outcomes


def _policy(task: Task) -> tuple[str, str]:
    """Return the key that all runs of a policy share; those of its other scales, for its robustness, have it too."""
    return task.run.policy.text, repr(task.run.solver.resolved())
