"""The picture of policies' rates; how it looks was judged by eye."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.policies import parse_policy
from lrbench.policies.plot import draw_rates


@pytest.mark.parametrize("iterations", [1, 2, 5, 100, 100_000])
def test_the_axis_of_iterations_is_marked_at_whole_ones(iterations: int) -> None:
    figure = draw_rates([parse_policy("FIX(k0=0.01)")], iterations).figure
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) >= 2
    assert np.array_equal(ticks, np.round(ticks))
