"""A verification's verdict on one screen: each policy tested, seed by seed, the share that reached it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lrbench.report.formats import NOTHING, number
from lrbench.report.style import Style
from lrbench.report.tune_table import cost_text, tune_json
from lrbench.tuning.composing import ComposeResult
from lrbench.tuning.confirm import SeedOutcome
from lrbench.tuning.tune import TuneResult
from lrbench.tuning.verify import Attempt, Verdict

_PHASES = {"policy": "the policy", "database": "known policies", "search": "searched for"}


def verdict_text(verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None, style: Style) -> str:
    """All of it; the decision comes last."""
    return "\n\n".join(_sections(verdict, tuned, composed, style)) + "\n"


def _sections(
    verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None, style: Style
) -> Iterator[str]:
    goal = verdict.goal
    yield style.title.format(f"{100 * goal.target:g} % on the test set within {goal.within:,} iterations?")
    for attempt in verdict.attempts:
        yield style.paragraph(f"{_PHASES[attempt.phase]}: {style.clean(attempt.policy.text)} ({attempt.why})")
        yield _seeds(attempt, style)
        yield style.paragraph(share_text(attempt))
    for note in verdict.notes:
        yield style.paragraph(note)
    if tuned is not None:
        yield style.paragraph(cost_text(tuned))
    if composed is not None:
        yield style.paragraph(
            f"cost of composing: {composed.cost.runs} runs, {composed.cost.iterations:,} training "
            f"iterations = {composed.cost.full_runs:.1f} full runs, {composed.cost.seconds:,.0f} s"
        )
    if verdict.evidence is not None and any(_given_up(one) for a in verdict.attempts for one in a.outcomes):
        yield style.paragraph(f"runs were given up by {verdict.evidence}; --no-early-stop trains them to the end")
    yield style.paragraph(decision(verdict))


def _seeds(attempt: Attempt, style: Style) -> str:
    head = ["seed", "reached at", "best accuracy %", "iterations", "how it ended"]
    rows = [
        [
            str(one.seed),
            NOTHING if one.iterations_to_target is None else f"{one.iterations_to_target:,}",
            NOTHING if one.best_accuracy is None else number(one.best_accuracy, "fraction"),
            f"{one.iterations:,}",
            style.clean(_ending(one)),
        ]
        for one in attempt.outcomes
    ]
    return style.table(head, rows, left=("how it ended",))


def _ending(outcome: SeedOutcome) -> str:
    if outcome.iterations_to_target is not None:
        return "reached"
    return outcome.reason or f"{outcome.status}, not reached"


def _given_up(outcome: SeedOutcome) -> bool:
    return outcome.status == "pending"


def share_text(attempt: Attempt) -> str:
    """The share of seeds that reached the target, with its confidence interval, and how soon."""
    low, high = attempt.interval
    n = len(attempt.outcomes)
    sooner = attempt.times
    text = (
        f"{attempt.reached} of {n} seed{'s' if n > 1 else ''} reached it "
        f"(95 % confidence interval of the share: {low:.0%} to {high:.0%})"
    )
    if sooner.mean is not None:
        spread = "" if sooner.deviation is None else f" ± {number(sooner.deviation, 'iterations')}"
        text += f", after {number(sooner.mean, 'iterations')}{spread} iterations"
        text += " (the mean over those that did)" if sooner.missed else ""
    return text + ("; one seed says little" if n == 1 else "")


def decision(verdict: Verdict) -> str:
    """The verdict in one sentence."""
    goal, found = verdict.goal, verdict.found
    asked = f"{100 * goal.target:g} % within {goal.within:,} iterations"
    if found is None:
        tested = len(verdict.attempts)
        return f"NOT REACHED: {asked}, by {'the policy' if tested == 1 else f'any of {tested} policies'} tested"
    text = f"REACHED: {asked}, by {found.policy.text}"
    if len(verdict.attempts) > 1:
        text += (
            f"; the {len(verdict.attempts)}th policy tested"
            if len(verdict.attempts) > 3
            else (f"; the {'second' if len(verdict.attempts) == 2 else 'third'} policy tested")
        )
        text += ", and the more are tested, the more one of them may do so by luck"
    return text


def verdict_json(verdict: Verdict, tuned: TuneResult | None, composed: ComposeResult | None) -> dict[str, Any]:
    """The same for programs; what is not known is null."""
    found = verdict.found
    return {
        "target_accuracy": verdict.goal.target,
        "within": verdict.goal.within,
        "share": verdict.goal.share,
        "reached": found is not None,
        "policy": None if found is None else found.policy.text,
        "attempts": [_attempt(attempt) for attempt in verdict.attempts],
        "early_stop_evidence": verdict.evidence,
        "notes": list(verdict.notes),
        "search": None if tuned is None else tune_json(tuned),
        "composing": None if composed is None else {"policy": composed.policy.text, "cost": asdict(composed.cost)},
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    low, high = attempt.interval
    return {
        "phase": attempt.phase,
        "policy": attempt.policy.text,
        "why": attempt.why,
        "reached": attempt.reached,
        "share": attempt.reached / len(attempt.outcomes),
        "confidence_interval": [low, high],
        "iterations_to_target": asdict(attempt.times),
        "seeds": [asdict(outcome) for outcome in attempt.outcomes],
    }
