"""Findings of a comparison as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lrbench.metrics.registry import Metric
from lrbench.report.comparison.axes import Axis
from lrbench.report.comparison.contrast import Contrast
from lrbench.report.comparison.cost import COSTS, ratio
from lrbench.report.comparison.table import ComparisonTable, Standing
from lrbench.report.comparison.transfer import COVERAGE, Agreement, Transfer
from lrbench.report.formats import counted, number, p_value, unit_text, with_unit

MOST_PAIRS = 3
"""Values up to which each pair gets sentences of its own; of more, the tables say it."""

_NOISE = {
    "within noise": "within the seeds' noise",
    "beyond noise": "beyond the seeds' noise",
    "one seed": "one seed, so the noise is unknown",
    "seeds change nothing": "seeds change nothing, so there is no noise to judge it by",
    "no spread": "the seeds do not differ, so the noise is unknown",
}
_TROUBLES = ("not run", "unfinished", "diverged", "no value", "a seed without a value", "worse", "not tested")


def findings(table: ComparisonTable) -> Iterator[str]:
    """Sentences on whether the values differ, which policies hold across them, and whether the best ones agree."""
    yield from (contrast_sentence(each, table.metric, table.axis) for each in table.contrasts)
    yield _holding(table)
    yield _safest(table)
    yield _best(table)
    if len(table.values) <= MOST_PAIRS:
        yield from (transfer_sentence(each, table.metric, table.axis) for each in table.transfers)
        yield from (agreement_sentence(each) for each in table.agreements)


def signed(value: float, metric: Metric) -> str:
    """Return a difference with its sign, without its unit."""
    text = number(abs(value), metric.unit)
    return text if not text.strip("0.,") else f"{'-' if value < 0 else '+'}{text}"


def verdict(found: Standing, axis: Axis) -> str:
    """Return ``holds``, or why it does not and where, such as ``diverged under Adam; worse under SGD, RMSProp``."""
    parts = [
        f"{trouble} {axis.at} {', '.join(found.troubles[trouble])}"
        for trouble in _TROUBLES
        if trouble in found.troubles
    ]
    return "; ".join(parts) or "holds"


def contrast_sentence(found: Contrast, metric: Metric, axis: Axis) -> str:
    """Say whether the accuracies at two values differ, over all policies."""
    if found.mean is None:
        return f"{found.other} and {found.base} have no policy in common with a mean at both."
    policies = sum(difference.value is not None for difference in found.differences.values())
    far = f"{metric.title} {axis.at} {found.other} minus {axis.at} {found.base}: {signed(found.mean, metric)}"
    unit = unit_text(metric.unit, difference=True)
    over = f"{far}{unit} in the mean over {counted(policies, 'policy', 'policies')}"
    if found.p is None:
        return f"{over}; {_NOISE['no spread' if found.tested else 'one seed']}."
    judged = "beyond" if found.differ else "within"
    tested = "" if found.tested == policies else f", over the {found.tested} with several seeds at both"
    alone = sum(difference.verdict == "differs" for difference in found.differences.values())
    singly = counted(alone, "policy differs", "policies differ") if alone else "none differs"
    return f"{over}; {judged} the seeds' noise (paired by policy, {p_value(found.p)}{tested}); one by one, {singly}."


def cost_sentences(table: ComparisonTable) -> Iterator[str]:
    """Say how many times the costs at the first value the others are, as geometric means over the policies."""
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
            yield f"Cost of {other} relative to {base} ({over}): {'; '.join(parts)}."


def transfer_sentence(found: Transfer, metric: Metric, axis: Axis) -> str:
    """Say what the best policy at one value reaches at another."""
    start, there = f"The best policy {axis.at} {found.source}, {found.policy},", f"{axis.at} {found.target}"
    if found.verdict == "not run":
        return f"{start} was not run {there}."
    if found.verdict == "no outcome":
        return f"{start} has no outcome {there} yet."
    trouble = "diverged" if found.verdict == "diverged" else "missed the target"
    if found.rank is None:
        return f"{start} {trouble} {there} with every seed."
    if found.verdict == "best":
        return f"{start} is also the best of {found.ranked} {there}."
    place = f"{start} ranks {found.rank} of {found.ranked} {there}"
    if found.regret is None:
        return f"{place}, where runs of it or of the best policy {trouble}."
    return f"{place}, {with_unit(found.regret, metric.unit, difference=True)} behind; {_NOISE[found.verdict]}."


def agreement_sentence(found: Agreement) -> str:
    """Say how far the rankings at two values agree."""
    start = f"Rank correlation of {found.pair[0]} and {found.pair[1]} over "
    start += f"{counted(found.policies, 'policy', 'policies')} (Kendall's tau-b): "
    if found.tau is None:
        return f"{start}unknown, because one of the rankings has no order."
    if found.low is None or found.high is None:
        return f"{start}{found.tau:.2f}; a policy has one seed, so the noise is unknown."
    interval = f"of the true orders between {found.low:.2f} and {found.high:.2f} ({COVERAGE:.0%} interval)"
    unsure = "; the seeds leave the order of most policies open" if found.high - found.low > 1 else ""
    return f"{start}{found.tau:.2f}; {interval}{unsure}."


def _holding(table: ComparisonTable) -> str:
    of, across = len(table.standings), f"the {len(table.values)} {table.axis.plural}"
    holds = [each for each in table.standings if each.holds]
    what = f"best, or not significantly worse than the best, {table.axis.at} each"
    if not holds:
        return f"None of {of} policies holds across {across} ({what})."
    count = f"{counted(len(holds), 'policy', 'policies')} of {of} {'holds' if len(holds) == 1 else 'hold'}"
    text = f"{count} across {across} ({what}): {'; '.join(each.policy for each in holds)}."
    largest = max(each.largest_regret or 0.0 for each in holds)
    if largest > 0:
        gap = with_unit(largest, table.metric.unit, difference=True)
        text += f" With few seeds this is weak evidence: gaps of up to {gap} were not significant."
    return text


def _safest(table: ComparisonTable) -> str:
    first, title = table.standings[0], table.axis.title
    if first.largest_regret is None:
        return f"No policy has a value {table.axis.at} every {title} without divergence, so none is the safest."
    ranked = max(sum(row.rank is not None for row in table.at(value).values()) for value in table.values)
    gap = with_unit(first.largest_regret, table.metric.unit, difference=True)
    worst = f"worst rank {first.worst_rank} of {ranked}"
    return f"Safest policy for any {title}: {first.policy}, at most {gap} behind the best ({worst})."


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
        return f"One policy is the best {at} every {title} with a ranking: {next(iter(best))}."
    parts = [f"{policy} {at} {', '.join(values)}" for policy, values in best.items()]
    return f"The best policy differs: {'; '.join(parts)}."
