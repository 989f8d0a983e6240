"""Policies confirmed over seeds, as a table and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lrbench.metrics.summary import Summary
from lrbench.report.formats import NOTHING, mean_and_deviation
from lrbench.report.statistics import welch
from lrbench.report.style import Style
from lrbench.tuning.confirm import Confirmed

SOONER, AGAINST = "times sooner than the last", "against the first"


def confirmation_table(
    confirmed: Sequence[Confirmed], target: float | None, style: Style, *, compared: bool = True
) -> str:
    """A row a policy: accuracy over the seeds, and iterations to the target, the mean over the seeds that reached it.

    Args:
        compared: also how many times those of the last row the iterations are, and how accuracies differ from the first
            row's that has one.
    """
    head = ["", "policy", "best accuracy %", "seeds"]
    if target is not None:
        head += [f"iterations to {100 * target:g} %", "reached"]
    timed = compared and any(row.ratio_to(confirmed[-1]).mean is not None for row in confirmed[:-1])
    head += [*([SOONER] if timed else []), *([AGAINST] if compared else [])]
    first = next((row for row in confirmed if row.accuracy.mean is not None), confirmed[0])
    rows = []
    for row in confirmed:
        ratio = row.ratio_to(confirmed[-1]) if row is not confirmed[-1] else Summary(None, None, 0)
        points = "" if row is first else difference(first.accuracy, row.accuracy)
        rows.append(
            [
                *_cells(row, target, style),
                *([_ratio(ratio, len(row.outcomes))] if timed else []),
                *([points] if compared else []),
            ]
        )
    return style.table(head, rows, left=("", AGAINST))


def _cells(row: Confirmed, target: float | None, style: Style) -> list[str]:
    n = len(row.outcomes)
    diverged = f" ({row.diverged} diverged)" if row.diverged else ""
    cells = [row.role, style.clean(row.policy.text), mean_and_deviation(row.accuracy, "fraction"), f"{n}{diverged}"]
    return (
        cells if target is None else [*cells, mean_and_deviation(row.to_target, "iterations"), f"{row.to_target.n}/{n}"]
    )


def _ratio(ratio: Summary, seeds: int) -> str:
    """Such as ``2.10 ± 0.20``, or ``2.10 (1/2)`` where only 1 of 2 seeds reached the target with both policies."""
    if ratio.mean is None:
        return NOTHING
    spread = "" if ratio.deviation is None else f" ± {ratio.deviation:.2f}"
    return f"{ratio.mean:.2f}{spread}" + (f" ({ratio.n}/{seeds})" if ratio.n < seeds else "")


def difference(first: Summary, second: Summary) -> str:
    """How much the second's mean lies above the first's, in points, and whether that is more than the seeds' noise."""
    if first.mean is None or second.mean is None:
        return NOTHING
    points = f"{100 * (second.mean - first.mean):+.2f} points"
    if min(first.n, second.n) < 2:
        return f"{points}, one seed"
    p = welch(first, second)
    if p is None:
        return f"{points}, no spread"
    return f"{points}, p={p:.2g}" if p >= 0.001 else f"{points}, p<0.001"


def confirmed_json(confirmed: Sequence[Confirmed]) -> list[dict[str, Any]]:
    """The same with every seed; what is not known is null."""
    return [
        {
            "policy": row.policy.text,
            "role": row.role,
            "best_accuracy": asdict(row.accuracy),
            "iterations_to_target": asdict(row.to_target),
            "diverged": row.diverged,
            "times_sooner_than_last": asdict(row.ratio_to(confirmed[-1])),
            "seeds": [asdict(outcome) for outcome in row.outcomes],
        }
        for row in confirmed
    ]
