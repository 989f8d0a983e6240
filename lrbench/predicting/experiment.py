"""Predictions for the policies of a spec: which are left to predict, and which stored runs are comparable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrbench.errors import SpecError, UsageError
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.families import families
from lrbench.predicting.predictor import Prediction, Predictor, fit_predictor
from lrbench.runs.description import RunDescription
from lrbench.spec.experiment import Data, Experiment

REACTS = "its rates depend on the evaluations of a run"


@dataclass(frozen=True)
class PredictResult:
    """Predictions for an experiment.

    Attributes:
        name: of the experiment.
        loss: name of the predicted metric.
        measured: the spec's policies that are among the fitted curves.
    """

    name: str
    loss: str
    predictor: Predictor
    predictions: tuple[Prediction, ...]
    measured: tuple[str, ...]


def comparable_with(experiment: Experiment, data: Data | None) -> Callable[[RunDescription], bool]:
    """Return whether a run has the spec's net or program, data set, batch size, solver and engine.

    Args:
        data: the data set, compared by content; None where it is not at hand: by name.

    Raises:
        SpecError: the spec has several solvers.
    """
    solver, engine, workload = _only_solver(experiment), experiment.settings.engine.name, _workload(experiment, data)

    def comparable(run: RunDescription) -> bool:
        kept = {name: value for name, value in run.solver.items() if name != "lr_scale"}
        own = _settings(run.workload, workload.keys())
        return kept == solver and run.engine.get("name") == engine and own == workload

    return comparable


def _only_solver(experiment: Experiment) -> dict[str, object]:
    solvers = experiment.settings.solver
    if len(solvers) != 1:
        raise SpecError(
            f"the spec has {len(solvers)} solvers, but a prediction is for one",
            where=experiment.document.where(("solver",)),
            remedy="choose one, such as by --set solver.type=SGD",
        )
    return {name: value for name, value in solvers[0].resolved().items() if name != "lr_scale"}


def _workload(experiment: Experiment, data: Data | None) -> dict[str, object]:
    """Net or program, data set and batch size; the data set by its name where it is not at hand."""
    if data is not None:
        return _settings(
            experiment.describe_workload(data), ("net", "program", "program split", "dataset", "batch_size")
        )
    workload = experiment.net_workload
    return {"net": workload.net_sha256, "dataset name": workload.dataset, "batch_size": workload.batch_size}


def _settings(workload: Mapping[str, Any], names: Collection[str]) -> dict[str, object]:
    """Settings of a workload as run.json describes it; nets, programs and data sets by their content."""
    found: dict[str, object] = {}
    for name in names:
        value = workload.get(name.partition(" ")[0])
        part = name.partition(" ")[2] or "sha256"
        found[name] = value.get(part) if isinstance(value, Mapping) else value
    return found


def predict_experiment(experiment: Experiment, curves: Sequence[Curve], loss: str, *, grid: bool) -> PredictResult:
    """Predict the spec's policies that are not among the curves.

    Args:
        grid: whether to predict policies of named families at the fitted peak rates, too.

    Raises:
        UsageError: there is nothing to predict, or the curves cannot be fitted.
    """
    length = experiment.workload.iterations
    known = {(curve.name, curve.schedule.length) for curve in curves}
    offered = families(curves, length) if grid else []
    policies = dict.fromkeys([*(run.effective_policy for run in experiment.runs), *offered])
    left = [policy for policy in policies if (policy.text, length) not in known]
    if not left:
        raise UsageError(
            "every policy of the spec has been run, so that there is nothing to predict",
            where=experiment.document.where(("policies",)),
            remedy="add policies to the spec, or --grid",
        )
    predictor = fit_predictor(curves)
    closed = [Prediction(Schedule(policy.text, np.empty(0)), refused=REACTS) for policy in left if policy.closed_loop]
    schedules = [Schedule(policy.text, policy.schedule(length)) for policy in left if not policy.closed_loop]
    found = predictor.predict(schedules)
    measured = tuple(policy.text for policy in policies if policy not in left)
    return PredictResult(experiment.name, loss, predictor, (*found, *closed), measured)
