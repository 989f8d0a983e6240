"""Texts of a figure for a paper: legend and caption."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.drawing.theme import PRINT_BANDED
from lrbench.errors import plain
from lrbench.metrics.objective import ACCURACY, target_of
from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.figures.paper_layout import APART
from lrbench.report.formats import (
    EQUAL_SEEDS,
    heading,
    mean_and_deviation,
    mean_of_some,
    some_diverged,
    some_missed,
    target_text,
    verdict,
)
from lrbench.report.policies import PolicyRow
from lrbench.report.significance import test_title

_SHOWN = {
    "confidence": "mean and standard deviation of the confidence in the correct answers",
    "rates": "learning rates",
}


def _shown(what: str, workload: WorkloadTable) -> str:
    if what in _SHOWN:
        return _SHOWN[what]
    if what == "loss":
        losses = {"training loss": "train_loss", "test loss": "test_loss"}
        return " and ".join(name for name in losses if not workload.is_program or workload.measures(losses[name]))
    objective = ACCURACY if what.endswith("accuracy") else workload.objective
    title = "top-1 accuracy" if objective.is_accuracy else objective.title
    if what.startswith("rate"):
        return f"{title} (line, left axis) and learning rate (grey, right axis) of each policy"
    return f"{title} over the whole run, and zoomed in on the best"


def value_text(workload: WorkloadTable, row: PolicyRow, metric: Metric) -> str:
    """Return the results of a policy, such as ``94.40 ± 0.35 (n=3); worse, p=0.01; 93 % at 183``."""
    summary = row.summaries[metric.name]
    parts = []
    if summary.mean is not None:
        parts.append(mean_and_deviation(summary, metric.unit, usual=0))
    if row.diverged:
        parts.append(some_diverged(row.diverged, len(row.runs)))
    elif row.missed(metric):
        parts.append(some_missed(row.missed(metric), row.times[metric.name].runs))
    elif row.comparison is not None:
        parts += dict.fromkeys([verdict(row.comparison), *([EQUAL_SEEDS] if row.equal_seeds else [])])
    elif row.provisional:
        parts.append("running")
    soon = workload.soon
    if row.summaries[soon.name].mean is not None:
        when = mean_of_some(row.summaries[soon.name], len(row.samples(soon)), soon.unit)
        parts.append(f"{_goal(workload)} at {when}")
    elif summary.mean is not None and workload.target is not None:
        parts.append(f"{_goal(workload)} not reached")
    return "; ".join(parts) or "no value"


def values_title(workload: WorkloadTable, metric: Metric) -> str:
    """Return a title for the results of ``value_text``."""
    return f"{heading(metric)}, mean ± deviation (n seeds); vs. best; iterations to {_goal(workload)}"


def _goal(workload: WorkloadTable) -> str:
    return "its best" if workload.target is None else target_text(workload.target)


def caption(workload: WorkloadTable, rows: Sequence[PolicyRow], whats: Sequence[str], metric: Metric) -> str:
    """Return a draft of the figure's caption: subject, workload, seeds and test."""
    shown = "; ".join(_shown(what, workload) for what in whats)
    of = f"{len(rows)} of {len(workload.policies)}" if len(rows) < len(workload.policies) else f"{len(rows)}"
    sentences = [f"{plain(workload.label)}: {shown}.", f"{of} policies, ranked by {metric.title}."]
    if set(whats) <= set(APART):
        sentences.append(f"Above each panel: {values_title(workload, metric)}.")
    sentences += _about_the_curves(workload, rows, whats)
    if workload.tests is not None and any(row.comparison is not None and row.comparison.p is not None for row in rows):
        sentences.append(f"p: {test_title(workload.tests)}, against the best policy.")
    return " ".join(sentences)


def _about_the_curves(workload: WorkloadTable, rows: Sequence[PolicyRow], whats: Sequence[str]) -> list[str]:
    if set(whats) == {"rates"}:
        return []
    if rows and all(row.equal_seeds for row in rows):
        return ["The seeds change nothing, so that every line is that of each seed."]
    counts = sorted({len(row.counted) for row in rows if row.counted})
    if not counts or counts == [1]:
        return ["One seed each, so the noise between seeds is unknown."]
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    banded = f", of the first {PRINT_BANDED}" if len(rows) > PRINT_BANDED and set(whats) - set(APART) else ""
    found = [f"Lines: mean over the seeds ({seeds} per policy); bands: lowest to highest seed{banded}."]
    if any(row.diverged for row in rows):
        found.append("×: a seed diverged.")
    target = target_of(workload.target)
    drawn = {"accuracy": ACCURACY, "objective": workload.objective}
    if target is not None and any(drawn[what].column == target.metric.column for what in whats if what in drawn):
        value = f"{100 * target.value:g} %" if target.metric.unit == "fraction" else f"{target.value:g}"
        found.append(f"Dotted grey line: target {target.metric.title}, {value}.")
    return found
