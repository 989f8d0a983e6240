"""What a search found, on one screen: the best policies, each LR function's best, the confirmation, and the cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from lrbench.report.confirmed import confirmation_table, confirmed_json
from lrbench.report.formats import NOTHING, number
from lrbench.report.style import Style
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.tune import Tried, TuneResult

SHOWN = 5


def tune_text(result: TuneResult, style: Style) -> str:
    """All of it; each paragraph stands alone."""
    return "\n\n".join(_sections(result, style)) + "\n"


def _sections(result: TuneResult, style: Style) -> Iterator[str]:
    yield style.title.format(style.clean(f"search for policies: {result.name}, with {result.engine}"))
    yield style.paragraph(judged_on(result.evaluated_on, result.data))
    if not result.best:
        yield f"none of the {len(result.tried)} policies tried was trained to its end: {_counts(result)}"
        return
    yield _best(result, style)
    if len({tried.function for tried in result.tried}) > 1:
        yield _functions(result, style)
    if result.finals:
        yield style.paragraph(
            f"the finals, from which one is chosen: the best of the search, each with "
            f"{len(result.finals[0].outcomes)} seeds, on the {result.evaluated_on} images:"
        )
        yield confirmation_table(result.finals, result.target, style, compared=False)
    if result.confirmed:
        yield style.paragraph(
            f"confirmed by full runs from scratch with {result.confirmed_engine}, trained on the "
            "whole training set and judged on the test set, over seeds that the search did not use:"
        )
        yield confirmation_table(result.confirmed, result.target, style)
    yield style.paragraph(cost_text(result))


def judged_on(evaluated_on: str, data: str) -> str:
    """What policies were chosen on, and a warning where that is the test set."""
    if evaluated_on == "validation":
        return f"chosen on validation images, which were held out of the training set: {data}"
    return (
        f"CHOSEN ON THE TEST SET of {data} (search.validation is 0): the accuracies of what was chosen are too "
        "high by what luck there is in picking the best"
    )


def _best(result: TuneResult, style: Style) -> str:
    head = ["#", "policy", f"best {result.evaluated_on} accuracy %", "at iteration"]
    if result.target is not None:
        head.append(f"iterations to {100 * result.target:g} %")
    rows = [
        [str(place), style.clean(tried.policy), *_values(tried, result)]
        for place, tried in enumerate(result.best[:SHOWN], start=1)
    ]
    return style.table(head, rows)


def _values(tried: Tried, result: TuneResult) -> list[str]:
    cells = [
        NOTHING if tried.best_accuracy is None else number(tried.best_accuracy, "fraction"),
        _count(tried.iterations_to_best),
    ]
    return cells if result.target is None else [*cells, _count(tried.iterations_to_target)]


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _functions(result: TuneResult, style: Style) -> str:
    """A row for each of the best functions, and how often the others were tried."""
    names = list(dict.fromkeys(tried.function for tried in [*result.ranked, *result.tried]))
    known = {tried.function for tried in result.ranked}
    shown = [name for name in names if name in known][:SHOWN]
    head = ["function", "tried", "iterations", "best policy", "accuracy %"]
    table = style.table(head, [_function(name, result, style) for name in shown], left=("function",))
    others = [
        f"{style.clean(name)} {sum(tried.function == name for tried in result.tried)}"
        for name in names
        if name not in shown
    ]
    if not others:
        return table
    return f"{table}\n\n{style.paragraph('other functions, and how often tried: ' + ', '.join(others))}"


def _function(name: str, result: TuneResult, style: Style) -> list[str]:
    own = [tried for tried in result.tried if tried.function == name]
    best = next(tried for tried in result.ranked if tried.function == name)
    return [
        style.clean(name),
        str(len(own)),
        f"{sum(tried.iterations for tried in own):,}",
        style.clean(best.policy),
        NOTHING if best.best_accuracy is None else number(best.best_accuracy, "fraction"),
    ]


def cost_text(result: TuneResult) -> str:
    """What the search and the confirmation took."""
    runs = result.iterations / result.run_iterations
    text = (
        f"cost of the search: {len(result.tried)} policies ({_counts(result)}), {result.iterations:,} training "
        f"iterations = {runs:.1f} full runs, {result.seconds:,.0f} s added up over the runs"
    )
    if result.finals:
        text += "; " + _finals_cost(result)
    if result.confirmed:
        text += "; " + confirmation_cost(result.confirmed)
    return text


def _finals_cost(result: TuneResult) -> str:
    """What the finals took beyond the search, whose own runs are the first of each finalist."""
    known = {tried.run for tried in result.tried}
    more = [outcome for row in result.finals for outcome in row.outcomes if outcome.run not in known]
    return (
        f"of the finals: {len(more)} runs more, {sum(outcome.iterations for outcome in more):,} iterations, "
        f"{sum(outcome.seconds for outcome in more):,.0f} s"
    )


def confirmation_cost(confirmed: Sequence[Confirmed]) -> str:
    """What the confirming runs took."""
    outcomes = [outcome for row in confirmed for outcome in row.outcomes]
    return (
        f"of the confirmation: {len(outcomes)} runs, {sum(outcome.iterations for outcome in outcomes):,} "
        f"iterations, {sum(outcome.seconds for outcome in outcomes):,.0f} s"
    )


_NAMES = {"pending": "given up early", "running": "under way"}


def _counts(result: TuneResult) -> str:
    counts: dict[str, int] = {}
    for tried in result.tried:
        name = _NAMES.get(tried.status, tried.status)
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def tune_json(result: TuneResult) -> dict[str, Any]:
    """The same with every policy tried; what is not known is null."""
    return {
        "name": result.name,
        "objective": result.objective,
        "target_accuracy": result.target,
        "chosen_on": result.evaluated_on,
        "data": result.data,
        "engine": result.engine,
        "confirmed_engine": result.confirmed_engine,
        "best": [asdict(tried) for tried in result.best[:SHOWN]],
        "tried": [asdict(tried) for tried in result.tried],
        "cost": {
            "iterations": result.iterations,
            "full_runs": result.iterations / result.run_iterations,
            "seconds": result.seconds,
        },
        "finals": confirmed_json(result.finals),
        "confirmed": confirmed_json(result.confirmed),
    }
