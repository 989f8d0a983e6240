"""What a range test found, on one screen: accuracy by rate and length, the suggestion, its reasons and its cost."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from lrbench.metrics.summary import summarise
from lrbench.report.formats import NOTHING, mean_and_deviation, mean_of_some
from lrbench.report.style import Style
from lrbench.tuning.range_test import RangeResult
from lrbench.tuning.range_test.fixed import FixedReading
from lrbench.tuning.range_test.result import Column, Cost, Table

MARKS = {"least": "k0", "largest": "k1"}


def range_text(results: Sequence[RangeResult], heading: str, style: Style) -> str:
    """A section for each solver.

    Args:
        heading: the workload's name.
    """
    return "\n\n".join(section for result in results for section in _sections(result, heading, style)) + "\n"


def solver_title(result: RangeResult) -> str:
    """The solver with the parameters that were set, such as ``SGD (momentum=0.9)``."""
    solver = result.solver
    given = [
        f"{name}={value}"
        for name, value in solver.resolved().items()
        if name in solver.model_fields_set and name != "type"
    ]
    return f"{solver.type} ({', '.join(given)})" if given else str(solver.type)


def evaluated_on_title(result: RangeResult) -> str:
    """What accuracies are of, such as ``200 validation images``."""
    return f"{result.judged.images:,} {result.evaluated_on} images"


def _sections(result: RangeResult, heading: str, style: Style) -> Iterator[str]:
    yield style.paragraph(style.title.format(style.clean(f"{heading}: rates for {solver_title(result)}")))
    yield style.paragraph(_measured(result))
    yield style.table(*_table(result))
    yield _suggestion(result)
    yield "\n".join(_bullet(reason, style) for reason in result.reasons)
    yield style.paragraph(cost_text(result.cost))


def _measured(result: RangeResult) -> str:
    seeds = ", ".join(map(str, result.plan.seeds))
    of_what = f"mean ± deviation over the seeds {seeds}" if len(result.plan.seeds) > 1 else f"seed {seeds}"
    text = f"accuracy in % on {evaluated_on_title(result)}, at a fixed rate, {of_what}"
    if any(_some_diverged(table) for table in result.fixed.accuracies.values()):
        text += "; (n=...): of so many seeds, the others diverged"
    if result.evaluated_on == "test":
        text += "; what is chosen by the test set cannot be judged by it"
    if result.solver.lr_scale != 1:
        text += f"; rates are before the solver's lr_scale of {result.solver.lr_scale:g}"
    return text


def _table(result: RangeResult) -> tuple[list[str], list[list[str]]]:
    fixed = result.fixed
    head = ["rate", *(f"after {length:,}" for length in fixed.accuracies), ""]
    rows = [
        [f"{rate:g}", *(_cell(table[:, place]) for table in fixed.accuracies.values()), _mark(result, float(rate))]
        for place, rate in enumerate(fixed.rates)
    ]
    return head, [*rows, ["k0 to k1", *(_reach(result.readings[length]) for length in fixed.accuracies), ""]]


def _cell(accuracies: Column) -> str:
    known = accuracies[np.isfinite(accuracies)]
    if not len(known):
        return "diverged"
    found = summarise(known.tolist())
    if len(known) < len(accuracies):  # those left are no fair sample of a spread
        return mean_of_some(found, len(accuracies), "fraction")
    return mean_and_deviation(found, "fraction")


def _some_diverged(table: Table) -> bool:
    finite = np.isfinite(table)
    return bool((finite.any(axis=0) & ~finite.all(axis=0)).any())


def _mark(result: RangeResult, rate: float) -> str:
    found = result.rates
    marks = [mark for mark, end in zip(MARKS.values(), found or (), strict=False) if end == rate]
    if result.reading is not None and result.reading.best == rate:
        marks.append("best")
    return ", ".join(marks)


def _reach(reading: FixedReading | None) -> str:
    return NOTHING if reading is None else f"{reading.least.rate:g} to {reading.largest.rate:g}"


def _bullet(text: str, style: Style) -> str:
    item = f"- {style.clean(text)}"
    return item if style.width is None else textwrap.fill(item, style.width, subsequent_indent="  ")


def _suggestion(result: RangeResult) -> str:
    if result.rates is None:
        return "no rates to suggest:"
    low, high = result.rates
    return f"search:\n  rates: [{low:.10g}, {high:.10g}]"


def cost_text(cost: Cost) -> str:
    """What the test has taken."""
    return (
        f"cost: {cost.runs} runs, {cost.iterations:,} iterations, {cost.train_seconds:,.0f} s of training and "
        f"{cost.evaluation_seconds:,.0f} s of evaluations, added up over the runs"
    )
