"""What a stranger wants to know first: which policy to use, how sure that is, what it costs, how to use it."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary, TimesToTarget
from lrbench.report.active_runs import duration
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import counted, mean_and_deviation, number
from lrbench.report.next_commands import export_command
from lrbench.report.policies import PolicyRow
from lrbench.report.selection import Selection, select

MOST_NAMED = 3
_SIGNS = {
    "fraction": " %",
    "seconds": " s",
    "bytes": " MB",
    "iterations": " iterations",
    "iterations/s": " iterations/s",
    "loss": "",
}


def headline(workload: WorkloadTable, metric: Metric) -> dict[str, str]:
    """A paragraph each for ``use``, ``sure`` and ``cost``, and the command ``export``; all but ``use`` may be empty."""
    selected = select(workload, metric)
    if selected is None:
        return {"use": _nothing_ranked(workload, metric), "sure": "", "cost": "", "export": ""}
    ranked = [row for row in workload.policies if row.rank is not None]
    return {
        "use": _use(workload, ranked, selected, metric),
        "sure": _sure(workload, ranked, metric),
        "cost": _cost(workload, selected.row),
        "export": export_command(selected.row) or "",
    }


def _nothing_ranked(workload: WorkloadTable, metric: Metric) -> str:
    first = workload.policies[0] if workload.policies else None
    if first is None or first.summaries[metric.name].mean is None:
        return f"No policy can be named yet: none has a value of {metric.title}."
    return (
        f"No policy can be named yet: no run has ended. The best so far is {workload.name(first)}, "
        f"{metric.title} {_value(first, metric)}."
    )


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
        all_diverged = all(row.diverged for row in ranked)
        text += ". Every policy had a run that diverged, this one" if all_diverged else ". Of its runs diverged"
        text += f" {best.diverged} of {len(best.runs)}"
    if best.missed(metric):
        text += f". Every policy missed the target with a seed, this one with {best.missed(metric)}"
    waiting = sum(row.provisional for row in workload.policies)
    return text + (f". {counted(waiting, 'policy has', 'policies have')} no run that ended yet." if waiting else ".")


def _value(row: PolicyRow, metric: Metric) -> str:
    """Such as ``98.93 ± 0.12 % (mean ± standard deviation over 3 seeds)``."""
    found = row.summaries[metric.name]
    text = mean_and_deviation(Summary(found.mean, found.deviation, found.n), metric.unit) + _SIGNS[metric.unit]
    if isinstance(found, TimesToTarget) and found.missed:
        return f"{text} ({found.n} of {found.runs} seeds reached the target; the mean is over those)"
    return f"{text} ({'one seed' if found.n == 1 else f'mean ± standard deviation over {found.n} seeds'})"


def _sure(workload: WorkloadTable, ranked: Sequence[PolicyRow], metric: Metric) -> str:
    """What the tests of the table say of the others, and what to do where that is not much."""
    others = [row for row in ranked[1:] if row.comparison is not None]
    counts: collections.Counter[str] = collections.Counter(
        row.comparison.verdict for row in others if row.comparison is not None
    )
    if not others:
        return _alone(ranked[0], metric)
    if ranked[0].missed(metric):
        return "Not known: a seed of every policy missed the target, so that nothing is tested."
    if ranked[0].summaries[metric.name].n < 2 or counts["one seed"] == len(others):
        diverged = f" {counts['diverged']} had runs that diverged." if counts["diverged"] else ""
        return (
            "Not known: with one seed the order may be chance. Run each policy with several, such as "
            f"seeds: [0, 1, 2].{diverged}"
        )
    parts = []
    if counts["worse"]:
        parts.append(
            f"{counts['worse']} of {counted(len(others), 'other', 'others')} "
            f"{'is' if counts['worse'] == 1 else 'are'} worse beyond the seeds' noise "
            "(Welch's t-test, p < 0.05 after Holm's correction)"
        )
    if counts["not told apart"]:
        parts.append(_untold(workload, others, counts["not told apart"]))
    parts += ["more seeds would tell more apart"] if counts["not told apart"] > counts["worse"] else []
    parts += [f"{counts[verdict]} {text}" for verdict, text in _UNTESTED.items() if counts[verdict]]
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."


_UNTESTED = {
    "one seed": "not tested, having one seed",
    "no spread": "not tested, as the seeds do not differ",
    "missed": "missed the target with a seed",
    "diverged": "had runs that diverged",
}


def _alone(best: PolicyRow, metric: Metric) -> str:
    if best.summaries[metric.name].n < 2 and not best.missed(metric):
        return "Not known: there is one policy with one seed, and nothing to compare it with."
    return "There is no other policy to compare it with."


def _untold(workload: WorkloadTable, others: Sequence[PolicyRow], count: int) -> str:
    names = [workload.name(row) for row in others if row.comparison and row.comparison.verdict == "not told apart"]
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return f"{count} cannot be told apart from the best with these seeds: {'; '.join(names[:MOST_NAMED])}{more}"


def _cost(workload: WorkloadTable, row: PolicyRow) -> str:
    """What a run of the policy takes, and how soon it is there."""
    text = f"A run takes {_taken(row)}"
    reached = row.times["iterations_to_target"]
    if workload.target is None or reached.mean is None:
        soon = row.summaries["iterations_to_best"].mean
        return text + ("." if soon is None else f"; its best comes after {number(soon, 'iterations')} iterations.")
    seeds = f"{reached.n} of {counted(reached.runs, 'seed', 'seeds')}"
    return (
        f"{text}; {100 * workload.target:g} % is reached after {number(reached.mean, 'iterations')} iterations"
        f"{_seconds(row)} ({seeds})."
    )


def _taken(row: PolicyRow) -> str:
    iterations = row.runs[0].workload.get("iterations")
    train, tests = row.summaries["train_seconds"].mean, row.summaries["evaluation_seconds"].mean
    parts = [f"{iterations:,} iterations"] if isinstance(iterations, int) else []
    parts += [f"{duration(train)} of training"] if train is not None else []
    parts += [f"{duration(tests)} of evaluating"] if tests is not None else []
    return ", ".join(parts) or "a time that is not known"


def _seconds(row: PolicyRow) -> str:
    found = row.summaries["seconds_to_target"].mean
    return "" if found is None else f", {duration(found)} of training"
