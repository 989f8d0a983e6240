"""The picture of policies' rates; how it looks was judged by eye."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.policies import parse_policy
from lrbench.policies.plot import _figure


@pytest.mark.parametrize("iterations", [1, 2, 5, 100, 100_000])
def test_the_axis_of_iterations_is_marked_at_whole_ones(iterations: int) -> None:
    figure = _figure([parse_policy("FIX(k0=0.01)")], np.arange(iterations), iterations)
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) >= 2
    assert np.array_equal(ticks, np.round(ticks))
