"""Range tests that lie among the results."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from factories import fake_runs

ITERATIONS, INTERVAL, GROWTH = 100, 2, 1.15


@pytest.fixture
def results(tmp_path):
    """Two sweeps whose loss falls and rises again, and runs at three fixed rates, of which one diverges."""
    workload = {**fake_runs.WORKLOAD, "iterations": ITERATIONS, "test_interval": INTERVAL}
    for seed in (0, 1):
        sweep = fake_runs.write_run(
            tmp_path, f"EXP(k0=1e-06, gamma={GROWTH})", [], seed=seed, experiment="trial-range", workload=workload
        )
        rows = []
        for place in range(1, ITERATIONS // INTERVAL + 1):
            rate = 1e-6 * GROWTH ** (place * INTERVAL)
            loss = 2.3 if rate < 1e-4 else 0.3 if rate < 0.1 else 9.0
            rows.append(fake_runs.evaluation(place * INTERVAL, 0.5, train_loss=loss + 0.001 * math.sin(place)))
        (sweep / "evaluations.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        for rate, accuracies in ((0.001, [0.3, 0.5]), (0.01, [0.5, 0.8]), (0.1, [0.4, None])):
            status = "diverged" if accuracies[-1] is None else "finished"
            fake_runs.write_run(
                tmp_path,
                f"FIX(k0={rate})",
                [None, *accuracies],
                seed=seed,
                status=status,
                experiment="trial-range",
                workload={**workload, "iterations": 1000},
            )
    return tmp_path


def test_a_sweep_shows_the_rate_of_each_stretch_and_where_the_loss_falls(results, page):
    (test,) = page(results)["ranges"]
    assert [sweep["seed"] for sweep in test["sweeps"]] == [0, 1]
    rates = np.array(test["sweeps"][0]["rates"])
    assert rates[0] == pytest.approx(1e-6 * GROWTH**0.5, rel=1e-4)  # of iterations 0 and 1
    assert rates[-1] == pytest.approx(1e-6 * GROWTH**98.5, rel=1e-4)
    assert "the loss fell from 9.4e-05 on and stayed low up to 0.077." in test["sentence"]


def test_runs_at_fixed_rates_are_compared_by_length(results, page):
    (test,) = page(results)["ranges"]
    assert [length["iterations"] for length in test["fixed"]] == [500, 1000]
    last = {one["rate"]: one["seeds"] for one in test["fixed"][-1]["rates"]}
    assert last == {0.001: {"0": 0.5, "1": 0.5}, 0.01: {"0": 0.8, "1": 0.8}, 0.1: {"0": None, "1": None}}
    assert "Best fixed rate: 0.01, with a mean accuracy of 80.0 % after 1,000 iterations" in test["sentence"]


def test_ordinary_runs_are_no_range_test(tmp_path, page):
    fake_runs.write_run(tmp_path, "FIX(k0=0.01)")
    assert page(tmp_path)["ranges"] == []
