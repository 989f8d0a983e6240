"""Runs of a range test: sweeps, then runs at fixed rates, more of them near the ends of the range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lrbench.data import Prepared
from lrbench.executors.plan import Task
from lrbench.metrics.objective import Objective
from lrbench.policies import Policy, parse_policy
from lrbench.runs.evaluations import Evaluation, of_trained_net
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments, ProgramWorkload
from lrbench.spec.snapshots import SnapshotSettings
from lrbench.tuning.range_test.fixed import FixedReading, read_fixed
from lrbench.tuning.range_test.plan import Plan, first_rates, further_rates, plan_for
from lrbench.tuning.range_test.result import TRAIN_LOSS, FixedRuns, RangeCost, RangeResult, Sweeps, curve_of
from lrbench.tuning.range_test.scale import AccuracyScale, Scale, Table, metric_scale
from lrbench.tuning.range_test.sweep import Column, SweepReading, read_sweeps
from lrbench.tuning.trial_runner import TrialRunner

SAVED_EVERY = "10 minutes"
FEW_IMAGES = 1000
"""Largest number of images that a range test evaluates on, since it evaluates often."""


def range_test(
    runner: TrialRunner, solver: SolverSettings | ProgramArguments | None = None, *, short: bool = False
) -> RangeResult:
    """Find the rates that are worth trying on a workload with one solver.

    All are ordinary runs in the folder of the experiment ``<name>-range``: done ones are found again, cut-off ones
    resume.

    Args:
        runner: evaluates on the data it has; ``runner.on_validation(home, most=FEW_IMAGES)`` keeps that cheap.
        solver: the spec's first by default; of a program its arguments.
        short: whether to find the rates of a search at a low cost; see ``plan_for``.

    Raises:
        SpecError: the bounds do not fit the solver.
        EngineFailed: a run failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    return _RangeTest(_of_range(runner), solver or runner.experiment.settings.solver[0], short).result()


def sweep_tasks(runner: TrialRunner, solver: SolverSettings | ProgramArguments) -> list[Task]:
    """Return the sweeps of a range test, one a seed, for the engine to check before anything is written.

    Raises:
        SpecError: the bounds do not fit the solver.
    """
    return _RangeTest(_of_range(runner), solver).sweeps()


def _of_range(runner: TrialRunner) -> TrialRunner:
    """The runner of a range test's runs, which evaluate often; a program does not save its state as often for that."""
    given = runner.experiment.settings.model_fields_set
    if isinstance(runner.experiment.workload, ProgramWorkload) and "snapshots" not in given:
        runner = runner.with_settings(snapshots=SnapshotSettings(every=SAVED_EVERY))
    return runner.with_suffix("range").with_stopping()


@dataclass
class _RangeTest:
    """One running range test."""

    runner: TrialRunner
    solver: SolverSettings | ProgramArguments
    short: bool = False
    plan: Plan = field(init=False)
    objective: Objective = field(init=False)
    _numbered: int = 0
    _done: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = plan_for(self.runner.experiment, self.solver, short=self.short)
        self.objective = self.runner.experiment.settings.objective.resolved

    def result(self) -> RangeResult:
        curves, interval, swept = self._run(self.sweeps()), self.plan.sweep_interval, self.plan.swept
        starts = range(0, swept, interval)
        rates = np.array([self.plan.swept_rate(start, min(start + interval, swept)) for start in starts])
        losses, values = (
            np.array([_column(rows, name, len(starts)) for rows in curves])
            for name in ("train_loss", self.objective.column)
        )
        told = bool(np.isfinite(losses).any())  # a program need not tell its training losses
        sweep = read_sweeps(rates, list(losses if told else -self.objective.sign * values))
        fixed, readings, scale = self._fixed(sweep, values)
        last = [evaluations[-1] for evaluations in map(self.runner.evaluations, self._done) if evaluations]
        cost = RangeCost(
            len(self._done),
            sum(row.iteration for row in last),
            math.fsum(row.train_seconds for row in last),
            math.fsum(row.evaluation_seconds for row in last),
        )
        return RangeResult(
            self.solver,
            self.plan,
            scale,
            self.runner.judged_on(task.folder for task in self._done),
            Sweeps(rates, losses, values),
            sweep,
            fixed,
            readings,
            cost,
            self.objective,
            TRAIN_LOSS if told else curve_of(self.objective),
            self.runner.declared(task.folder for task in self._done),
        )

    def sweeps(self) -> list[Task]:
        runner = self.runner.with_iterations(self.plan.swept, self.plan.sweep_interval)
        policy = parse_policy(f"EXP(k0={self.plan.low!r}, gamma={self.plan.growth!r})")
        return [self._task(runner, policy, seed) for seed in self.plan.seeds]

    def _fixed(self, sweep: SweepReading, swept: Table) -> tuple[FixedRuns, dict[int, FixedReading | None], Scale]:
        """Run at rates until both ends of the range are known, or no further rate is allowed."""
        lengths, seeds = self.plan.lengths, self.plan.seeds
        runner = self.runner.with_iterations(lengths[-1], lengths[0])
        found: dict[float, list[list[Evaluation]]] = {}
        wanted = first_rates(self.plan, sweep)
        while wanted:
            policies = [parse_policy(f"FIX(k0={rate!r})") for rate in wanted]
            rows = self._run([self._task(runner, policy, seed) for policy in policies for seed in seeds])
            found |= {rate: rows[index * len(seeds) :][: len(seeds)] for index, rate in enumerate(wanted)}
            rates = np.array(sorted(found))
            tables = {length: self._at(found, length // lengths[0]) for length in lengths}
            scales = {length: self._scale(swept, table) for length, table in tables.items()}
            readings = {length: read_fixed(rates, table, scales[length]) for length, table in tables.items()}
            wanted = further_rates(self.plan, tuple(found), readings[lengths[-1]])
        return FixedRuns(rates, tables), readings, scales[lengths[-1]]

    def _scale(self, swept: Table, values: Table) -> Scale:
        data = self.runner.data
        if self.objective.is_accuracy and isinstance(data, Prepared):
            return AccuracyScale(data.classes, data.test_count)
        return metric_scale(self.objective, swept, values)

    def _at(self, found: Mapping[float, list[list[Evaluation]]], count: int) -> Table:
        """The objective at the ``count``-th evaluation of each rate's runs, shape (seeds, rates).

        The rates rise; NaN where a run diverged.
        """
        name = self.objective.column
        runs_by_rate = [found[rate] for rate in sorted(found)]
        return np.array(
            [[_column(rows, name, max(count, len(rows)))[count - 1] for rows in runs] for runs in runs_by_rate]
        ).T

    def _task(self, runner: TrialRunner, policy: Policy, seed: int) -> Task:
        self._numbered += 1
        return runner.task(policy, seed, number=self._numbered, solver=self.solver)

    def _run(self, tasks: list[Task]) -> list[list[Evaluation]]:
        """Run all tasks; their evaluations, in order."""
        self.runner.run_all(tasks)
        self._done += tasks
        return [of_trained_net(self.runner.evaluations(task)) for task in tasks]


def _column(rows: list[Evaluation], name: str, points: int) -> Column:
    """A metric at each of the points, NaN after the last evaluation, and where it is not known."""
    values = np.full(points, np.nan)
    values[: len(rows)] = [row.metrics.get(name, math.nan) for row in rows]
    return values
