"""The findings in plain words."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.metrics.registry import Metric
from lrbench.report.by_solver.tables import SolverTable, Standing
from lrbench.report.formats import number

_UNITS = {
    "fraction": " points",
    "seconds": " s",
    "bytes": " MB",
    "iterations": " iterations",
    "iterations/s": " iterations/s",
}
_TROUBLES = ("not run", "unfinished", "diverged", "no value", "a seed without a value", "worse", "not tested")


def amount(value: float, metric: Metric) -> str:
    """A difference in the metric's unit: accuracies in percentage points."""
    return number(value, metric.unit) + _UNITS.get(metric.unit, "")


def verdict(found: Standing) -> str:
    """``holds``, or where it does not and why: such as ``diverged under Adam; worse under SGD, RMSProp``."""
    parts = [
        f"{trouble} under {', '.join(found.troubles[trouble])}" for trouble in _TROUBLES if trouble in found.troubles
    ]
    return "; ".join(parts) or "holds"


def findings(table: SolverTable) -> Iterable[str]:
    """Which policies hold across the solvers, which is the safest, and whether the best ones agree."""
    yield _holding(table)
    yield _safest(table)
    yield _best(table)


def _holding(table: SolverTable) -> str:
    of, solvers = len(table.standings), len(table.solvers)
    holds = [each for each in table.standings if each.holds]
    holding = [each.policy for each in holds]
    what = "the best or not told apart from it"
    if not holding:
        return f"No policy of {of} holds across the {solvers} solvers, that is, is {what} under each."
    count = "1 policy" if len(holding) == 1 else f"{len(holding)} policies"
    verb = "holds" if len(holding) == 1 else "hold"
    text = f"{count} of {of} {verb} across the {solvers} solvers, {what} under each: {'; '.join(holding)}."
    untold = max(each.largest_regret or 0.0 for each in holds)
    if untold > 0:
        text += f" That is weak evidence where seeds are few: here up to {amount(untold, table.metric)} were not told "
        text += "apart from chance."
    return text


def _safest(table: SolverTable) -> str:
    first = table.standings[0]
    if first.largest_regret is None:
        return "No policy has a value under every solver without a run that diverged, so none is the safest."
    ranked = max(table.ranked(solver) for solver in table.solvers)
    return (
        f"The safest choice where the solver is open: {first.policy}, at most "
        f"{amount(first.largest_regret, table.metric)} behind the best of any solver (worst rank "
        f"{first.worst_rank} of {ranked})."
    )


def _best(table: SolverTable) -> str:
    best: dict[str, list[str]] = {}
    for solver in table.solvers:
        for policy, by in table.rows.items():
            if solver in by and by[solver].rank == 1:
                best.setdefault(policy, []).append(solver)
    if not best:
        return "No policy has a rank under any solver yet."
    if len(best) == 1:
        return f"The same policy is the best under every solver that ranks any: {next(iter(best))}."
    parts = [f"{policy} under {', '.join(solvers)}" for policy, solvers in best.items()]
    return f"The best is not the same: {'; '.join(parts)}."
