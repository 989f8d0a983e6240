"""What a range test found, as JSON: every curve and number that the table and the picture show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from lrbench.report.untrusted import plain, printable_json
from lrbench.tuning.range_test import RangeResult


def range_json(results: Sequence[RangeResult], heading: str) -> bytes:
    """A document with one item a solver; NaN is null, as is a suggestion that there is none of."""
    document = {"workload": plain(heading), "solvers": [_solver(result) for result in results]}
    return printable_json(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _solver(result: RangeResult) -> dict[str, Any]:
    return {
        "solver": result.solver.resolved(),
        "rates": result.rates,
        "reasons": result.reasons,
        "evaluated_on": result.evaluated_on,
        "images": result.judged.images,
        "seeds": result.plan.seeds,
        "bounds": [result.plan.low, result.plan.high],
        "sweep": {
            "iterations": result.plan.swept,
            "start": result.sweep.start,
            "end": result.sweep.end,
            "of_seeds": [None if fall is None else asdict(fall) for fall in result.sweep.falls],
            "rates": result.sweeps.rates.tolist(),
            "train_loss": result.sweeps.losses.tolist(),
            "accuracy_top1": result.sweeps.accuracies.tolist(),
        },
        "fixed": [_length(result, length) for length in result.plan.lengths],
        "cost": asdict(result.cost),
    }


def _length(result: RangeResult, length: int) -> dict[str, Any]:
    reading = result.readings[length]
    return {
        "iterations": length,
        "rates": result.fixed.rates.tolist(),
        "accuracy_top1": result.fixed.accuracies[length].tolist(),
        "reading": None if reading is None else asdict(reading),
    }
