"""What a run's evaluations say of it, as the commands that choose among policies read them."""

from __future__ import annotations

import math

from factories.made_up_runs import row

from lrbench.metrics.objective import ACCURACY, Target


def test_a_test_pass_at_iteration_0_is_no_best_accuracy_and_reaches_no_target():
    rows = [row(0, 0.95), row(10, 0.5), row(20, math.nan), row(30, 0.9)]
    assert ACCURACY.best(rows) == 0.9
    assert Target(ACCURACY, 0.85).iterations(rows) == 30
    assert ACCURACY.best(rows[:1]) is None
    assert Target(ACCURACY, 0.85).iterations(rows[:1]) is None
