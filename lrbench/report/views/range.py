"""The outcome of a range test: the objective by rate and length, the suggestion, its reasons and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from lrbench.metrics.metric import Unit
from lrbench.metrics.summary import summarise
from lrbench.report.document import Block, Code, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.document import Column as TableColumn
from lrbench.report.formats import EQUAL_SEEDS, NOTHING, counted, mean_and_deviation, mean_of_some
from lrbench.report.views.answer import next_commands
from lrbench.spec.program import ProgramArguments
from lrbench.tuning.baselines import cosine_from
from lrbench.tuning.range_test.result import RangeCost, RangeResult
from lrbench.tuning.range_test.sweep import Column

MARKS = {"least": "k0", "largest": "k1"}


def range_document(results: Sequence[RangeResult], workload: str, iterations: int | None = None) -> Document:
    """The document of range tests, one for each solver.

    Args:
        workload: its name.
        iterations: of a run, for the command that exports a schedule from the peak rate; None: there is none.
    """
    blocks = [block for result in results for block in _blocks(result, workload)]
    if iterations is not None:
        blocks += [command for result in results for command in _commands(result, iterations)]
    return Document(
        blocks,
        lambda: {"workload": workload, "solvers": [_solver(result) for result in results]},
        partial(_records, results),
    )


def solver_title(result: RangeResult) -> str:
    """The solver with the parameters that were set, such as ``SGD (momentum=0.9)``; of a program its arguments."""
    solver = result.solver
    if isinstance(solver, ProgramArguments):
        return solver.label
    given = [
        f"{name}={value}"
        for name, value in solver.resolved().items()
        if name in solver.model_fields_set and name != "type"
    ]
    return f"{solver.type} ({', '.join(given)})" if given else str(solver.type)


def evaluated_on_title(result: RangeResult) -> str:
    """Return the data that values are measured on: ``200 validation images``, or ``its validation data``."""
    if result.scale.images is None:
        return f"its {result.evaluated_on} data"
    return f"{result.scale.images:,} {result.evaluated_on} images"


def _blocks(result: RangeResult, workload: str) -> Iterator[Block]:
    of_what = solver_title(result)
    title = f"{workload}: rates for {of_what}" if of_what else f"{workload}: rates"
    yield Heading(title)
    yield Paragraph(_measured(result))
    yield from map(Paragraph, result.declared)
    yield _table(result, title)
    if result.search_rates is None:
        yield Paragraph("no rates to suggest:")
    else:
        low, high = result.search_rates
        yield Code(f"search:\n  rates: [{low:.10g}, {high:.10g}]")
    yield Items(result.reasons, bullets=True)
    yield Paragraph(cost_text(result.cost))
    yield Paragraph(peak_text(result))


def peak_text(result: RangeResult) -> str:
    """Return the peak rate that the test suggests, and why, in a sentence."""
    if result.peak is None:
        return "answer: no rate to begin with was found"
    return f"answer: begin with a peak rate of {result.peak.rate:.10g}, {result.peak.reason}"


def _commands(result: RangeResult, iterations: int) -> Iterator[Command]:
    """The export of a cosine from the peak rate."""
    if result.peak is not None:
        policy = cosine_from(result.peak.rate, result.solver, iterations)
        for text, _ in next_commands(policy, iterations, None):
            title = solver_title(result)
            yield Command(text, f"a cosine from the peak rate{f' for {title}' if title else ''}, not trained yet")


def _measured(result: RangeResult) -> str:
    seeds = ", ".join(map(str, result.plan.seeds))
    of_what = f"mean ± deviation over the seeds {seeds}" if len(result.plan.seeds) > 1 else f"seed {seeds}"
    if result.equal_seeds:
        of_what = f"seeds {seeds}: {EQUAL_SEEDS}"
    unit = " in %" if result.objective.unit == "fraction" else ""
    text = f"{result.objective.title}{unit} on {evaluated_on_title(result)}, at a fixed rate, {of_what}"
    finite = map(np.isfinite, result.fixed.values.values())
    if any((known.any(axis=0) & ~known.all(axis=0)).any() for known in finite):
        text += "; (n=...): of so many seeds, the others diverged"
    if result.evaluated_on == "test":
        text += "; what is chosen by the test set cannot be judged by it"
    if result.solver.lr_scale != 1:
        text += f"; rates are before the solver's lr_scale of {result.solver.lr_scale:g}"
    return text


def _table(result: RangeResult, title: str) -> Table:
    fixed, unit = result.fixed, result.objective.unit
    lengths = (TableColumn(f"after {length:,}") for length in fixed.values)
    rows = [
        [
            f"{rate:g}",
            *(_cell(table[: 1 if result.equal_seeds else None, place], unit) for table in fixed.values.values()),
            _mark(result, float(rate)),
        ]
        for place, rate in enumerate(fixed.rates)
    ]
    readings = [result.readings[length] for length in fixed.values]
    reaches = [NOTHING if each is None else f"{each.least.rate:g} to {each.largest.rate:g}" for each in readings]
    rows.append(["k0 to k1", *reaches, ""])
    return Table([TableColumn("rate"), *lengths, TableColumn("")], rows, (title,), title)


def _cell(values: Column, unit: Unit) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "diverged"
    found = summarise(known.tolist())
    if len(known) < len(values):  # those left are no fair sample of a spread
        return mean_of_some(found, len(values), unit)
    return mean_and_deviation(found, unit)


def _mark(result: RangeResult, rate: float) -> str:
    found = result.rates
    marks = [mark for mark, end in zip(MARKS.values(), found or (), strict=False) if end == rate]
    if result.reading is not None and result.reading.best == rate:
        marks.append("best")
    return ", ".join(marks)


def cost_text(cost: RangeCost) -> str:
    """Return the cost of the range test."""
    return (
        f"cost: {counted(cost.runs, 'run', 'runs')}, {cost.iterations:,} iterations, {cost.train_seconds:,.0f} s of "
        f"training and {cost.evaluation_seconds:,.0f} s of evaluations, added up over the runs"
    )


def _solver(result: RangeResult) -> dict[str, Any]:
    return {
        "solver": result.solver.resolved(),
        "rates": result.rates,
        "search_rates": result.search_rates,
        **({} if result.objective.is_accuracy else {"objective": result.objective.stored()}),
        "peak": None if result.peak is None else asdict(result.peak),
        "reasons": result.reasons,
        "evaluated_on": result.evaluated_on,
        "seeds_change_nothing": result.equal_seeds,
        "notes": list(result.declared),
        "images": result.scale.images,
        "seeds": result.plan.seeds,
        "bounds": [result.plan.low, result.plan.high],
        "sweep": {
            "iterations": result.plan.swept,
            "start": result.sweep.start,
            "end": result.sweep.end,
            "of_seeds": [None if fall is None else asdict(fall) for fall in result.sweep.falls],
            "rates": result.sweeps.rates.tolist(),
            "train_loss": result.sweeps.losses.tolist(),
            result.objective.column: result.sweeps.values.tolist(),
        },
        "fixed": [_length(result, length) for length in result.plan.lengths],
        "cost": asdict(result.cost),
    }


def _length(result: RangeResult, length: int) -> dict[str, Any]:
    reading = result.readings[length]
    found = None if reading is None else asdict(reading)
    if found is not None and not result.objective.is_accuracy:
        found["value"] = found.pop("accuracy")
    return {
        "iterations": length,
        "rates": result.fixed.rates.tolist(),
        result.objective.column: result.fixed.values[length].tolist(),
        "reading": found,
    }


def _records(results: Sequence[RangeResult]) -> list[dict[str, Any]]:
    """A record for each run at a fixed rate."""
    return [
        {
            "solver": solver_title(result),
            "iterations": length,
            "rate": float(rate),
            "seed": seed,
            result.objective.column: None if np.isnan(value) else float(value),
        }
        for result in results
        for length, table in result.fixed.values.items()
        for seed, row in zip(result.plan.seeds, table, strict=True)
        for rate, value in zip(result.fixed.rates, row, strict=True)
    ]
