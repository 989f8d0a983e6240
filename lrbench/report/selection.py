"""The policy of a workload to use, and the workload and policies that a figure shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.errors import PolicyError, UsageError, did_you_mean, plain
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import TimesToTarget
from lrbench.policies import parse_policy
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.formats import number
from lrbench.report.policies import PolicyRow


@dataclass(frozen=True)
class Selection:
    """The policy to use, out of those that are not significantly worse than the best.

    Seeds do not tell these apart by the metric that ranks them, so that other properties decide: the smallest share of
    runs that diverged, then the fewest iterations to the target (to the best accuracy where there is no target; of a
    time to the target the restricted mean), then the smallest standard deviation of the metric, then the rank.

    Attributes:
        alike: all that it was selected from, in the order of their rank.
        reason: what decided, empty where there was nothing to decide.
    """

    row: PolicyRow
    alike: tuple[PolicyRow, ...]
    reason: str


def select(workload: WorkloadTable, metric: Metric) -> Selection | None:
    """The policy to use by a ranking; None where no policy has a rank."""
    ranked = [row for row in workload.policies if row.rank is not None]
    if not ranked:
        return None
    alike = [row for row in ranked if row.comparison and row.comparison.verdict in ("best", "not told apart")]
    alike = alike or [row for row in ranked if row.rank == 1]

    def order(row: PolicyRow) -> tuple[float, tuple[float, float], float, int | None]:
        deviation = row.summaries[metric.name].deviation
        spread = math.inf if deviation is None else deviation
        return row.diverged / max(1, len(row.runs)), _cost(row, workload), spread, row.rank

    row = min(alike, key=order)
    return Selection(row, tuple(alike), _reason(row, alike, workload))


def _reason(row: PolicyRow, alike: list[PolicyRow], workload: WorkloadTable) -> str:
    others = [other for other in alike if other is not row]
    mean = row.summaries[workload.soon.name].mean
    if not others or mean is None:
        return ""
    fewest = f"the fewest {workload.soon.title}, {number(mean, 'iterations')}"
    alone = all(_cost(row, workload) < _cost(other, workload) for other in others)
    return fewest if alone else f"{fewest}, and the smallest deviation of those with as few"


def _cost(row: PolicyRow, workload: WorkloadTable) -> tuple[float, float]:
    summary = row.summaries[workload.soon.name]
    if isinstance(summary, TimesToTarget):
        return summary.order
    return 0.0, math.inf if summary.mean is None else summary.mean


def chosen_workload(report: Report, wanted: str | None) -> WorkloadTable:
    """The workload whose label has the wanted text in it, or is it; the only one where none is wanted.

    Raises:
        UsageError: there are several such, or none; the message lists them.
    """
    tables = matching_workloads(report, wanted)
    if len(tables) == 1:
        return tables[0]
    named = "; ".join(plain(table.label) for table in tables or report.workloads)
    if not tables:
        raise UsageError(f"--workload is {wanted!r}, but there is {named}", remedy="give a part of such a name")
    raise UsageError(
        f"a figure shows one workload, but there are {len(tables)}: {named}",
        remedy="choose with --workload TEXT, a part of its name, or give a narrower path",
    )


def matching_workloads(report: Report, wanted: str | None) -> tuple[WorkloadTable, ...]:
    """Return the workloads whose label contains the wanted text, in any case, or is it; all where None is wanted."""
    if wanted is None:
        return report.workloads
    found = tuple(table for table in report.workloads if wanted.lower() in plain(table.label).lower())
    return tuple(table for table in found if wanted == plain(table.label)) or found


def chosen_policies(workload: WorkloadTable, wanted: Sequence[str], most: int) -> tuple[PolicyRow, ...]:
    """The first ``most`` rows, or of the rows that are wanted: a policy's text, or an LR function for all of its own.

    Raises:
        UsageError: something wanted is not there.
    """
    rows = workload.policies
    if wanted:
        known = {row.policy for row in rows} | {row.function for row in rows}
        names = {_canonical(text, known) for text in wanted}
        rows = tuple(row for row in rows if row.policy in names or row.function in names)
    return rows[:most]


def _canonical(text: str, known: set[str]) -> str:
    if text in known:
        return text
    if text.upper() in known:
        return text.upper()
    try:
        policy = parse_policy(text).text
    except PolicyError:
        policy = text
    if policy not in known:
        functions = ", ".join(sorted(name for name in known if "(" not in name))
        remedy = did_you_mean(text, known) or f"there are policies of {functions}"
        raise UsageError(f"--policies is {text!r}, which no run here has", remedy=remedy)
    return policy
