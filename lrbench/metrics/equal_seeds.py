"""Seeds that change nothing: runs of several seeds whose evaluations are all equal, which are one sample.

Only times and memory differ between such runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from lrbench.metrics.metric import Metric
from lrbench.metrics.registry import METRICS

if TYPE_CHECKING:
    from lrbench.metrics.metric import Column

_CLOCKS = frozenset(("train_seconds", "evaluation_seconds", "cpu_seconds", "peak_memory_bytes"))
_NOT_MEASURED = _CLOCKS | {"iteration", "learning_rate"}


def seeds_change_nothing(runs: Sequence[Mapping[str, Column]]) -> bool:
    """Whether the evaluations of two or more seeds are equal bit for bit, up to the end of the shorter run.

    False where nothing finite was measured after iteration 0, as where all diverged at once.

    Args:
        runs: for each seed the columns of its evaluations by name, in the order of iterations.
    """
    return len(runs) > 1 and _measured(runs[0]) and all(_equal(one, other) for one, other in pairwise(runs))


def is_clock(metric: Metric) -> bool:
    """Whether a metric measures the machine, which differs between runs that are otherwise equal."""
    return metric.unit in ("seconds", "bytes", "iterations/s")


def is_clock_named(name: str) -> bool:
    """Whether the metric of that name measures the machine."""
    return name in METRICS and is_clock(METRICS[name])


def _measured(run: Mapping[str, Column]) -> bool:
    import numpy as np

    trained = run["iteration"] > 0 if "iteration" in run else np.zeros(0, dtype=bool)
    return any(np.isfinite(run[name][trained]).any() for name in run if name not in _NOT_MEASURED)


def _equal(one: Mapping[str, Column], other: Mapping[str, Column]) -> bool:
    import numpy as np

    names = set(one) - _CLOCKS
    if names != set(other) - _CLOCKS:
        return False
    count = min(len(one["iteration"]), len(other["iteration"]))
    equal = (np.array_equal(one[name][:count], other[name][:count], equal_nan=True) for name in names)
    return _measured({name: one[name][:count] for name in names}) and all(equal)
