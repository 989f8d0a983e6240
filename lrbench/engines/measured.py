"""Metrics of an evaluation: computed from a net's outputs, or as a program reports them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lrbench.engines.base import Job, Reported, TestOutputs
from lrbench.errors import EngineFailed
from lrbench.metrics.divergence import divergence
from lrbench.metrics.evaluation import evaluation_metrics
from lrbench.metrics.metric import ACCURACY_COLUMN
from lrbench.metrics.registry import METRICS, Evaluated
from lrbench.policies.plateau_detection import column_of

Metrics = dict[str, float]


def net_metrics(outputs: TestOutputs, train_loss: float, *, mean_loss: bool) -> tuple[Metrics, str | None]:
    """Return the metrics of a net's outputs, and why they show that it diverged, None where they do not."""
    evaluated = Evaluated(outputs.probabilities, outputs.labels, outputs.loss, train_loss, outputs.scores)
    metrics = evaluation_metrics(evaluated, METRICS.values())
    classes = outputs.probabilities.shape[1]
    diverged = divergence(outputs.loss, metrics["accuracy_top1"], classes, mean_loss=mean_loss)
    if diverged is not None and math.isfinite(outputs.loss):
        metrics = dict.fromkeys(metrics, math.nan)  # a loss that stands for NaN, and what came of it
    return metrics, diverged


def reported_metrics(reported: Reported, train_loss: float, job: Job) -> tuple[Metrics, str | None]:
    """Return the metrics that a program reported, and why they show that it diverged, None where they do not.

    Raises:
        EngineFailed: the objective, the target's metric or one that the policy monitors is not among them.
    """
    metrics: Metrics = {}
    if reported.outputs is not None:
        outputs = reported.outputs
        evaluated = Evaluated(outputs.probabilities, outputs.labels, outputs.loss, train_loss)
        metrics = evaluation_metrics(evaluated, METRICS.values())
    metrics |= {**reported.metrics, "train_loss": train_loss}
    wrong = missing_metric(metrics, job)
    if wrong is not None:
        raise EngineFailed(wrong, remedy="report it, or name one of them in the spec")
    if "train_loss" in job.policy.monitored and math.isnan(train_loss):
        raise EngineFailed(
            f"{job.policy.name} monitors train_loss, which the program does not tell",
            remedy="call run.step(loss), or set monitor to a metric that it reports",
        )
    if not math.isfinite(metrics[job.objective]):
        return metrics, f"the objective {job.objective} is not finite"
    return metrics, None


def missing_metric(reported: Iterable[str], job: Job) -> str | None:
    """Return a line on a metric that the spec names and the program does not report; None where it reports all."""
    known = dict.fromkeys(reported)
    monitored = [(f"monitor of {job.policy.name}", column_of(name)) for name in sorted(job.policy.monitored)]
    for key, name in (("objective.metric", job.objective), ("target.metric", job.target), *monitored):
        if name is not None and name not in known:
            shown = "accuracy" if name == ACCURACY_COLUMN else name
            given = ", ".join("accuracy" if each == ACCURACY_COLUMN else each for each in known)
            return f"{key} is {shown}, which the program does not report; it reports {given}"
    return None
