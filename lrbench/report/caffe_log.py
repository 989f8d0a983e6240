"""A training log of Caffe that LRBench did not produce, as a run.

The policy is written back from the solver settings that the log begins with, unless the log displays other rates: then
something set them while Caffe trained. The net is the one that Caffe repeats.

The evaluations are the passes over the first test net. ``train_loss`` is the mean of the losses displayed since the
pass before, as a log has no others. ``learning_rate`` is that of the last iteration before the pass, from the policy
where it is known, else as last displayed. Seconds are the log's own: evaluation is the time the passes took, training
all other time from the first iteration on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog
from lrbench.engines.caffe.schedule import RUN_LENGTH, field_value, is_list, native_form
from lrbench.errors import PolicyError, path_text
from lrbench.metrics.objective import AnyTarget
from lrbench.metrics.registry import all_metrics
from lrbench.nets.caffe_pb2 import NetParameter, SolverParameter
from lrbench.nets.text import merge_whole_fields
from lrbench.policies import Policy, policy_from_mapping
from lrbench.report.caffe_outputs import Readings, read_outputs
from lrbench.report.rows import CUT_OFF, Columns, RunRow
from lrbench.runs.evaluations import in_order
from lrbench.spec.solver_types import SOLVER_FIELDS

Column = NDArray[np.float64]

DISPLAY_TOLERANCE = 1e-3
COMPARED_BYTES = 29_800  # of a net; glog writes some more of one that it cuts


def row_of_log(path: Path, log: CaffeLog, target: AnyTarget | None = None) -> RunRow:
    """Return the row of a log that ``read_log`` read."""
    solver = log.solver or SolverParameter()
    policy, function, followed = _policy(path, log, solver)
    readings = read_outputs(log)
    evaluations = evaluations_of_log(log, followed, readings)
    status, reason = _outcome(log, readings)
    device = None
    if log.solver is not None and (log.solver_whole or solver.HasField("solver_mode")):
        device = "gpu" if solver.solver_mode == SolverParameter.GPU else "cpu"  # a GPU is Caffe's default
    return RunRow(
        path=path,
        run_id=path_text(Path(path.name)),
        experiment="",
        policy=policy,
        function=function,
        lr_scale=1.0,
        seed=int(solver.random_seed) if solver.random_seed >= 0 else None,
        solver=_solver_settings(log),
        engine={"name": "caffe", "driver": "log", "device": device},
        workload=_workload(log, solver),
        status=status,
        reason=reason,
        iteration=log.iteration,
        target=target,
        scales=(),
        evaluations=evaluations,
        metrics=all_metrics(evaluations, target),
    )


def notes_of_log(log: CaffeLog) -> list[str]:
    """Return a sentence for each part of the log that is incomplete."""
    notes = {
        "its solver settings are incomplete: what is missing is unknown": not log.solver_whole,
        "its net is cut where Caffe's logger ends a message, at 30,000 bytes: only the layers before that count": (
            not log.nets_whole
        ),
        "its test scores have no names, as in Caffe until 2014: which is the accuracy is unknown": log.unnamed_scores,
    }
    return [note for note, holds in notes.items() if holds]


def policy_of_solver(solver: SolverParameter) -> tuple[str, str, Policy | None]:
    """Return the text, the LR function and the policy of Caffe's own policy.

    Where LRBench has none for it, the text is in Caffe's words and the policy None.
    """
    native = native_form(solver.lr_policy)
    if native is None:
        rate = f", base_lr {field_value(solver, 'base_lr'):g}" if solver.HasField("base_lr") else ""
        return f"Caffe's {solver.lr_policy or 'unknown policy'}{rate}", "unknown", None
    function, form = native[0].name, native[1]
    # The length that is the run's is left to the run.
    values = {name: field_value(solver, field) for name, field in form.fields.items() if field != RUN_LENGTH}
    try:
        policy = policy_from_mapping({"function": function, **values})
    except PolicyError:  # Caffe runs some that LRBench refuses, such as boundaries out of order
        return f"{function}({', '.join(f'{name}={value}' for name, value in values.items())})", function, None
    return policy.text, function, policy


def _policy(path: Path, log: CaffeLog, solver: SolverParameter) -> tuple[str, str, Policy | None]:
    """Return what ``policy_of_solver`` does, unless the log displays other rates.

    An unknown policy is named by the rates displayed, or by its log where there are none: two of them are not seeds of
    one policy.
    """
    rated = log.displays.rated
    t, rates = log.displays.iterations[rated], log.displays.rates[rated]
    text, function, policy = policy_of_solver(solver)
    if not _is_known(log, solver):
        if not len(t):
            return text if log.fatal or not log.tests else f"{text}, in {path_text(path)}", "unknown", None
        kind = f"a policy {solver.lr_policy}" if solver.lr_policy else "an unknown policy"
        return _as_displayed(t, rates, f"of {kind}"), "unknown", None
    if policy is None or _follows(policy, solver, t, rates):
        return text, function, policy
    return _as_displayed(t, rates, f"not those of Caffe's {solver.lr_policy}"), "unknown", None


def _follows(policy: Policy, solver: SolverParameter, t: NDArray[np.int64], rates: NDArray[np.float64]) -> bool:
    """Whether the rates displayed are the policy's, as far as Caffe computes them."""
    for start in range(0, len(t), 1 << 16):  # a million at once would take more memory than their log
        some = t[start : start + (1 << 16)].astype(np.float64)
        own = policy.rates(some, max(1, solver.max_iter))
        # Caffe computes in float32, in which powers drift with t and a small difference of large numbers loses digits.
        tolerance = (DISPLAY_TOLERANCE + some * np.finfo(np.float32).eps) * np.abs(own) + 1e-6 * abs(solver.base_lr)
        if not (np.abs(rates[start : start + (1 << 16)] - own) <= tolerance).all():
            return False
    return True


def _is_known(log: CaffeLog, solver: SolverParameter) -> bool:
    """Whether Caffe has such a policy, and the log all of its settings."""
    native = native_form(solver.lr_policy)
    if native is None or log.solver_whole:
        return native is not None
    # How many more boundaries a multistep policy has cannot be seen.
    fields = set(native[1].fields.values()) - {RUN_LENGTH}
    return not any(is_list(field) or not solver.HasField(field) for field in fields)


def _as_displayed(t: NDArray[np.int64], rates: NDArray[np.float64], whose: str) -> str:
    # Only logs with the same rates are of the same policy.
    digest = hashlib.sha256(t.astype(np.float64).data)
    digest.update(rates.data)
    low, high = f"{rates.min():g}", f"{rates.max():g}"
    shown = f"rate {low}" if low == high else f"rates from {low} to {high}"
    return f"{shown} as displayed, {whose} [{digest.hexdigest()[:8]}]"


def _solver_settings(log: CaffeLog) -> dict[str, Any]:
    solver = log.solver
    if solver is None:
        return {}
    settings: dict[str, Any] = {}
    if solver.HasField("solver_type"):  # before 2015 the type was a number, which the log still names
        settings["type"] = SolverParameter.SolverType.Name(solver.solver_type)
    elif solver.HasField("type") or log.solver_whole:
        settings["type"] = solver.type or "SGD"
    return settings | {name: field_value(solver, name) for name in SOLVER_FIELDS if solver.HasField(name)}


def _workload(log: CaffeLog, solver: SolverParameter) -> dict[str, Any]:
    net = NetParameter()
    if log.net_texts:
        merge_whole_fields(log.net_texts[0], net)
    data = next((layer.data_param for layer in net.layer if layer.HasField("data_param")), None)
    # How much of a long net glog writes depends on how long the stamp before it is.
    texts = [text.encode(errors="replace")[:COMPARED_BYTES] for text in log.net_texts]
    return {
        "net": {"name": net.name or None, "sha256": hashlib.sha256(b"\n".join(texts)).hexdigest() if texts else None},
        "dataset": {"label": data.source.rstrip("/").rpartition("/")[2] if data else None},
        "batch_size": int(data.batch_size) if data else None,
        "iterations": int(solver.max_iter) if solver.HasField("max_iter") else None,
        "test_interval": int(solver.test_interval) if solver.HasField("test_interval") else None,
    }


def _outcome(log: CaffeLog, readings: Readings) -> tuple[str, str | None]:
    if log.fatal:
        return "failed", log.fatal
    if not np.isfinite(log.displays.losses[-1:]).all():
        return "diverged", f"the training loss is not finite at iteration {log.displays[-1].iteration}"
    if readings.reason is not None:
        return "diverged", readings.reason
    if log.finished:
        return "finished", None
    if log.stopped:
        return "stopped", "Caffe was asked to stop early"
    return CUT_OFF, "the log ends before the training does"


def evaluations_of_log(log: CaffeLog, policy: Policy | None = None, readings: Readings | None = None) -> Columns:
    """Return columns by name, in the order of iterations; of a repeated iteration the later pass counts.

    Args:
        policy: the policy that the training followed, None where it is unknown.
        readings: the result of ``read_outputs`` for the log, if it is there already.
    """
    readings = readings or read_outputs(log)
    iterations = log.tests.iterations[readings.passes].astype(np.float64)
    train_loss, displayed = _since_the_last(log, iterations)
    train_loss[readings.diverged] = np.nan
    rate = displayed
    if policy is not None:
        known, rate = iterations > 0, np.full(len(iterations), np.nan)
        rate[known] = policy.rates(iterations[known] - 1, max(1, log.solver.max_iter if log.solver else 0))
    train_seconds, evaluation_seconds = _seconds(log, readings.passes)
    return {
        "iteration": iterations,
        "learning_rate": rate,
        "train_loss": train_loss,
        "test_loss": readings.loss,
        "accuracy_top1": readings.accuracy,
        "accuracy_top5": readings.top5,
        "loss_difference": readings.loss - train_loss,
        "train_seconds": train_seconds,
        "evaluation_seconds": evaluation_seconds,
    }


def _since_the_last(log: CaffeLog, iterations: Column) -> tuple[Column, Column]:
    """Return the mean loss and the last rate displayed between each pass and the one before."""
    displays = log.displays
    shown = in_order(
        {"iteration": displays.iterations.astype(np.float64), "loss": displays.losses, "rate": displays.rates}
    )
    mean_loss, last_rate = np.full(len(iterations), np.nan), np.full(len(iterations), np.nan)
    edges = np.searchsorted(shown["iteration"], iterations)
    start = 0
    for index, end in enumerate(edges):
        if end > start:
            mean_loss[index] = shown["loss"][start:end].mean()
            last_rate[index] = shown["rate"][end - 1]
        start = end
    return mean_loss, last_rate


def _seconds(log: CaffeLog, passes: NDArray[np.int64]) -> tuple[Column, Column]:
    """Return the seconds of training before each pass, and of all passes up to its end, other test nets' included."""
    if not len(passes):
        return np.array([]), np.array([])
    started, taken = log.tests.started, log.tests.ended - log.tests.started
    order = np.argsort(started, kind="stable")
    before = np.empty(len(order))
    before[order] = np.concatenate([[0.0], np.cumsum(taken[order])[:-1]])
    return (started - _training_start(log) - before)[passes], (before + taken)[passes]


def _training_start(log: CaffeLog) -> float:
    """Return when training began: with the first pass, if Caffe made one before the first iteration."""
    started = log.sessions.training_started
    shown = log.displays[0].seconds if log.displays else np.inf
    if log.tests and log.tests[0].started <= shown:
        first = log.tests[0]
        if started is None or first.iteration == log.sessions.first_iteration:
            return first.started
    return shown if started is None else started
