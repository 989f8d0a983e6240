"""The answer at the end of a search: what to train with, how sure that is, and the commands that use it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.errors import plain
from lrbench.metrics.objective import Objective
from lrbench.metrics.summary import Summary
from lrbench.policies import Policy
from lrbench.report.document import Block, Command, Paragraph
from lrbench.report.formats import counted, mean_and_deviation, p_value, with_unit
from lrbench.statistics.all_pairs import LEVEL, all_pairs
from lrbench.statistics.planning import seeds_for
from lrbench.statistics.two_values import why_untested
from lrbench.statistics.verdicts import p_values
from lrbench.tuning.composing.building import COMPOSED, SINGLE
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.result import FOUND

RunCommand = Callable[[str], str]
"""Makes the ``lrbench run`` of a policy's text with the spec and options of the command that answers."""


@dataclass(frozen=True)
class Answer:
    """The policy to train with, and the reason.

    Attributes:
        text: a sentence or two that say how sure it is.
        policy: None where nothing is to be recommended.
    """

    text: str
    policy: Policy | None = None


def answer_blocks(answer: Answer, iterations: int, run: RunCommand | None) -> Iterator[Block]:
    """Yield the answer and the commands that use its policy."""
    yield Paragraph(answer.text)
    yield from (Command(text, why) for text, why in next_commands(answer.policy, iterations, run))


def answer_data(answer: Answer, iterations: int, run: RunCommand | None) -> dict[str, Any]:
    """Return the answer for programs."""
    commands = [text for text, _ in next_commands(answer.policy, iterations, run)]
    return {"text": answer.text, "policy": None if answer.policy is None else answer.policy.text, "next": commands}


def next_commands(policy: Policy | None, iterations: int, run: RunCommand | None) -> Iterator[tuple[str, str]]:
    """Yield the commands that use a policy: its export, and where it reacts to evaluations the run with it."""
    if policy is None:
        return
    if not policy.closed_loop:
        length = ["--iterations", str(iterations)]
        words = ["lrbench", "export", policy.text, "--to", "torch", *length, "-o", "schedule.py"]
        yield plain(shlex.join(words)), "the policy for your own PyTorch"
    elif run is not None:
        yield run(policy.text), "trains with it: its rates depend on the evaluations of a run"


def confirmed_answer(rows: Sequence[Confirmed], by_time: bool) -> Answer:
    """Return the answer of confirmed policies.

    Args:
        rows: those that were found first, in order; then what they are compared with.
        by_time: whether policies are judged by the iterations to the target instead of their value.
    """
    found = [row for row in rows if row.role in (FOUND, COMPOSED) and _usable(row, by_time)]
    beside = sorted(
        (row for row in rows if row.role not in (FOUND, COMPOSED)), key=lambda row: (_order(row, by_time), row.role)
    )
    usable = [row for row in beside if _usable(row, by_time)]
    if found and (usable or (beside and by_time)):
        return _compared(rows, found[0], beside[0], by_time)
    if found:
        alone = f"no {_role(beside[0])} trained with every seed" if beside else "nothing was confirmed beside it"
        text = f"answer: train with {found[0].policy.text}: {_shown(found[0], by_time)}; {alone}"
        return Answer(text, found[0].policy)
    problem = "never reached the target" if by_time else "diverged or failed"
    text = f"what was found {problem} with some seeds; lower search.rates, or try more policies (search.trials)"
    if not usable:
        return Answer(f"answer: nothing to train with: {text}")
    best = usable[0]
    named = f"the {_role(best)} {best.policy.text}"
    return Answer(f"answer: train with {named}: {_shown(best, by_time)}; {text}", best.policy)


def _compared(rows: Sequence[Confirmed], chosen: Confirmed, other: Confirmed, by_time: bool) -> Answer:
    """The answer of the policy found and the best that it is compared with; the test is over all rows."""
    measures = [_measure(row, by_time) for row in rows]
    ours, theirs = _measure(chosen, by_time), _measure(other, by_time)
    missed = by_time and any(row.reached < len(row.outcomes) for row in (chosen, other))
    p = None if missed else p_values(measures, rows.index(chosen))[rows.index(other)]
    why = p_value(p) if p is not None else "missed" if missed else why_untested(ours, theirs)
    sure = p is not None and p < LEVEL
    take = "" if sure else f"; {_what_would_tell(measures, ours, theirs)}"
    mine, its = (f"{row.policy.text}: {_shown(row, by_time)}" for row in (chosen, other))
    if _order(chosen, by_time) < _order(other, by_time):
        how = "better than" if sure else "it may be luck that it did better than"
        return Answer(f"answer: train with {mine}; {how} the {_role(other)} {its} ({why}){take}", chosen.policy)
    return Answer(
        f"answer: the {_role(other)} was not beaten, train with {its}; against {mine} ({why}){take}; a longer search "
        "(search.trials) may find a better one",
        other.policy,
    )


def _what_would_tell(measures: Sequence[Summary], first: Summary, second: Summary) -> str:
    """Return how many seeds would probably show a difference as large as the one that was seen."""
    if first.equal_seeds or second.equal_seeds:
        return "seeds change nothing here, so that more of them cannot tell either"
    tests = all_pairs(measures)
    if tests is None or not tests.deviation or first.mean is None or second.mean is None:
        return "more seeds would say how far chance goes"
    count = seeds_for(abs(first.mean - second.mean) / tests.deviation, len(tests.means))
    if count is None:
        return "the two hardly differ, and no number of seeds in reach would tell them apart"
    return f"about {count} seeds each would tell, if the difference is as large as it looks"


def _measure(row: Confirmed, by_time: bool) -> Summary:
    return row.to_target if by_time else row.value


def _order(row: Confirmed, by_time: bool) -> tuple[float, ...]:
    """The sort key, the best first; policies that diverge with some seeds come behind those that do not."""
    if by_time:
        return (float(bool(row.diverged)), *row.to_target.order)
    mean = row.value.mean
    return float(bool(row.diverged)), math.inf if mean is None else -row.objective.order(mean)


def _usable(row: Confirmed, by_time: bool) -> bool:
    """Whether a policy trains with every seed, and reaches the target where that is asked for."""
    return not row.diverged and _measure(row, by_time).mean is not None


def _role(row: Confirmed) -> str:
    return f"{row.role} policy" if row.role == SINGLE else row.role


def _shown(row: Confirmed, by_time: bool) -> str:
    """A policy's value over its seeds, such as ``95.20 ± 0.60 % (3 seeds)``."""
    count = 1 if row.equal_seeds else len(row.outcomes)
    seeds = counted(count, "seed", "seeds") + (f", {row.diverged} diverged" if row.diverged else "")
    if not by_time:
        value = mean_and_deviation(row.value, row.objective.unit)
        return f"{f'{value} %' if row.objective.unit == 'fraction' else f'{row.objective.title} {value}'} ({seeds})"
    if row.to_target.mean is None:
        return f"the target never reached ({seeds})"
    return f"{mean_and_deviation(row.to_target, 'iterations')} iterations to the target ({seeds})"


def searched_answer(policy: Policy, count: int, value: float | None, objective: Objective) -> Answer:
    """Return the answer of a search whose best policy was not confirmed."""
    shown = "" if value is None else f", {with_unit(value, objective.unit)} in the search"
    return Answer(
        f"answer: {policy.text} is the best of {count} policies tried{shown}, and not confirmed: the best of many is "
        "partly luck, and search.confirm trains it on the whole training set",
        policy,
    )
