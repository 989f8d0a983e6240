"""The summary on top of the page: the policy to use, its significance, its cost, and the command to export it."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary, TimesToTarget
from lrbench.report.active_runs import duration
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import EQUAL_SEEDS, counted, mean_and_deviation, number, target_text, unit_text
from lrbench.report.next_commands import export_command
from lrbench.report.policies import PolicyRow
from lrbench.report.selection import Selection, select
from lrbench.report.significance import shown_by

MOST_NAMED = 3


def headline(workload: WorkloadTable, metric: Metric) -> dict[str, str]:
    """Return a paragraph for each of ``use``, ``sure`` and ``cost``, and the command ``export``.

    All but ``use`` are empty where no policy is ranked.
    """
    selected = select(workload, metric)
    if selected is None:
        first = next(iter(workload.policies), None)
        why = f"no policy has a value of {metric.title}"
        if first is not None and first.summaries[metric.name].mean is not None:
            why = f"no run has ended. Best so far: {workload.name(first)}, {metric.title} {_value(first, metric)}"
        return {"use": f"No recommendation yet: {why}.", "sure": "", "cost": "", "export": ""}
    ranked = [row for row in workload.policies if row.rank is not None]
    return {
        "use": _use(workload, ranked, selected, metric),
        "sure": _sure(workload, ranked, metric),
        "cost": _cost(workload, selected.row),
        "export": export_command(selected.row) or "",
    }


def _use(workload: WorkloadTable, ranked: Sequence[PolicyRow], selected: Selection, metric: Metric) -> str:
    best, used = ranked[0], selected.row
    text = f"{workload.name(used)}: {metric.title} {_value(used, metric)}, "
    if len(ranked) == 1:
        text += "the only policy with an outcome"
    elif used.rank == best.rank:
        text += f"the best of {len(ranked)} policies"
    else:
        text += f"not significantly worse than the best of {len(ranked)} policies, {workload.name(best)}"
    if selected.reason:
        text += f"; of the {len(selected.alike)} that are not significantly worse it has {selected.reason}"
    if best.diverged:
        text += f". {best.diverged} of its {len(best.runs)} runs diverged"
        text += "; so did runs of every other policy" if all(row.diverged for row in ranked) else ""
    if best.missed(metric):
        text += f". {best.missed(metric)} of its seeds missed the target; so did seeds of every other policy"
    waiting = sum(row.provisional for row in workload.policies)
    return text + (f". {counted(waiting, 'policy has', 'policies have')} no finished run yet." if waiting else ".")


def _value(row: PolicyRow, metric: Metric) -> str:
    """Return such as ``98.93 ± 0.12 % (mean ± standard deviation over 3 seeds)``."""
    found = row.summaries[metric.name]
    text = mean_and_deviation(Summary(found.mean, found.deviation, found.n), metric.unit) + unit_text(metric.unit)
    if found.equal_seeds:
        return f"{text} ({EQUAL_SEEDS})"
    if isinstance(found, TimesToTarget) and found.missed:
        return f"{text} ({found.n} of {found.runs} seeds reached the target; the mean is over those)"
    return f"{text} ({'one seed' if found.n == 1 else f'mean ± standard deviation over {found.n} seeds'})"


def _sure(workload: WorkloadTable, ranked: Sequence[PolicyRow], metric: Metric) -> str:
    """Sum up the tests of the table, with what to do where they say little."""
    best, others = ranked[0], [row for row in ranked[1:] if row.comparison is not None]
    verdicts = {id(row): row.comparison.verdict for row in others if row.comparison is not None}
    counts = collections.Counter[str](verdicts.values())
    if not others:
        only = best.summaries[metric.name]
        alone = only.n < 2 and not only.equal_seeds and not best.missed(metric)
        return (
            "Unknown: there is one policy with one seed." if alone else "There is no other policy to compare it with."
        )
    if best.missed(metric):
        return "Unknown: a seed of every policy missed the target, so nothing is tested."
    if counts[EQUAL_SEEDS] == len(others):
        return "Nothing to test: the seeds change nothing, so that every difference is one of the policies."
    if best.summaries[metric.name].n < 2 or counts["one seed"] == len(others):
        diverged = f" {counts['diverged']} had runs that diverged." if counts["diverged"] else ""
        return (
            "Unknown: with one seed per policy the order may be due to chance. Run several seeds, for example "
            f"seeds: [0, 1, 2].{diverged}"
        )
    parts, alike = [], counts["not told apart"]
    if counts["worse"]:
        test = "" if workload.tests is None else f"{workload.tests.method}'s test of all pairs"
        parts.append(
            f"{counts['worse']} of {counted(len(others), 'other', 'others')} "
            f"{'is' if counts['worse'] == 1 else 'are'} significantly worse ({test}, p < 0.05)"
        )
    if alike:
        names = [workload.name(row) for row in others if verdicts[id(row)] == "not told apart"]
        more = f" and {alike - MOST_NAMED} more" if alike > MOST_NAMED else ""
        parts.append(f"{counted(alike, 'is', 'are')} not significantly worse: {'; '.join(names[:MOST_NAMED])}{more}")
    if workload.tests is not None and alike > counts["worse"]:
        parts.append(shown_by(workload.tests, metric.unit))
    parts += [f"{counts[verdict]} {text}" for verdict, text in _UNTESTED.items() if counts[verdict]]
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."


_UNTESTED = {
    EQUAL_SEEDS: "not tested, as seeds change nothing",
    "one seed": "not tested, having one seed",
    "no spread": "not tested, as the seeds do not differ",
    "missed": "missed the target with a seed",
    "diverged": "had runs that diverged",
}


def _cost(workload: WorkloadTable, row: PolicyRow) -> str:
    """Say what a run of the policy takes, and when it reaches the target."""
    iterations = row.runs[0].workload.get("iterations")
    train, tests = row.summaries["train_seconds"].mean, row.summaries["evaluation_seconds"].mean
    parts = [f"{iterations:,} iterations"] if isinstance(iterations, int) else []
    parts += [f"{duration(train)} of training"] if train is not None else []
    parts += [f"{duration(tests)} of evaluation"] if tests is not None else []
    text = f"A run takes {', '.join(parts) or 'an unknown time'}"
    reached, soon = row.times["iterations_to_target"], row.summaries["iterations_to_best"].mean
    if workload.target is None or reached.mean is None:
        best = "" if soon is None else f" comes after {number(soon, 'iterations')} iterations"
        return f"{text}{best and f'; its best {workload.objective.title}{best}'}."
    seconds = row.summaries["seconds_to_target"].mean
    after = "" if seconds is None else f", {duration(seconds)} of training"
    return (
        f"{text}; {target_text(workload.target)} is reached after {number(reached.mean, 'iterations')} iterations"
        f"{after} ({reached.n} of {counted(reached.runs, 'seed', 'seeds')})."
    )
