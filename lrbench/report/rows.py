"""A run as a row: its settings, its outcome, and every metric by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import path_text
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, Target
from lrbench.metrics.registry import METRICS, all_metrics
from lrbench.metrics.run import target_budgets
from lrbench.runs.records import RunRecord
from lrbench.statistics.sequential import SeedPlan

Columns = Mapping[str, NDArray[np.float64]]

CUT_OFF = "cut off"
STATUSES = ("finished", "stopped", "diverged", "running", "pending", CUT_OFF, "failed")
UNDER_WAY = frozenset({"running", "pending", CUT_OFF})


@dataclass(frozen=True, eq=False)
class RunRow:
    """One run.

    Attributes:
        path: the run's folder, or the log that it was read from.
        seed: None where it is not known, as in a log of a training without a fixed seed.
        solver, engine, workload: as in run.json.
        status: one of STATUSES; ``cut off`` is a run that says it is running, while no process holds it, and one that
            ended, but of which not all evaluations can be read.
        target: the accuracy to reach, a fraction, or a target on another metric; None where there is none.
        objective: what its spec judges runs by; None where it is not known.
        scales: the robustness scales that its experiment asks for.
        evaluations: columns by name.
        metrics: metrics of the run and of its last evaluation; None where not reached or unknown.
        conditions: run.json's ``machine`` and ``threads``, on which only times and memory depend.
        stopping: run.json's rules for ending early; empty where it names none.
        facts: what a program declares, as in run.json.
        rates: version of the count of lengths that are not whole, as in run.json; None where all are whole or it is
            unknown.
        taken_over: iterations taken over from another run, which had the same seed and the same rates up to there.
        seed_plan: of a spec that adds seeds.
        place: machine and GPU that train the run; empty where it is not in training, or unknown.
    """

    path: Path
    run_id: str
    experiment: str
    policy: str
    function: str
    lr_scale: float
    seed: int | None
    solver: Mapping[str, Any]
    engine: Mapping[str, Any]
    workload: Mapping[str, Any]
    status: str
    reason: str | None
    iteration: int
    target: AnyTarget | None
    scales: tuple[float, ...]
    evaluations: Columns
    metrics: Mapping[str, float | None]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    stopping: Mapping[str, Any] = field(default_factory=dict)
    objective: Objective | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rates: int | None = None
    taken_over: int = 0
    seed_plan: SeedPlan | None = None
    place: str = ""

    @property
    def target_budgets(self) -> Mapping[str, float | None]:
        """Times that a missed target counts as, by metric; see ``lrbench.metrics.run.target_budgets``."""
        iterations = self.workload.get("iterations")  # not known of a log without a solver
        return target_budgets(self.evaluations, iterations if isinstance(iterations, int) and iterations > 0 else None)

    @property
    def where(self) -> str:
        """Path as text."""
        return path_text(self.path)

    def judged_by(self, target: AnyTarget | None) -> RunRow:
        """Return the run with another target."""
        if target == self.target:
            return self
        return replace(self, target=target, metrics=all_metrics(self.evaluations, target, self.objective or ACCURACY))


def row_of_record(record: RunRecord, target: AnyTarget | None = None) -> RunRow:
    """Return the row of a run directory; a target given here overrides the run's own.

    A run whose evaluations are damaged counts as cut off: those that are left are not its outcome.
    """
    run, status = record.run, record.status
    damaged = record.problem is not None and status.completed
    objective = Objective.parse(run.objective)
    goal = (Target.parse(run.target) or run.target_accuracy) if target is None else target
    state, reason, iteration = _outcome(record, objective)
    return RunRow(
        path=record.path,
        run_id=run.run_id,
        experiment=run.experiment,
        policy=run.policy,
        function=run.function,
        lr_scale=float(run.lr_scale),
        seed=run.seed,
        solver=run.solver,
        engine=run.engine,
        workload=run.workload,
        status=CUT_OFF if record.cut_off or damaged else state,
        reason=record.problem or reason,
        iteration=iteration,
        target=goal,
        scales=run.robustness_scales,
        evaluations=record.evaluations,
        metrics=all_metrics(record.evaluations, goal, objective or ACCURACY),
        conditions={"machine": run.machine, "threads": run.threads},
        stopping=run.stopping,
        objective=objective,
        facts=run.facts,
        taken_over=0 if run.branch is None else run.branch.iteration,
        rates=run.counting,
        seed_plan=SeedPlan(run.added_seeds["until"], tuple(run.added_seeds["looks"])) if run.added_seeds else None,
        place=status.place,
    )


def _outcome(record: RunRecord, objective: Objective | None) -> tuple[str, str | None, int]:
    """Return status, reason and iteration: a completed run whose objective was not finite diverged there.

    A metric that LRBench computes from a net's outputs may be unknown at an evaluation for other reasons.
    """
    status = record.status
    metric = None if objective is None else METRICS.get(objective.column)
    if objective is not None and status.completed and (metric is None or metric.of_losses):
        values = record.evaluations.get(objective.column, np.array([]))
        wrong = record.evaluations["iteration"][~np.isfinite(values)] if len(values) else values
        wrong = wrong[wrong > 0]
        if len(wrong):
            at = int(wrong[0])
            return "diverged", f"{objective.metric} is not finite at iteration {at}", at
    return status.status, status.reason, status.iteration
