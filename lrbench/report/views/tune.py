"""The outcome of a search: the best policies, the best of each LR function, the confirmation, and the cost."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lrbench.report.document import Block, Column, Document, Heading, Paragraph, Table
from lrbench.report.formats import counted, known_number, objective_heading, status_counts, target_text
from lrbench.report.page.html import search_html
from lrbench.report.page.search import charts
from lrbench.report.views.answer import (
    Answer,
    RunCommand,
    answer_blocks,
    answer_data,
    confirmed_answer,
    searched_answer,
)
from lrbench.report.views.confirmation import (
    baseline_text,
    confirmation_cost,
    confirmation_table,
    confirmed_data,
    judged_on,
    range_cost,
    samples_of,
    spent,
    trained_on,
)
from lrbench.report.views.ranking_data import target_data
from lrbench.tuning.confirm import Confirmed
from lrbench.tuning.importance import Traits, importances, traits
from lrbench.tuning.result import Tried, TuneResult

SHOWN = 5


def tune_document(result: TuneResult, run: RunCommand | None = None) -> Document:
    """The document of a search.

    Args:
        run: makes the command that trains with a policy, where there is a spec to name.
    """
    tried, answer = traits(result), tune_answer(result)
    shares = _shares(tried)
    data = {"importances": shares, "answer": answer_data(answer, result.run_iterations, run)}
    title = f"search for policies: {result.name}"
    return Document(
        [*_blocks(result, shares), *answer_blocks(answer, result.run_iterations, run)],
        lambda: {**tune_data(result), **data},
        lambda: [_tried(tried, result) for tried in result.tried],
        (lambda body: search_html(title, body(), charts(tried, result.objective))) if tried else None,
    )


def tune_answer(result: TuneResult) -> Answer:
    """Return the policy to train with, by the search and its confirmation."""
    if result.confirmed:
        return confirmed_answer(result.confirmed, result.by == "iterations" and result.target is not None)
    if not result.best:
        return Answer(
            "answer: nothing to train with yet; lower search.rates where policies diverge, or try more (search.trials)"
        )
    policy = result.chosen[0]
    value = next(tried.value for tried in result.best if tried.policy == policy.text)
    return searched_answer(policy, len(result.tried), value, result.objective)


def _blocks(result: TuneResult, shares: Mapping[str, float] | None) -> Iterator[Block]:
    yield Heading(f"search for policies: {result.name}" + _with(", with ", result.engine))
    yield Paragraph(judged_on(result.evaluated_on, result.data))
    yield from map(Paragraph, result.declared)
    if len(result.samplers) > 1:
        settings = (
            f"{used['sampler']}, seed {used['seed']}, with Optuna {used['optuna']}"
            if used is not None
            else "not recorded (by an earlier version of LRBench)"
            for used in result.samplers
        )
        yield Paragraph(f"proposed under different settings: {'; '.join(settings)}")
    if not result.best:
        yield Paragraph(f"none of the {len(result.tried)} policies tried was trained to its end: {_counts(result)}")
        return
    yield _best(result)
    if len({tried.function for tried in result.tried}) > 1:
        yield from _functions(result)
    yield from _importances(shares)
    if result.finals:
        yield confirmation_table(
            result.finals,
            result.target,
            f"{result.name}: finals",
            f"the finals, from which one is chosen: the best of the search {_final_seeds(result.finals)}, on the "
            f"{result.evaluated_on} {samples_of(result.data)}:",
            compared=False,
        )
    if result.confirmed:
        yield confirmation_table(
            result.confirmed,
            result.target,
            f"{result.name}: confirmation",
            f"confirmed by full runs from scratch{_with(' with ', result.confirmed_engine)}, "
            f"{trained_on(result.data)}, over seeds that the search did not use:",
        )
        if result.baseline_reason:
            yield Paragraph(baseline_text(result.baseline_reason))
    yield Paragraph(search_cost(result))


def _with(words: str, engine: str | None) -> str:
    """The engine behind words; nothing for a program, which trains itself."""
    return "" if engine == "program" else f"{words}{engine}"


def _final_seeds(finals: Sequence[Confirmed]) -> str:
    fewest, *more = sorted({len(row.outcomes) for row in finals})
    return f"with {fewest} seeds" + "".join(f", the better half of them with {count}" for count in more)


def _best(result: TuneResult) -> Table:
    part = f"{result.evaluated_on} " if result.objective.is_accuracy else ""
    columns = [
        Column("#"),
        Column("policy", "policy"),
        Column(f"{result.objective.at} {part}{objective_heading(result.objective)}"),
    ]
    shown = result.best[:SHOWN]
    rows = [
        [str(place), tried.policy, known_number(tried.value, result.objective.unit)]
        for place, tried in enumerate(shown, start=1)
    ]
    if result.objective.at == "best":
        columns.append(Column("at iteration"))
        for row, tried in zip(rows, shown, strict=True):
            row.append(known_number(tried.iterations_to_best, "iterations"))
    if result.target is not None:
        columns.append(Column(f"iterations to {target_text(result.target)}"))
        for row, tried in zip(rows, shown, strict=True):
            row.append(known_number(tried.iterations_to_target, "iterations"))
    caption = f"{result.name}: the best policies of the search"
    return Table(columns, rows, (caption,), caption)


def _functions(result: TuneResult) -> Iterator[Block]:
    """A row for each of the best functions, and how often the others were tried."""
    names = list(dict.fromkeys(tried.function for tried in [*result.ranked, *result.tried]))
    known = {tried.function for tried in result.ranked}
    shown = [name for name in names if name in known][:SHOWN]
    columns = [
        Column("function", "text"),
        Column("tried"),
        Column("iterations"),
        Column("best policy", "policy"),
        Column(objective_heading(result.objective)),
    ]
    others = [f"{name} {sum(tried.function == name for tried in result.tried)}" for name in names if name not in shown]
    notes = [f"other functions, and how often tried: {', '.join(others)}"] if others else []
    notes += [result.allocation] if result.allocation else []
    caption = f"{result.name}: the best policy of each LR function"
    rows = []
    for name in shown:
        own = [tried for tried in result.tried if tried.function == name]
        best = next(tried for tried in result.ranked if tried.function == name)
        iterations, value = sum(tried.iterations for tried in own), known_number(best.value, result.objective.unit)
        rows.append([name, str(len(own)), f"{iterations:,}", best.policy, value])
    yield Table(columns, rows, (caption,), caption, notes=tuple(notes))


_TRAITS = {"rate": "rate", "function": "LR function", "length": "length"}


def _shares(tried: Sequence[Traits]) -> Mapping[str, float] | None:
    """Return the importances of traits; None where the package that computes them is not installed."""
    try:
        return importances(tried)
    except ImportError:
        return None


def _importances(shares: Mapping[str, float] | None) -> Iterator[Paragraph]:
    """Yield a sentence on how much the traits of policies decide; none where too few policies were trained."""
    if shares is None:
        yield Paragraph("what decides: not known without scikit-learn; pip install 'lrbench[importance]'")
    elif shares:
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        parts = ", ".join(f"{_TRAITS[name]} {share:.0%}" for name, share in ordered)
        yield Paragraph(
            f"what decides: {parts} (importances by fANOVA; rate: the largest of the run; length: share of it with "
            "half of that or more); --format html draws each policy by them"
        )


def search_cost(result: TuneResult) -> str:
    """Return the cost of the search, the finals and the confirmation."""
    runs = result.iterations / result.run_iterations
    text = (
        f"cost of the search: {counted(len(result.tried), 'policy', 'policies')} ({_counts(result)}), "
        f"{result.iterations:,} training iterations = {runs:.1f} full runs, "
        f"{result.seconds:,.0f} s added up over the runs"
    )
    if result.range_cost is not None:
        text += f"; {range_cost(result.range_cost)}"
    if result.finals:  # beyond the search, whose own runs are the first of each finalist
        known = {tried.run for tried in result.tried}
        more = [outcome for row in result.finals for outcome in row.outcomes if outcome.run not in known]
        text += f"; of the finals: {spent(more, ' more')}"
    if result.confirmed:
        text += "; " + confirmation_cost(result.confirmed)
    return text


_NAMES = {"pending": "given up early", "running": "under way"}


def _counts(result: TuneResult) -> str:
    counts = collections.Counter(_NAMES.get(tried.status, tried.status) for tried in result.tried)
    return status_counts(dict(sorted(counts.items())))


def _tried(tried: Tried, result: TuneResult) -> dict[str, Any]:
    """A policy tried, with the values of the objective: ``best_accuracy`` or ``best_value``, and ``final_value``."""
    data = asdict(tried)
    best, final = data.pop("best_value"), data.pop("final_value")
    if not result.objective.is_accuracy:
        data = {("best_value" if name == "best_accuracy" else name): value for name, value in data.items()}
        data["best_value"] = best
    if result.objective.at == "final":
        data["final_value"] = final
    return data


def tune_data(result: TuneResult) -> dict[str, Any]:
    """The search with every policy tried."""
    return {
        "name": result.name,
        "objective": result.objective.metric if result.by == "value" else result.by,
        **target_data(result.target),
        "chosen_on": result.evaluated_on,
        "data": result.data,
        "notes": list(result.declared),
        "engine": result.engine,
        "confirmed_engine": result.confirmed_engine,
        "samplers": list(result.samplers),
        "allocation": result.allocation or None,
        "best": [_tried(tried, result) for tried in result.best[:SHOWN]],
        "tried": [_tried(tried, result) for tried in result.tried],
        "cost": {
            "iterations": result.iterations,
            "full_runs": result.iterations / result.run_iterations,
            "seconds": result.seconds,
        },
        "range_test_cost": None if result.range_cost is None else asdict(result.range_cost),
        "baselines_are": result.baseline_reason or None,
        "finals": confirmed_data(result.finals),
        "confirmed": confirmed_data(result.confirmed),
    }
