"""A training log of Caffe that LRBench did not produce, as a run.

Its policy is written back from the solver settings that the log begins with, unless the rates that it displays are
others: then something set them while Caffe trained. Its net is the one that Caffe repeats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog
from lrbench.errors import PolicyError
from lrbench.metrics.run import all_metrics
from lrbench.nets.caffe_pb2 import NetParameter, SolverParameter
from lrbench.policies import Policy, policy_from_mapping
from lrbench.report.caffe_evaluations import evaluations_of_log
from lrbench.report.rows import CUT_OFF, RunRow
from lrbench.report.untrusted import path_text

DISPLAY_TOLERANCE = 1e-3

_SOLVER_FIELDS = (
    "momentum", "momentum2", "delta", "rms_decay", "weight_decay", "regularization_type", "clip_gradients", "iter_size",
)


def row_of_log(path: Path, log: CaffeLog, target: float | None = None) -> RunRow:
    """The row of a log that ``read_log`` read."""
    solver = log.solver or SolverParameter()
    policy, function, followed = _policy(log, solver)
    evaluations = evaluations_of_log(log, followed)
    status, reason = _outcome(log, evaluations["test_loss"])
    return RunRow(
        path=path,
        run_id=path_text(Path(path.name)),
        experiment="",
        policy=policy,
        function=function,
        lr_scale=1.0,
        seed=int(solver.random_seed) if solver.random_seed >= 0 else None,
        solver=_solver_settings(solver),
        engine={"name": "caffe", "driver": "log", "device": "gpu" if solver.solver_mode == solver.GPU else "cpu"},
        workload=_workload(log, solver),
        status=status,
        reason=reason,
        iteration=log.iteration,
        target=target,
        scales=(),
        evaluations=evaluations,
        metrics=all_metrics(evaluations, target),
    )


_PARAMETERS: dict[str, tuple[str, Callable[[SolverParameter], dict[str, Any]]]] = {
    "fixed": ("FIX", lambda s: {}),
    "step": ("STEP", lambda s: {"gamma": _short(s.gamma), "l": s.stepsize}),
    "multistep": ("NSTEP", lambda s: {"gamma": _short(s.gamma), "l": list(s.stepvalue)}),
    "exp": ("EXP", lambda s: {"gamma": _short(s.gamma)}),
    "inv": ("INV", lambda s: {"gamma": _short(s.gamma), "p": _short(s.power)}),
    "poly": ("POLY", lambda s: {"p": _short(s.power)}),  # without l: its length is the run's, max_iter
    "sigmoid": ("SIG", lambda s: {"gamma": _short(s.gamma), "l": s.stepsize}),
}


def policy_of_solver(solver: SolverParameter) -> tuple[str, str, Policy | None]:
    """The text and the LR function of Caffe's own policy, and the policy.

    Where LRBench has none for it, the text is in Caffe's words and the policy None.
    """
    if solver.lr_policy not in _PARAMETERS:
        return f"Caffe's {solver.lr_policy or 'unknown policy'}, base_lr {_short(solver.base_lr):g}", "unknown", None
    function, parameters = _PARAMETERS[solver.lr_policy]
    values = {"k0": _short(solver.base_lr), **parameters(solver)}
    try:
        policy = policy_from_mapping({"function": function, **values})
    except PolicyError:  # Caffe runs some that LRBench refuses, such as boundaries out of order
        return f"{function}({', '.join(f'{name}={value}' for name, value in values.items())})", function, None
    return policy.text, function, policy


def _policy(log: CaffeLog, solver: SolverParameter) -> tuple[str, str, Policy | None]:
    """As ``policy_of_solver``, but what the log displays goes before what the solver was told."""
    text, function, policy = policy_of_solver(solver)
    shown = [(display.iteration, display.rate) for display in log.displays if display.rate is not None]
    if policy is None or not shown:
        return text, function, policy
    t, rates = (np.array(column, dtype=np.float64) for column in zip(*shown, strict=True))
    own = policy.rates(t, max(1, solver.max_iter))
    # Caffe computes in float32, in which powers drift with t and a small difference of large numbers loses digits.
    tolerance = (DISPLAY_TOLERANCE + t * np.finfo(np.float32).eps) * np.abs(own) + 1e-6 * abs(solver.base_lr)
    if (np.abs(rates - own) <= tolerance).all():
        return text, function, policy
    # Only logs with the same rates are of the same policy.
    digest = hashlib.sha256(t.tobytes() + rates.tobytes()).hexdigest()[:8]
    text = f"rates from {rates.min():g} to {rates.max():g} as displayed, not those of Caffe's {solver.lr_policy}"
    return f"{text} [{digest}]", "unknown", None


def _short(value: float) -> float:
    """The shortest number that is this float32: 0.01, not 0.009999999776482582."""
    return float(str(np.float32(value)))


def _solver_settings(solver: SolverParameter) -> dict[str, Any]:
    # Before 2015 the type was a number, which the log still names.
    old = solver.HasField("solver_type")
    kind = SolverParameter.SolverType.Name(solver.solver_type) if old else solver.type or "SGD"
    settings: dict[str, Any] = {"type": kind}
    for name in _SOLVER_FIELDS:
        if solver.HasField(name):
            value = getattr(solver, name)
            settings[name] = _short(value) if isinstance(value, float) else value
    return settings


def _workload(log: CaffeLog, solver: SolverParameter) -> dict[str, Any]:
    net = NetParameter()
    try:
        text_format.Parse(log.net_texts[0] if log.net_texts else "", net, allow_unknown_field=True)
    except text_format.ParseError:
        net = NetParameter()
    data = next((layer.data_param for layer in net.layer if layer.HasField("data_param")), None)
    digest = hashlib.sha256("\n".join(log.net_texts).encode(errors="replace")).hexdigest()
    return {
        "net": {"name": net.name or None, "sha256": digest},
        "dataset": {"label": data.source.rstrip("/").rpartition("/")[2] if data else None},
        "batch_size": int(data.batch_size) if data else None,
        "iterations": int(solver.max_iter),
        "test_interval": int(solver.test_interval),
    }


def _outcome(log: CaffeLog, test_loss: NDArray[np.float64]) -> tuple[str, str | None]:
    if log.fatal:
        return "failed", log.fatal
    if not np.isfinite([shown.loss for shown in log.displays[-1:]]).all():
        return "diverged", f"the training loss is not finite at iteration {log.displays[-1].iteration}"
    if np.isfinite(test_loss).any() and not np.isfinite(test_loss[-1]):  # never finite: the test net has no loss
        return "diverged", "the test loss is not finite"
    if log.finished:
        return "finished", None
    if log.stopped:
        return "stopped", "Caffe was asked to stop early"
    return CUT_OFF, "the log ends before the training does"
