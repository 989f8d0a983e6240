"""Numbers as text: each metric in its unit, with the digits that mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lrbench.errors import plain
from lrbench.metrics.objective import AnyTarget, Objective, Target
from lrbench.metrics.registry import Metric, Unit
from lrbench.metrics.summary import Summary, TimesToTarget
from lrbench.report.document import Mark
from lrbench.statistics.verdicts import Comparison

NOTHING = "-"
EQUAL_SEEDS = "seeds change nothing"

_UNITS: dict[Unit, str] = {
    "fraction": " %",
    "seconds": " s",
    "bytes": " MB",
    "iterations": " iterations",
    "iterations/s": " iterations/s",
}


def counted(count: int, one: str, many: str) -> str:
    """Return a count with its noun, such as ``1 run`` or ``1,200 runs``."""
    return f"{count:,} {one if count == 1 else many}"


def heading(metric: Metric) -> str:
    """The metric's title with the unit that its numbers are shown in."""
    if metric.unit == "iterations":  # the title has them
        return metric.title
    return metric.title + ("," if metric.unit == "iterations/s" else "") + unit_text(metric.unit)


def unit_text(unit: Unit, *, difference: bool = False) -> str:
    """Return what follows a number of the unit, such as `` s``; accuracies differ by percentage points."""
    return " points" if difference and unit == "fraction" else _UNITS.get(unit, "")


def number(value: float, unit: Unit) -> str:
    """The value in its unit: fractions in percent, bytes in millions."""
    if unit == "fraction":
        return f"{100 * value:.2f}"
    if unit == "bytes":
        return f"{value / 1e6:,.0f}"
    if unit == "iterations":
        return f"{value:,.0f}"
    if unit == "value":  # of whatever size
        return f"{value:.4g}"
    if unit == "loss":
        return f"{value:.4f}" if 0.00005 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def with_unit(value: float, unit: Unit, *, difference: bool = False) -> str:
    """Return the value with its unit, such as ``98.00 %``; differences of fractions are in percentage points."""
    return number(value, unit) + unit_text(unit, difference=difference)


def known_number(value: float | None, unit: Unit) -> str:
    """Return ``number`` of a value, or a dash where it is not known."""
    return NOTHING if value is None else number(value, unit)


def p_value(p: float) -> str:
    """Return a p-value as text, such as ``p=0.013`` or ``p<0.001``."""
    return "p<0.001" if p < 0.001 else f"p={p:.2g}"


def mean_of_some(summary: Summary, counted: int, unit: Unit) -> str:
    """Return the mean, with ``(n=2)`` where fewer than the counted runs have the value; see ``counted_note``."""
    if summary.mean is None:
        return NOTHING
    return number(summary.mean, unit) + counted_note(summary, counted if summary.n < counted else summary.n)


def mean_and_deviation(summary: Summary, unit: Unit, usual: int | None = None) -> str:
    """Return mean and deviation, such as ``98.93 ± 0.12``; the mean alone where there is one value.

    Args:
        usual: the number of values that goes without saying; None: every number does. Seeds that missed a target are
            always shown, see ``counted_note``.
    """
    if summary.mean is None:
        return NOTHING
    mean = number(summary.mean, unit)
    text = mean if summary.deviation is None else f"{mean} ± {_deviation(summary.deviation, mean, unit)}"
    return text + counted_note(summary, summary.n if usual is None else usual)


def _deviation(value: float, mean: str, unit: Unit) -> str:
    """Return a deviation; that of a plain number has as many decimals as its mean, or two digits where that is none."""
    if unit != "value" or "e" in mean or not value:
        return number(value, unit)
    text = f"{value:.{len(mean.partition('.')[2])}f}"
    return text if text.strip("0.") else f"{value:.2g}"


def counted_note(summary: Summary, usual: int) -> str:
    """How many runs a mean is over: `` (1/2)`` where 1 of 2 reached the target, `` (n=2)`` where ``usual`` is not 2."""
    if isinstance(summary, TimesToTarget) and summary.missed:
        return f" ({summary.n}/{summary.runs})"
    if summary.equal_seeds:
        return ""
    return f" (n={summary.n})" if summary.n != usual else ""


def verdict(comparison: Comparison | None) -> str:
    """Return a comparison as text, such as ``worse, p=0.01``."""
    return "" if comparison is None else verdict_text(comparison.verdict, comparison.p)


def verdict_text(verdict: str, p: float | None) -> str:
    """Return a verdict with its p as text; what the JSON calls ``not told apart`` is ``not significant``."""
    text = "not significant" if verdict == "not told apart" else verdict
    return text if p is None else f"{text}, {p_value(p)}"


def rank_text(rank: int | None, comparison: Comparison | None) -> str:
    """Return the range of ranks that the tests leave possible, such as ``1-3``; the rank where nothing was tested."""
    if rank is None:
        return NOTHING
    if comparison is None or comparison.ranks is None:
        return str(rank)
    low, high = comparison.ranks
    return str(low) if low == high else f"{low}-{high}"


def mark_of(comparison: Comparison | None) -> Mark | None:
    """The mark of a value by how it compares with the best."""
    verdict = None if comparison is None else comparison.verdict
    return "best" if verdict == "best" else "equal" if verdict == "not told apart" else None


def objective_heading(objective: Objective) -> str:
    """The objective at the head of a column, such as ``accuracy %`` or ``test loss``."""
    return objective.title + unit_text(objective.unit)


def target_text(target: AnyTarget) -> str:
    """Return a target as text, such as ``98 %``, or ``test loss 0.12`` where its metric is not the accuracy."""
    return f"{100 * target:g} %" if isinstance(target, int | float) else plain_target(target)


def plain_target(target: AnyTarget) -> str:
    """Return a target as text, such as ``0.98``, or ``test loss 0.12`` where its metric is not the accuracy."""
    return f"{target.metric.title} {target.value:g}" if isinstance(target, Target) else f"{target:g}"


def different_targets(targets: Mapping[AnyTarget, int]) -> str:
    """Return a note on runs with different targets: how many runs name each, and the remedy."""
    accuracies = sorted(target for target in targets if isinstance(target, int | float))
    others = sorted((target for target in targets if isinstance(target, Target)), key=plain_target)
    named_targets: list[AnyTarget] = [*accuracies, *others]
    counts = [(plain_target(target), targets[target]) for target in named_targets]
    named = ", ".join(f"{text} ({n} run{'s' if n > 1 else ''})" for text, n in counts)
    one = f"{accuracies[-1]:g}" if accuracies else f"{others[0].metric.metric}={others[0].value:g}"
    return (
        f"the runs have different targets: {named}; so nothing is said of reaching one. Name one for all, such as "
        f"--target {one}"
    )


def some_diverged(diverged: int, runs: int) -> str:
    """Return how many runs diverged, such as ``2 of 3 diverged``."""
    return f"{diverged} of {runs} diverged"


def some_missed(missed: int, runs: int) -> str:
    """Return how many runs missed the target, such as ``1 of 2 missed the target``."""
    return f"{missed} of {runs} missed the target"


def marked(value: str, diverged: int, runs: int) -> str:
    """Return a value with the number of runs that diverged, such as ``94.50 (2/3 diverged)``."""
    return f"{value} ({diverged}/{runs} diverged)" if diverged else value


def status_counts(statuses: dict[str, int]) -> str:
    """Return the number of runs of each status, such as ``14 finished, 1 diverged``."""
    return ", ".join(f"{count} {status}" for status, count in statuses.items()) or "none"


def seeds(summary: Summary, statuses: dict[str, int]) -> str:
    """Return the number of runs in the mean, out of the total, and the statuses of those that did not finish.

    For example ``3``, ``2/3 (1 diverged)`` or ``3 (seeds change nothing)``.
    """
    total = sum(statuses.values())
    count = str(total) if summary.n == total or summary.equal_seeds else f"{summary.n}/{total}"
    others = {status: n for status, n in statuses.items() if status != "finished"}
    notes = [*([status_counts(others)] if others else []), *([EQUAL_SEEDS] if summary.equal_seeds else [])]
    return f"{count} ({'; '.join(notes)})" if notes else count


def equal_seeds_note(policies: Sequence[str], total: int) -> str:
    """Return a note on the policies, of ``total`` in a table, whose seeds change nothing."""
    of = "all policies" if len(policies) == total else "; ".join(policies)
    return f"{EQUAL_SEEDS} for {of}: all evaluations are equal over the seeds, which count as one and are not tested"


def next_line(command: str, comment: str = "") -> str:
    """``next: COMMAND   # COMMENT``: what follows ``next:`` can be pasted into a shell.

    Args:
        command: as a shell takes it; see ``shlex.join``.
        comment: why to type it.
    """
    return f"next: {plain(command)}" + (f"   # {comment}" if comment else "")
