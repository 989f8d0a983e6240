"""The findings in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lrbench.metrics.registry import Metric
from lrbench.report.by_engine.cost import COSTS, ratio
from lrbench.report.by_engine.difference import Contrast
from lrbench.report.by_engine.tables import EngineTable
from lrbench.report.by_engine.transfer import COVERAGE, DRAWS, Agreement, Transfer
from lrbench.report.formats import counted, number

_WORDS = {
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


def amount(value: float, metric: Metric) -> str:
    """A difference in the metric's unit: accuracies in percentage points."""
    return number(value, metric.unit) + _WORDS.get(metric.unit, "")


def signed(value: float, metric: Metric) -> str:
    """The same without the unit, with its sign."""
    text = number(abs(value), metric.unit)
    return text if not text.strip("0.,") else f"{'-' if value < 0 else '+'}{text}"


def contrast_sentence(found: Contrast, metric: Metric) -> str:
    """Whether an engine reaches another accuracy than another, over all policies."""
    pair = f"{found.other} and {found.base}"
    if found.mean is None:
        return f"{pair} have no policy with a mean on both to compare."
    policies = sum(difference.value is not None for difference in found.differences.values())
    far = f"{metric.title} on {found.other} less that on {found.base}: {signed(found.mean, metric)}"
    over = f"{far}{_WORDS.get(metric.unit, '')} in the mean of {counted(policies, 'policy', 'policies')}"
    if found.p is None:
        why = "there is one seed" if not found.tested else "the seeds do not differ"
        return f"{over}; {why}, so that noise is not known."
    shown = "p<0.001" if found.p < 0.001 else f"p={found.p:.2g}"
    verdict = "beyond" if found.differ else "within"
    tested = "" if found.tested == policies else f", of the {found.tested} with several seeds on both"
    alone = sum(difference.verdict == "differs" for difference in found.differences.values())
    singly = counted(alone, "policy differs", "policies differ") if alone else "none differs"
    return f"{over}; {verdict} the seeds' noise (paired by policy, {shown}{tested}); taken singly, {singly}."


def cost_sentences(table: EngineTable) -> Iterable[str]:
    """How many times the first engine's costs the others' are, as the geometric mean over the policies."""
    base = table.engines[0]
    for other in table.engines[1:]:
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


def transfer_sentence(found: Transfer, metric: Metric) -> str:
    """What the best policy of one engine reaches on another."""
    start = f"The best policy on {found.source}, {found.policy},"
    if found.verdict == "not run":
        return f"{start} was not run on {found.target}."
    if found.verdict == "no outcome":
        return f"{start} has no outcome on {found.target} yet."
    if found.rank is None:
        trouble = "diverged" if found.verdict == "diverged" else "missed the target"
        return f"{start} {trouble} on {found.target}, with every seed that ended there."
    if found.verdict == "best":
        return f"{start} is the best of {found.ranked} on {found.target}, too."
    place = f"{start} is {_ordinal(found.rank)} of {found.ranked} on {found.target}"
    if found.regret is None:
        trouble = "diverged" if found.verdict == "diverged" else "missed the target"
        return f"{place}, where runs of it or of the best one {trouble}."
    return f"{place}, {amount(found.regret, metric)} behind; {_NOISE[found.verdict]}."


def agreement_sentence(found: Agreement) -> str:
    """How far the rankings of two engines agree."""
    start = f"Rank correlation of {found.engines[0]} and {found.engines[1]} over "
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
