"""A training log of Caffe that LRBench did not produce, as a run.

Its policy is written back from the solver settings that the log begins with, unless the rates that it displays are
others: then something set them while Caffe trained. Its net is the one that Caffe repeats.
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
from lrbench.metrics.registry import all_metrics
from lrbench.nets.caffe_pb2 import NetParameter, SolverParameter
from lrbench.nets.text import merge_whole_fields
from lrbench.policies import Policy, policy_from_mapping
from lrbench.report.caffe_evaluations import evaluations_of_log
from lrbench.report.caffe_outputs import Readings, read_outputs
from lrbench.report.rows import CUT_OFF, RunRow
from lrbench.spec.solver_types import SOLVER_FIELDS

DISPLAY_TOLERANCE = 1e-3
COMPARED_BYTES = 29_800  # of a net; glog writes some more of one that it cuts


def row_of_log(path: Path, log: CaffeLog, target: float | None = None) -> RunRow:
    """The row of a log that ``read_log`` read."""
    solver = log.solver or SolverParameter()
    policy, function, followed = _policy(path, log, solver)
    readings = read_outputs(log)
    evaluations = evaluations_of_log(log, followed, readings)
    status, reason = _outcome(log, readings)
    return RunRow(
        path=path,
        run_id=path_text(Path(path.name)),
        experiment="",
        policy=policy,
        function=function,
        lr_scale=1.0,
        seed=int(solver.random_seed) if solver.random_seed >= 0 else None,
        solver=_solver_settings(log),
        engine={"name": "caffe", "driver": "log", "device": _device(log)},
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
    """What a log does not say and a reader might look for, a sentence each."""
    notes = []
    if not log.solver_whole:
        notes.append("its solver settings are not whole: what is missing is unknown")
    if not log.nets_whole:
        notes.append("its net is cut where Caffe's logger ends a message, at 30,000 bytes: the layers before it count")
    if log.unnamed_scores:
        notes.append("its test scores have no names, as in Caffe until 2014: which is the accuracy is unknown")
    return notes


def policy_of_solver(solver: SolverParameter) -> tuple[str, str, Policy | None]:
    """The text and the LR function of Caffe's own policy, and the policy.

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
    """As ``policy_of_solver``, but what the log displays goes before what the solver was told.

    A policy that is not known is named by the rates displayed, or by its log where there are none: two of them are
    no seeds of one policy.
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


def _device(log: CaffeLog) -> str | None:
    """As the solver says; a GPU where it says nothing."""
    if log.solver is None or not (log.solver_whole or log.solver.HasField("solver_mode")):
        return None
    return "gpu" if log.solver.solver_mode == SolverParameter.GPU else "cpu"


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
