"""The test passes of a log, against a list of passes with a dictionary of outputs each."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from lrbench.engines.caffe.log_columns import Tests

NAMES = ("accuracy", "loss", "top5", "prob")


def write(rng: random.Random) -> tuple[Tests, list[dict[str, Any]]]:
    """Passes at random iterations over two nets; some outputs come again, and sessions drop passes."""
    tests, rows = Tests(), list[dict[str, Any]]()
    for second in range(rng.randrange(30)):
        if rng.random() < 0.1:
            origin = rng.randrange(10)
            tests.forget(origin)
            rows = [row for row in rows if row["iteration"] <= origin > 0]
        iteration, net = rng.randrange(10), rng.randrange(2)
        if not rows or rng.random() < 0.7:
            tests.append(iteration, net, second)
            rows.append({"iteration": iteration, "net": net, "started": second, "ended": second, "all": []})
        for name in rng.choices(NAMES, k=rng.randrange(5)):
            value = rng.choice([0.5, rng.random(), np.nan])
            tests.add_output(name, value)
            tests.end_last(second + 0.5)
            rows[-1]["all"].append((name, value))
            rows[-1]["ended"] = max(rows[-1]["ended"], second + 0.5)
    return tests, rows


def scalars(row: dict[str, Any]) -> dict[str, float]:
    names = [name for name, _ in row["all"]]
    return {name: value for name, value in row["all"] if names.count(name) == 1}


@pytest.mark.parametrize("seed", range(200))
def test_passes_are_what_was_logged(seed):
    tests, rows = write(random.Random(seed))
    assert [(test.iteration, test.net, test.started, test.ended) for test in tests] == [
        (row["iteration"], row["net"], row["started"], row["ended"]) for row in rows
    ]
    np.testing.assert_equal([test.outputs for test in tests], [scalars(row) for row in rows])
    last = {row["iteration"]: place for place, row in enumerate(rows) if row["net"] == 0 and scalars(row)}
    places = tests.of_net(0)
    assert places.tolist() == [last[iteration] for iteration in sorted(last)]
    expected: dict[str, tuple[list[int], list[float]]] = {}
    for index, place in enumerate(places):
        for name, value in scalars(rows[place]).items():
            passes, values = expected.setdefault(name, ([], []))
            passes.append(index)
            values.append(value)
    outputs = tests.outputs(places)
    assert list(outputs) == list(expected)
    np.testing.assert_equal(
        {name: (each.passes.tolist(), each.values.tolist()) for name, each in outputs.items()}, expected
    )
