"""What a comparison shows, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrbench.metrics.registry import Metric
from lrbench.report.comparison.axes import Axis
from lrbench.report.comparison.contrast import Contrast
from lrbench.report.comparison.cost import COSTS, ratio
from lrbench.report.comparison.table import ComparisonTable, Standing
from lrbench.report.comparison.transfer import COVERAGE, DRAWS, Agreement, Transfer
from lrbench.report.formats import counted, number, p_value

MOST_PAIRS = 3
"""Of more values than this, what each two have in common would be too many sentences; the tables say it."""

UNITS = {
    "fraction": " points",
    "seconds": " s",
    "bytes": " MB",
    "iterations": " iterations",
    "iterations/s": " iterations/s",
}
_NOISE = {
    "within noise": "within the seeds' noise",
    "beyond noise": "beyond the seeds' noise",
    "one seed": "with one seed, so that noise is not known",
    "no spread": "and the seeds do not differ, so that there is no noise to measure it with",
}
_TROUBLES = ("not run", "unfinished", "diverged", "no value", "a seed without a value", "worse", "not tested")


def findings(table: ComparisonTable) -> Iterator[str]:
    """Whether the values differ, which policies hold across them, and whether the best ones agree."""
    yield from (contrast_sentence(each, table.metric, table.axis) for each in table.contrasts)
    yield _holding(table)
    yield _safest(table)
    yield _best(table)
    if len(table.values) <= MOST_PAIRS:
        yield from (transfer_sentence(each, table.metric, table.axis) for each in table.transfers)
        yield from (agreement_sentence(each) for each in table.agreements)


def amount(value: float, metric: Metric) -> str:
    """A difference in the metric's unit: accuracies in percentage points."""
    return number(value, metric.unit) + UNITS.get(metric.unit, "")


def signed(value: float, metric: Metric) -> str:
    """The same without the unit, with its sign."""
    text = number(abs(value), metric.unit)
    return text if not text.strip("0.,") else f"{'-' if value < 0 else '+'}{text}"


def verdict(found: Standing, axis: Axis) -> str:
    """``holds``, or where it does not and why: such as ``diverged under Adam; worse under SGD, RMSProp``."""
    parts = [
        f"{trouble} {axis.at} {', '.join(found.troubles[trouble])}"
        for trouble in _TROUBLES
        if trouble in found.troubles
    ]
    return "; ".join(parts) or "holds"


def contrast_sentence(found: Contrast, metric: Metric, axis: Axis) -> str:
    """Whether one value gives another accuracy than another, over all policies."""
    if found.mean is None:
        return f"{found.other} and {found.base} have no policy with a mean at both to compare."
    policies = sum(difference.value is not None for difference in found.differences.values())
    far = f"{metric.title} {axis.at} {found.other} less that {axis.at} {found.base}: {signed(found.mean, metric)}"
    over = f"{far}{UNITS.get(metric.unit, '')} in the mean of {counted(policies, 'policy', 'policies')}"
    if found.p is None:
        why = "there is one seed" if not found.tested else "the seeds do not differ"
        return f"{over}; {why}, so that noise is not known."
    judged = "beyond" if found.differ else "within"
    tested = "" if found.tested == policies else f", of the {found.tested} with several seeds at both"
    alone = sum(difference.verdict == "differs" for difference in found.differences.values())
    singly = counted(alone, "policy differs", "policies differ") if alone else "none differs"
    return f"{over}; {judged} the seeds' noise (paired by policy, {p_value(found.p)}{tested}); taken singly, {singly}."


def cost_sentences(table: ComparisonTable) -> Iterator[str]:
    """How many times the first value's costs the others' are, as the geometric mean over the policies."""
    base, *others = table.values
    for other in others:
        parts = []
        pairs = [(by[other], by[base]) for by in table.rows.values() if other in by and base in by]
        for cost in COSTS:
            ratios = [found for one, two in pairs if (found := ratio(one.costs[cost.name], two.costs[cost.name]))]
            if ratios:
                mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
                parts.append(f"{cost.title} {mean:.2f}")
        if parts:
            over = f"geometric mean over {counted(len(pairs), 'policy', 'policies')}"
            yield f"What {other} takes, as a multiple of what {base} takes ({over}): {'; '.join(parts)}."


def transfer_sentence(found: Transfer, metric: Metric, axis: Axis) -> str:
    """What the best policy at one value reaches at another."""
    start, there = f"The best policy {axis.at} {found.source}, {found.policy},", f"{axis.at} {found.target}"
    if found.verdict == "not run":
        return f"{start} was not run {there}."
    if found.verdict == "no outcome":
        return f"{start} has no outcome {there} yet."
    if found.rank is None:
        trouble = "diverged" if found.verdict == "diverged" else "missed the target"
        return f"{start} {trouble} {there}, with every seed that ended there."
    if found.verdict == "best":
        return f"{start} is the best of {found.ranked} {there}, too."
    place = f"{start} is {_ordinal(found.rank)} of {found.ranked} {there}"
    if found.regret is None:
        trouble = "diverged" if found.verdict == "diverged" else "missed the target"
        return f"{place}, where runs of it or of the best one {trouble}."
    return f"{place}, {amount(found.regret, metric)} behind; {_NOISE[found.verdict]}."


def agreement_sentence(found: Agreement) -> str:
    """How far the rankings at two values agree."""
    start = f"Rank correlation of {found.pair[0]} and {found.pair[1]} over "
    start += f"{counted(found.policies, 'policy', 'policies')} (Kendall's tau-b): "
    if found.tau is None:
        return f"{start}not known, as one of the rankings has no order."
    if found.low is None or found.high is None:
        return f"{start}{found.tau:.2f}; a policy has one seed, so that noise is not known."
    interval = f"from {found.low:.2f} to {found.high:.2f} in {COVERAGE:.0%} of {DRAWS:,} draws of the seeds"
    return f"{start}{found.tau:.2f}; {interval} with replacement, too narrow an interval where seeds are few."


def _ordinal(place: int) -> str:
    teens = place % 100 in (11, 12, 13)
    return f"{place}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"


def _holding(table: ComparisonTable) -> str:
    of, across = len(table.standings), f"the {len(table.values)} {table.axis.plural}"
    holds = [each for each in table.standings if each.holds]
    what = f"the best or not told apart from it {table.axis.at} each"
    if not holds:
        return f"No policy of {of} holds across {across}, that is, is {what}."
    count = f"{counted(len(holds), 'policy', 'policies')} of {of} {'holds' if len(holds) == 1 else 'hold'}"
    text = f"{count} across {across}, {what}: {'; '.join(each.policy for each in holds)}."
    untold = max(each.largest_regret or 0.0 for each in holds)
    if untold > 0:
        text += f" That is weak evidence where seeds are few: here up to {amount(untold, table.metric)} were not told "
        text += "apart from chance."
    return text


def _safest(table: ComparisonTable) -> str:
    first, title = table.standings[0], table.axis.title
    if first.largest_regret is None:
        return (
            f"No policy has a value {table.axis.at} every {title} without a run that diverged, so none is the safest."
        )
    ranked = max(table.ranked(value) for value in table.values)
    return (
        f"The safest choice where the {title} is open: {first.policy}, at most "
        f"{amount(first.largest_regret, table.metric)} behind the best of any {title} (worst rank "
        f"{first.worst_rank} of {ranked})."
    )


def _best(table: ComparisonTable) -> str:
    at, title = table.axis.at, table.axis.title
    best: dict[str, list[str]] = {}
    for value in table.values:
        for policy, row in table.at(value).items():
            if row.rank == 1:
                best.setdefault(policy, []).append(value)
    if not best:
        return f"No policy has a rank {at} any {title} yet."
    if len(best) == 1:
        return f"The same policy is the best {at} every {title} that ranks any: {next(iter(best))}."
    parts = [f"{policy} {at} {', '.join(values)}" for policy, values in best.items()]
    return f"The best is not the same: {'; '.join(parts)}."
