"""A CSV file of loss curves: a line for each measurement, with the columns policy or run, seed, iteration,
learning_rate and loss.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lrbench.errors import ResultsError, path_text
from lrbench.limits import MOST_ITERATIONS
from lrbench.predicting.curves import Floats, Integers

NUMBERS = ("iteration", "learning_rate", "loss")
NAMES = ("policy", "run")
_REMEDY = "write the columns policy (or run), seed, iteration, learning_rate and loss"


@dataclass(frozen=True, eq=False)
class CsvRun:
    """The measurements of one run: the policy's text or the run's name, and equally many values."""

    name: str
    iterations: Integers
    rates: Floats
    losses: Floats


def read_csv(path: Path) -> list[CsvRun]:
    """Read the runs of a CSV file; each is one seed of one policy.

    Raises:
        ResultsError: it cannot be read, a column is missing, a value is no number, a run diverged, or it has two
            measurements at one iteration; with the line.
    """
    rows: Mapping[tuple[str, ...], dict[int, tuple[float, float]]] = defaultdict(dict)
    names: dict[tuple[str, ...], str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            _check_columns(path, lines.fieldnames or ())
            for line in lines:
                where = f"{path_text(path)}:{lines.line_num}"
                key = tuple(line.get(name) or "" for name in (*NAMES, "seed"))
                names[key] = key[0] or key[1]
                iteration, rate, loss = _numbers(line, where)
                if iteration in rows[key]:
                    raise ResultsError(
                        f"{names[key]} has two losses at iteration {iteration:,}",
                        where=where,
                        remedy="tell runs apart by the columns run and seed",
                    )
                rows[key][iteration] = rate, loss
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"cannot be read as CSV: {error}", where=path_text(path), remedy=_REMEDY) from error
    found = []
    for key, measured in rows.items():
        rates, losses = np.array([measured[iteration] for iteration in sorted(measured)]).T
        found.append(CsvRun(names[key], np.array(sorted(measured), dtype=np.int64), rates, losses))
    return found


def _check_columns(path: Path, columns: object) -> None:
    present = {*columns} if isinstance(columns, list) else set()
    missing = [name for name in NUMBERS if name not in present]
    if not present & {*NAMES}:
        missing.insert(0, "policy")
    if missing:
        raise ResultsError(f"has no column {', '.join(missing)}", where=path_text(path), remedy=_REMEDY)


def _numbers(line: Mapping[str, str | None], where: str) -> tuple[int, float, float]:
    values = []
    for name in NUMBERS:
        text = line.get(name) or ""
        try:
            values.append(float(text))
        except ValueError as error:
            raise ResultsError(f"{name} is {text!r}, not a number", where=where, remedy=_REMEDY) from error
    iteration, rate, loss = values
    if not math.isfinite(loss):
        raise ResultsError("the run diverged, and no law holds for it", where=where, remedy="leave the run out")
    if not (0 <= iteration <= MOST_ITERATIONS and iteration.is_integer()):
        raise ResultsError(f"iteration is {iteration:g}, not a whole number from 0 to {MOST_ITERATIONS:,}", where=where)
    if not (math.isfinite(rate) and rate >= 0):
        raise ResultsError(f"learning_rate is {rate:g}, not a number from 0 on", where=where)
    return int(iteration), rate, loss
