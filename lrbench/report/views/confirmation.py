"""Policies confirmed over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lrbench.metrics.objective import AnyTarget, Objective
from lrbench.metrics.registry import Unit
from lrbench.metrics.summary import Summary
from lrbench.report.document import Cell, Column, Table
from lrbench.report.formats import (
    EQUAL_SEEDS,
    NOTHING,
    counted,
    known_number,
    mean_and_deviation,
    number,
    objective_heading,
    p_value,
    target_text,
    unit_text,
)
from lrbench.report.significance import shown_by, test_title
from lrbench.runs.declarations import OWN_DATA
from lrbench.statistics.all_pairs import all_pairs
from lrbench.statistics.two_values import why_untested
from lrbench.statistics.verdicts import p_values
from lrbench.tuning.confirm import Confirmed, SeedOutcome
from lrbench.tuning.range_test.result import RangeCost

SOONER, AGAINST = "times sooner than the last", "against the first"


def confirmation_table(
    confirmed: Sequence[Confirmed], target: AnyTarget | None, caption: str, lead: str, *, compared: bool = True
) -> Table:
    """A row a policy: the objective over the seeds, and the mean iterations to the target of those that reached it.

    Args:
        compared: also how many times those of the last row the iterations are, and how values differ from the first
            row's that has one.
    """
    objective = confirmed[0].objective
    by, beside = ("final", "best") if confirmed[0].at == "final" else ("best", "final")
    columns = [
        Column("", "text"),
        Column("policy", "policy"),
        Column(f"{by} {objective_heading(objective)}"),
        Column(f"{beside}{unit_text(objective.unit)}"),
        Column("seeds"),
    ]
    if target is not None:
        columns += [Column(f"iterations to {target_text(target)}"), Column("reached")]
    timed = compared and any(row.ratio_to(confirmed[-1]).mean is not None for row in confirmed[:-1])
    columns += [*([Column(SOONER)] if timed else []), *([Column(AGAINST, "text")] if compared else [])]
    first = next((row for row in confirmed if row.value.mean is not None), confirmed[0])
    rows: list[list[Cell | str]] = []
    values = [row.value for row in confirmed]
    against_first = p_values(values, confirmed.index(first))
    for row, p in zip(confirmed, against_first, strict=True):
        ratio = row.ratio_to(confirmed[-1]) if row is not confirmed[-1] else Summary(None, None, 0)
        points = "" if row is first else difference(first.value, row.value, p, objective.unit)
        rows.append(
            [
                *_cells(row, target),
                *([_ratio(ratio, 1 if row.equal_seeds else len(row.outcomes))] if timed else []),
                *([points] if compared else []),
            ]
        )
    tests = all_pairs(values) if compared else None
    notes = () if tests is None else (f"p: {test_title(tests)}", shown_by(tests, objective.unit))
    return Table(columns, rows, (caption,), caption, lead, notes)


def _cells(row: Confirmed, target: AnyTarget | None) -> list[str]:
    n = len(row.outcomes)
    diverged = f" ({row.diverged} diverged)" if row.diverged else ""
    beside = row.value_at("best" if row.at == "final" else "final")
    values = [mean_and_deviation(row.value, row.objective.unit), known_number(beside.mean, row.objective.unit)]
    equal = f" ({EQUAL_SEEDS})" if row.equal_seeds else ""
    cells = [row.role, row.policy.text, *values, f"{n}{diverged}{equal}"]
    return cells if target is None else [*cells, mean_and_deviation(row.to_target, "iterations"), f"{row.reached}/{n}"]


def _ratio(ratio: Summary, seeds: int) -> str:
    """Return a ratio, such as ``2.10 ± 0.20``, with ``(1/2)`` where 1 of 2 seeds reached the target with both."""
    if ratio.mean is None:
        return NOTHING
    spread = "" if ratio.deviation is None else f" ± {ratio.deviation:.2f}"
    return f"{ratio.mean:.2f}{spread}" + (f" ({ratio.n}/{seeds})" if ratio.n < seeds else "")


def difference(first: Summary, second: Summary, p: float | None, unit: Unit = "fraction") -> str:
    """Return how far the second's mean lies above the first's, and whether that is more than the seeds' noise.

    Fractions differ by points.

    Args:
        p: p-value of the difference, corrected for all pairs of the table; None where there is none.
    """
    if first.mean is None or second.mean is None:
        return NOTHING
    more = second.mean - first.mean
    points = f"{100 * more:+.2f} points" if unit == "fraction" else f"{'+' if more >= 0 else ''}{number(more, unit)}"
    return f"{points}, {why_untested(first, second) if p is None else p_value(p)}"


def confirmation_cost(confirmed: Sequence[Confirmed]) -> str:
    """Return the cost of the confirming runs."""
    return f"of the confirmation: {spent([outcome for row in confirmed for outcome in row.outcomes])}"


def spent(outcomes: Sequence[SeedOutcome], more: str = "") -> str:
    """Return what runs took, such as ``2 runs, 600 iterations, 31 s``; ``more`` follows their number."""
    iterations, seconds = sum(each.iterations for each in outcomes), sum(each.seconds for each in outcomes)
    return f"{counted(len(outcomes), 'run', 'runs')}{more}, {iterations:,} iterations, {seconds:,.0f} s"


def baseline_text(reason: str) -> str:
    """Return the sentence on baselines that the spec does not name."""
    return f"baseline: {reason}; search.baselines names others"


def range_cost(cost: RangeCost) -> str:
    """Return the cost of a range test as a part of that of a search."""
    runs = counted(cost.runs, "run", "runs")
    return f"of the range test before it: {runs}, {cost.iterations:,} iterations, {cost.seconds:,.0f} s"


def confirmed_data(confirmed: Sequence[Confirmed]) -> list[dict[str, Any]]:
    """Each policy with every seed."""
    return [
        {
            "policy": row.policy.text,
            "role": row.role,
            **{f"{at}_{row.objective.metric}": asdict(row.value_at(at)) for at in ("best", "final")},
            "iterations_to_target": asdict(row.to_target),
            "diverged": row.diverged,
            "times_sooner_than_last": asdict(row.ratio_to(confirmed[-1])),
            "seeds": [_seed(outcome, row.objective) for outcome in row.outcomes],
        }
        for row in confirmed
    ]


def _seed(outcome: SeedOutcome, objective: Objective) -> dict[str, Any]:
    """A run; without what it does not measure, and without values of the objective where they are accuracies."""
    data = asdict(outcome)
    if objective.is_accuracy:
        left_out = {"best_value", "final_value"}
    else:
        left_out = {name for name in ("best_accuracy", "final_accuracy") if data[name] is None}
    return {name: value for name, value in data.items() if name not in left_out}


def judged_on(evaluated_on: str, data: str) -> str:
    """Return the data that policies were chosen on, with a warning where they are the test set."""
    if data == OWN_DATA:
        if evaluated_on == "validation":
            return "chosen on the validation data of the program"
        return (
            "CHOSEN ON THE TEST DATA of the program: the values of what was chosen are too good by what luck there is "
            "in picking the best"
        )
    if evaluated_on == "validation":
        return f"chosen on validation images, which were held out of the training set: {data}"
    return (
        f"CHOSEN ON THE TEST SET of {data} (search.validation is 0): the accuracies of what was chosen are too "
        "high by what luck there is in picking the best"
    )


def samples_of(data: str) -> str:
    """Return the noun for the samples of a data set: ``data`` of a program, else ``images``."""
    return "data" if data == OWN_DATA else "images"


def trained_on(data: str) -> str:
    """Return what the confirming runs were trained and judged on."""
    if data == OWN_DATA:
        return "judged on its test data"
    return "trained on the whole training set and judged on the test set"
