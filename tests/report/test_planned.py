"""The difference that the seeds of a planned experiment can show, from stored runs of its workload."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from factories import fake_runs

from lrbench.metrics.objective import ACCURACY
from lrbench.report.planned import planned_difference
from lrbench.statistics.planning import smallest_difference

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"


def tasks(policies, seeds, workload=fake_runs.WORKLOAD):
    """Tasks as far as they are looked at: on a workload, with the accuracy as the objective."""
    settings = SimpleNamespace(objective=SimpleNamespace(resolved=ACCURACY), seeds=list(range(seeds)))
    experiment = SimpleNamespace(settings=settings, describe=lambda run, data: SimpleNamespace(workload=workload))
    solver = SimpleNamespace(resolved=lambda: {"type": "SGD"})
    runs = [
        SimpleNamespace(policy=SimpleNamespace(text=policy), solver=solver, seed=seed)
        for seed in range(seeds)
        for policy in policies
    ]
    return [SimpleNamespace(run=run, experiment=experiment, data=None) for run in runs]


@pytest.fixture
def stored(tmp_path):
    """A policy whose accuracies deviate by 1 point, and one by 2."""
    for policy, shift in ((FIX, 0.01), (TRI, 0.02)):
        for seed, sign in enumerate((-1, 0, 1)):
            fake_runs.write_run(tmp_path, policy, [0.1, 0.9 + sign * shift], seed=seed)
    return tmp_path


def test_the_difference_is_in_points_by_the_pooled_spread_of_stored_policies(stored):
    points = 100 * smallest_difference(3, 4) * (0.01**2 / 2 + 0.02**2 / 2) ** 0.5
    assert planned_difference(tasks([FIX, TRI, "FIX(k0=1)"], 4), stored) == (
        f"4 seeds show a difference in {ACCURACY.ranking.title} of {points:.2f} points between 3 policies in 4 of 5 cases "
        "(by the spread over the seeds of 2 stored policies)"
    )


def test_runs_of_another_workload_or_damaged_ones_tell_nothing(stored):
    other = {**fake_runs.WORKLOAD, "iterations": 50}
    said = planned_difference(tasks([FIX, TRI], 3, other), stored)
    assert said is not None
    assert said.startswith("3 seeds show a difference of 3.6 standard deviations over the seeds between 2 policies")
    for run in stored.glob("*/*/run.json"):
        run.write_text("{")
    assert "none with several seeds is stored" in str(planned_difference(tasks([FIX, TRI], 3), stored))
    assert "none with several seeds is stored" in str(planned_difference(tasks([FIX, TRI], 3), stored / "nowhere"))


def test_one_seed_shows_nothing_and_one_policy_is_compared_with_nothing(stored):
    assert planned_difference(tasks([FIX, TRI], 1), stored) == (
        "one seed a policy shows no difference beyond the seeds' noise; for example seeds: 3"
    )
    assert planned_difference(tasks([FIX], 3), stored) is None
