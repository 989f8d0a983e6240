"""Programs that are killed in training, in an evaluation and in saving end as if they had not been.

``scripts/check_kills`` does the same with 20 kills for each way to train a program, torchrun included.
"""

from __future__ import annotations

import pytest
from factories.kills import DOORS, Killing


@pytest.mark.slow
@pytest.mark.engines
@pytest.mark.parametrize("door", ["attach", "training"])
def test_rates_and_evaluations_are_those_of_a_run_that_was_not_killed(tmp_path, door):
    found = Killing(DOORS[door], tmp_path, kills=3).check()
    assert {"train, lrbench", "evaluate, lrbench", "save, lrbench"} <= found.keys()
