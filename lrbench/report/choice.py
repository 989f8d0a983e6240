"""Which workload and which of its policies a figure shows."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.errors import PolicyError, UsageError, did_you_mean, plain
from lrbench.policies import parse_policy
from lrbench.report.build import Report, WorkloadTable
from lrbench.report.policies import PolicyRow


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
