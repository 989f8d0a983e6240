"""Predictions for the policies of a spec: which are left to predict, and which stored runs are comparable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.comparable import workload_settings
from lrbench.errors import SpecError, UsageError
from lrbench.policies import Policy
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.families import families
from lrbench.predicting.predictor import Prediction, Predictor, fit_predictor
from lrbench.runs.description import RunDescription
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.program import ProgramWorkload
from lrbench.spec.workload import Workload

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
    solver, engine = _only_solver(experiment), experiment.settings.engine.name
    wanted, exact = _workload(experiment, data)

    def comparable(run: RunDescription) -> bool:
        own = workload_settings(run)
        kept = {name: value for name, value in run.solver.items() if name != "lr_scale"}
        return kept == solver and run.engine.get("name") == engine and all(own[name] == wanted[name] for name in exact)

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


def _workload(experiment: Experiment, data: Data | None) -> tuple[dict[str, object], tuple[str, ...]]:
    """The settings to compare, and their names."""
    workload = experiment.workload
    if isinstance(workload, ProgramWorkload) or data is not None:
        assert data is not None
        run = _Described(experiment.describe_workload(data))
        return workload_settings(run), ("net", "dataset", "batch_size")
    assert isinstance(workload, Workload)
    named: dict[str, object] = {
        "net": workload.net_sha256,
        "dataset_name": workload.dataset,
        "batch_size": workload.batch_size,
    }
    return named, tuple(named)


@dataclass(frozen=True)
class _Described:
    """A workload without a run."""

    workload: dict[str, object]
    policy: str = ""

    @property
    def solver(self) -> dict[str, object]:
        return {}

    @property
    def engine(self) -> dict[str, object]:
        return {}


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
    found = predictor.predict([_schedule(policy, length) for policy in left if not policy.closed_loop])
    measured = tuple(policy.text for policy in policies if policy not in left)
    return PredictResult(experiment.name, loss, predictor, (*found, *closed), measured)


def _schedule(policy: Policy, length: int) -> Schedule:
    return Schedule(policy.text, policy.rates(np.arange(length), length))
