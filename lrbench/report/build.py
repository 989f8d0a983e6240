"""Puts a report together: a table for each workload, its policies ranked and compared with the best of them."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lrbench.comparable import engine_settings, key, workload_settings
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective
from lrbench.metrics.registry import DEFAULT_RANKING, METRICS, Metric
from lrbench.metrics.summary import RankKey, rank_key
from lrbench.report.labels import engine_name, labels, solver_name, workload_name
from lrbench.report.policies import PolicyRow, planned_looks, policy_rows, without_earlier_rates, without_repeats
from lrbench.report.rows import RunRow
from lrbench.runs.declarations import program_name, program_notes
from lrbench.statistics.all_pairs import AllPairs, all_pairs, testable
from lrbench.statistics.sequential import SeedPlan
from lrbench.statistics.verdicts import Comparison, compare


@dataclass(frozen=True, eq=False)
class FunctionRow:
    """The best and the worst policy of one LR function, the same one where it has only one.

    A policy whose every run ended without a value, such as one that diverged at once, is its worst.
    """

    function: str
    policies: int
    best: PolicyRow
    worst: PolicyRow


@dataclass(frozen=True, eq=False)
class WorkloadTable:
    """The policies of one workload: the ranked ones first, then the provisional ones, then those without a value.

    Attributes:
        metric: what the policies are ranked by.
        targets: the targets that its runs name, and how many name each. All of them are held to it where
            it is one; means over different ones would mean nothing, so that otherwise none is held to any.
    """

    label: str
    policies: tuple[PolicyRow, ...]
    metric: Metric
    targets: Mapping[AnyTarget, int] = field(default_factory=dict)

    @property
    def target(self) -> AnyTarget | None:
        """The target: an accuracy, or of another metric; None where the runs name none or different ones."""
        return next(iter(self.targets)) if len(self.targets) == 1 else None

    @property
    def soon(self) -> Metric:
        """The metric of how soon a policy is good: the iterations to the target, without one to the best value."""
        return METRICS["iterations_to_best" if self.target is None else "iterations_to_target"]

    @property
    def objective(self) -> Objective:
        """Objective of the runs: that of their specs where they agree, else the accuracy."""
        objectives = {row.objective for row in self.policies}
        return objectives.pop() if len(objectives) == 1 else ACCURACY

    @property
    def runs(self) -> list[RunRow]:
        """Every run, those with scaled rates included."""
        return [run for row in self.policies for run in (*row.runs, *row.scaled)]

    @property
    def is_program(self) -> bool:
        """Whether the runs are of a program of the user's own."""
        return any(program_name(run.workload) is not None for run in self.runs)

    @property
    def program_notes(self) -> list[str]:
        """Sentences on what a program declares; see ``lrbench.runs.declarations``."""
        return program_notes(self.runs)

    @property
    def equal_seeds(self) -> list[str]:
        """Names of the policies whose seeds change nothing."""
        return [self.name(row) for row in self.policies if row.equal_seeds]

    @property
    def solver_title(self) -> str:
        """Title of the column that tells solvers apart: a program has arguments in their place."""
        return "arguments" if self.is_program else "solver"

    def measures(self, column: str) -> bool:
        """Whether a run has a value of a metric of evaluations."""
        return any(np.isfinite(run.evaluations[column]).any() for run in self.runs if column in run.evaluations)

    @property
    def has_accuracy(self) -> bool:
        """Whether a run gives an accuracy, or none gives anything yet."""
        runs = [run for run in self.runs if len(run.evaluations) > 1]
        return not runs or any(ACCURACY.column in run.evaluations for run in runs)

    @property
    def several_solvers(self) -> bool:
        """Whether a policy alone does not say which row is meant, as solvers differ."""
        return len({row.solver for row in self.policies}) > 1

    @property
    def several_engines(self) -> bool:
        """Whether a policy alone does not say which row is meant, as engines differ."""
        return len({row.engine for row in self.policies}) > 1

    @cached_property
    def tests(self) -> AllPairs | None:
        """Tests of the ranked policies in all pairs; None where nothing was tested."""
        return all_pairs([row.tested(self.metric) for row in self.tested], planned_looks(self.tested))

    @cached_property
    def tested(self) -> list[PolicyRow]:
        """The ranked policies whose means are tested."""
        ranked = [row for row in self.policies if row.rank is not None and row.comparison is not None]
        return [row for row in _sure(ranked, self.metric) if testable(row.tested(self.metric))]

    @property
    def seed_plan(self) -> SeedPlan | None:
        """Plan of adding seeds with the most looks; None where no spec of the runs adds seeds."""
        plans = [row.seed_plan for row in self.policies if row.seed_plan is not None]
        return max(plans, key=lambda plan: len(plan.looks), default=None)

    def identity(self, row: PolicyRow) -> list[str]:
        """The policy, and its solver and engine where they do not go without saying."""
        parts = [row.policy]
        parts += [row.solver] if self.several_solvers else []
        parts += [row.engine] if self.several_engines else []
        return parts

    def name(self, row: PolicyRow) -> str:
        """Return ``identity`` in one line."""
        return ", ".join(self.identity(row))

    def functions(self) -> list[FunctionRow]:
        """The best and worst of each LR function, in the order of the best ones."""
        groups: dict[str, list[PolicyRow]] = {}
        for row in self.policies:
            if not row.provisional:
                groups.setdefault(row.function, []).append(row)
        return [FunctionRow(function, len(rows), rows[0], rows[-1]) for function, rows in groups.items()]


@dataclass(frozen=True, eq=False)
class Report:
    """All that there is to show.

    Attributes:
        metric: what the policies are ranked by, where that is one metric for all workloads; else the default.
        paths: what the report was asked for.
        runs: every run, repeats of a seed included.
        workloads: a table each, in the order of their labels.
        repeats: runs that are not counted, since another one has the same policy, solver, engine, workload and seed, or
            since their rates are of an earlier count of cycles and there are runs with today's.
        problems: what could not be read, a line each.
        notes: what was read otherwise, or less of it, than might be thought, a line each.
    """

    metric: Metric
    paths: tuple[Path, ...]
    runs: tuple[RunRow, ...]
    workloads: tuple[WorkloadTable, ...]
    repeats: tuple[RunRow, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def program_notes(self) -> list[str]:
        """Sentences on what its programs declare; see ``lrbench.runs.declarations``."""
        return program_notes(self.runs)


def build_report(
    runs: Sequence[RunRow], metric: Metric | None, paths: Sequence[Path] = (), problems: Sequence[str] = ()
) -> Report:
    """Group the runs by workload and policy, rank each group by a metric, and compare with its best.

    Args:
        metric: ranks the policies; None: the objective of a workload's specs where they agree, else the accuracy at the
            end of a run, with a note.
    """
    workloads: dict[bytes, list[RunRow]] = {}
    for run in runs:
        workloads.setdefault(key(workload_settings(run)), []).append(run)
    names = labels(map(workload_settings, runs), workload_name)
    solvers = labels((run.solver for run in runs), solver_name)
    engines = labels(map(engine_settings, runs), engine_name)
    tables, repeats, notes = [], list[RunRow](), list[str]()
    for identity, members in workloads.items():
        counted, replaced = without_earlier_rates(members)
        kept, repeated = without_repeats(counted)
        repeats += [*replaced, *repeated]
        targets = collections.Counter(run.target for run in kept if run.target is not None)
        objectives = {run.objective for run in members if run.objective is not None}
        ranking = metric or (objectives.pop().ranking if len(objectives) == 1 else METRICS[DEFAULT_RANKING])
        if metric is None and len(objectives) > 1:
            named = " and ".join(sorted(objective.ranking.name for objective in objectives))
            notes.append(
                f"the specs rank by different metrics, {named}: ranked by {DEFAULT_RANKING}; choose another with --sort"
            )
        table = WorkloadTable(names[identity], (), ranking, targets)
        judged = [run.judged_by(table.target) for run in kept]
        tables.append(replace(table, policies=ranked(policy_rows(judged, solvers, engines), ranking)))
    tables.sort(key=lambda table: table.label)
    common = {table.metric.name: table.metric for table in tables}
    chosen = metric or (next(iter(common.values())) if len(common) == 1 else METRICS[DEFAULT_RANKING])
    shown = (tuple(runs), tuple(tables), tuple(repeats), tuple(problems), tuple(dict.fromkeys(notes)))
    return Report(chosen, tuple(paths), *shown)


def ranked(rows: Sequence[PolicyRow], metric: Metric) -> tuple[PolicyRow, ...]:
    """Return the rows from best to worst; last, without a rank, the provisional ones and those without a value.

    The order is that of ``standing``; where it is equal the rank is shared.
    """

    def place(row: PolicyRow) -> tuple[bool, bool, RankKey, str, str, str]:
        unknown = row.summaries[metric.name].mean is None
        return (unknown, row.provisional, standing(row, metric), row.policy, row.solver, row.engine)

    ordered = sorted(rows, key=place)
    final = [row for row in ordered if not row.provisional and row.summaries[metric.name].mean is not None]
    standings = [standing(row, metric) for row in final]
    comparisons = _comparisons(final, metric)
    placed = [
        replace(row, rank=1 + standings.index(own), comparison=comparison)
        for row, own, comparison in zip(final, standings, comparisons, strict=True)
    ]
    return (*placed, *(row for row in ordered if row not in final))


def standing(row: PolicyRow, metric: Metric) -> RankKey:
    """Sort key of a row; see ``rank_key``."""
    return rank_key(row.summaries[metric.name], row.diverged / max(1, len(row.runs)), metric)


def _comparisons(final: Sequence[PolicyRow], metric: Metric) -> list[Comparison | None]:
    if metric.name == "lr_scale_robustness":  # one number a policy: nothing to test
        return [None] * len(final)
    sure = _sure(final, metric)
    tested = compare([row.tested(metric) for row in sure], planned_looks(sure))
    return [*tested, *(Comparison("diverged" if row.diverged else "missed") for row in final[len(sure) :])]


def _sure(final: Iterable[PolicyRow], metric: Metric) -> list[PolicyRow]:
    """Return the policies of which no run diverged or missed the target: the first of a ranking."""
    return [row for row in final if not row.diverged and not row.missed(metric)]
