"""The verdict of a verification: each policy tested, seed by seed, the share that reached the target, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lrbench.metrics.objective import ACCURACY, AnyTarget, Target
from lrbench.report.document import Block, Column, Document, Heading, Paragraph, Table
from lrbench.report.formats import EQUAL_SEEDS, counted, known_number, number, objective_heading, target_text, with_unit
from lrbench.report.views.answer import Answer, RunCommand, answer_blocks, answer_data
from lrbench.report.views.ranking_data import target_data
from lrbench.report.views.tune import search_cost, tune_data
from lrbench.tuning.composing.selection import ComposeResult
from lrbench.tuning.result import TuneResult
from lrbench.tuning.verify import Attempt, Verdict

_PHASES = {"policy": "the policy", "database": "known policies", "search": "searched for"}


def verdict_document(
    verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None, run: RunCommand | None = None
) -> Document:
    """The document of a verification; the decision comes last.

    Args:
        run: makes the command that trains with a policy, where there is a spec to name.
    """
    found, within = verdict.found, verdict.goal.within
    answer = Answer(decision(verdict), None if found is None else found.policy)
    return Document(
        [*_blocks(verdict, tuned, composed), *answer_blocks(answer, within, run)],
        lambda: {**_data(verdict, tuned, composed), "answer": answer_data(answer, within, run)},
        lambda: [
            {"phase": attempt.phase, "policy": attempt.policy.text, **asdict(outcome)}
            for attempt in verdict.attempts
            for outcome in attempt.outcomes
        ],
    )


def _blocks(verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None) -> Iterator[Block]:
    goal = verdict.goal
    yield Heading(f"{target_text(goal.target)} on the test set within {goal.within:,} iterations?")
    for place, attempt in enumerate(verdict.attempts, start=1):
        yield _seeds(attempt, place, goal.target)
    declared = dict.fromkeys(sentence for attempt in verdict.attempts for sentence in attempt.declared)
    yield from map(Paragraph, (*verdict.notes, *declared))
    if tuned is not None:
        yield Paragraph(search_cost(tuned))
    if composed is not None:
        yield Paragraph(
            f"cost of composing: {counted(composed.cost.runs, 'run', 'runs')}, {composed.cost.iterations:,} training "
            f"iterations = {composed.cost.full_runs:.1f} full runs, {composed.cost.seconds:,.0f} s"
        )
    if verdict.evidence is not None and any(one.status == "pending" for a in verdict.attempts for one in a.outcomes):
        yield Paragraph(f"runs were given up by {verdict.evidence}; --no-early-stop trains them to the end")


def _seeds(attempt: Attempt, place: int, target: AnyTarget) -> Table:
    metric = target.metric if isinstance(target, Target) else ACCURACY
    columns = [
        Column("seed"),
        Column("reached at"),
        Column(f"best {objective_heading(metric)}"),
        Column("iterations"),
        Column("how it ended", "text"),
    ]
    rows = [
        [
            str(one.seed),
            known_number(one.iterations_to_target, "iterations"),
            known_number(one.best_accuracy if metric.is_accuracy else one.best_value, metric.unit),
            f"{one.iterations:,}",
            "reached" if one.iterations_to_target is not None else one.reason or f"{one.status}, not reached",
        ]
        for one in attempt.outcomes
    ]
    lead = f"{_PHASES[attempt.phase]}: {attempt.policy.text} ({attempt.why})"
    return Table(columns, rows, (), f"attempt {place}", lead, (share_text(attempt),))


def share_text(attempt: Attempt) -> str:
    """The share of seeds that reached the target, with its confidence interval, and how soon."""
    low, high = attempt.interval
    n, sooner = len(attempt.outcomes), attempt.times
    text = (
        f"{attempt.reached} of {counted(n, 'seed', 'seeds')} reached it "
        f"(95 % confidence interval of the share: {low:.0%} to {high:.0%})"
    )
    if sooner.mean is not None:
        spread = "" if sooner.deviation is None else f" ± {number(sooner.deviation, 'iterations')}"
        text += f", after {number(sooner.mean, 'iterations')}{spread} iterations"
        text += " (the mean over those that did)" if sooner.missed else ""
    if attempt.equal_seeds:
        return f"{text}; {EQUAL_SEEDS}, so that they say no more than one"
    return text + ("; one seed says little" if n == 1 else "")


def decision(verdict: Verdict) -> str:
    """The verdict in one sentence."""
    goal, found = verdict.goal, verdict.found
    asked = f"{target_text(goal.target)} within {goal.within:,} iterations"
    if found is None:
        tested = len(verdict.attempts)
        return (
            f"NOT REACHED: {asked}, by {'the policy' if tested == 1 else f'any of {tested} policies'} tested; "
            f"{_nearest(verdict)}more iterations (--within) or a search of more policies (search.trials) may do it"
        )
    text, tested = f"REACHED: {asked}, by {found.policy.text}", len(verdict.attempts)
    if tested > 1:
        place = {2: "second", 3: "third"}.get(tested, f"{tested}th")
        text += f"; the {place} policy tested, and the more are tested, the more one of them may do so by luck"
    return text


def _nearest(verdict: Verdict) -> str:
    """The policy that came nearest to the target, where a value is known."""
    target = verdict.goal.target
    metric = target.metric if isinstance(target, Target) else ACCURACY
    values = [
        (metric.order(value), value, attempt.policy.text)
        for attempt in verdict.attempts
        for outcome in attempt.outcomes
        if (value := outcome.best_accuracy if metric.is_accuracy else outcome.best_value) is not None
    ]
    if not values:
        return ""
    _, value, policy = max(values)
    return f"the nearest came {policy} with {with_unit(value, metric.unit)}; "


def _data(verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None) -> dict[str, Any]:
    """The verdict with every attempt and seed."""
    found = verdict.found
    return {
        **target_data(verdict.goal.target),
        "within": verdict.goal.within,
        "share": verdict.goal.share,
        "reached": found is not None,
        "policy": None if found is None else found.policy.text,
        "attempts": [_attempt(attempt) for attempt in verdict.attempts],
        "early_stop_evidence": verdict.evidence,
        "notes": [*verdict.notes, *dict.fromkeys(note for attempt in verdict.attempts for note in attempt.declared)],
        "search": None if tuned is None else tune_data(tuned),
        "composing": None if composed is None else {"policy": composed.policy.text, "cost": asdict(composed.cost)},
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "phase": attempt.phase,
        "policy": attempt.policy.text,
        "why": attempt.why,
        "reached": attempt.reached,
        "share": attempt.reached / len(attempt.outcomes),
        "confidence_interval": list(attempt.interval),
        "iterations_to_target": asdict(attempt.times),
        "seeds": [asdict(outcome) for outcome in attempt.outcomes],
    }
