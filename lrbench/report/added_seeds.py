"""Seeds that a spec adds until differences are known: which policies need more, and why no more were added."""

from __future__ import annotations

from lrbench.metrics.registry import Metric
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import counted, with_unit
from lrbench.report.policies import PolicyRow
from lrbench.statistics.all_pairs import pairs_of
from lrbench.statistics.sequential import unsettled


def undecided(table: WorkloadTable, half_width: float) -> list[PolicyRow]:
    """Return the policies of a pair that neither differs significantly nor is known to within ``half_width``."""
    if table.tests is None:
        return []
    pairs = unsettled(table.tests, half_width)
    return [row for row, own in zip(table.tested, pairs, strict=True) if own.any()]


def added_seeds_note(
    table: WorkloadTable, metric: Metric, remedy: str = ": run the spec again to add more"
) -> str | None:
    """Return the sentence on why no more seeds were added; None where no spec of the runs adds any.

    Args:
        remedy: what to do where policies have fewer seeds than they may.
    """
    plan, tests = table.seed_plan, table.tests
    if plan is None:
        return None
    rule = (
        f"Seeds are added, up to {plan.looks[-1]} a policy, until each difference is significant or known to "
        f"± {with_unit(plan.half_width, metric.unit, difference=True)}"
    )
    if tests is None:
        return f"{rule}: none is tested here, so none was added"
    rows, corrected = undecided(table, plan.half_width), f"p is corrected for the {len(plan.looks)} planned looks"
    if not rows:
        return f"{rule}: all of them are; {corrected}"
    every, left = pairs_of(len(tests.means)), int(unsettled(tests, plan.half_width).sum()) // 2
    neither = f"{left} of {counted(every, 'difference is', 'differences are')} neither"
    most = plan.looks[-1]
    full = all(len(row.counted) >= most for row in rows)
    return f"{rule}: {neither}{f', of policies that have all {most} seeds' if full else f' yet{remedy}'}; {corrected}"
