"""The summary on top of the page: policy to use, significance, cost."""

from __future__ import annotations

import pytest
from factories import fake_runs

FIX, TRI, SIN = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "SIN(k0=0.01, k1=0.06, l=2000)"


@pytest.fixture
def headline(tmp_path, page):
    """Write runs, policy by policy the accuracies of each seed, and read the headline."""

    def of(policies, sort="best_accuracy", **description):
        for policy, seeds in policies.items():
            for seed, accuracies in enumerate(seeds):
                status = "diverged" if accuracies[-1] is None else "finished"
                fake_runs.write_run(
                    tmp_path, policy, accuracies, seed=seed, **{"status": status, "target_accuracy": 0.9, **description}
                )
        return page(tmp_path, sort)["workloads"][0]["headline"]

    return of


def test_a_policy_that_is_better_beyond_noise(headline):
    found = headline(
        {
            TRI: [[0.1, 0.95, 0.97], [0.1, 0.95, 0.971], [0.1, 0.95, 0.972]],
            FIX: [[0.1, 0.5, 0.92], [0.1, 0.5, 0.921], [0.1, 0.5, 0.922]],
        }
    )
    assert found["use"] == (
        f"{TRI}: best accuracy 97.10 ± 0.10 % (mean ± standard deviation over 3 seeds), the best of 2 policies."
    )
    assert found["sure"] == ("1 of 1 other is significantly worse (Tukey's test of all pairs, p < 0.05).")
    assert found["cost"] == (
        "A run takes 2,000 iterations, 20 s of training, 3 s of evaluation; 90 % is reached after "
        "500 iterations, 10 s of training (3 of 3 seeds)."
    )


def test_what_is_as_good_and_sooner_there_is_named(headline):
    found = headline({TRI: [[0.1, 0.5, 0.97], [0.1, 0.5, 0.98]], SIN: [[0.1, 0.91, 0.96], [0.1, 0.91, 0.985]]})
    assert found["sure"] == (
        f"1 is not significantly worse: {SIN}; 2 seeds a policy show a difference of 11.12 points in 4 of 5 cases."
    )
    assert found["use"].startswith(f"{SIN}: best accuracy 97.25 ± 1.77 %")
    assert found["use"].endswith(
        f"not significantly worse than the best of 2 policies, {TRI}; of the 2 that are not significantly worse it has "
        "the fewest iterations to target, 500."
    )
    assert "90 % is reached after 500 iterations" in found["cost"]


def test_with_one_seed_nothing_is_sure(headline):
    found = headline({TRI: [[0.1, 0.97]], FIX: [[0.1, 0.95]]})
    assert found["use"].startswith(f"{TRI}: best accuracy 97.00 % (one seed), the best of 2 policies")
    assert found["sure"].startswith("Unknown: with one seed per policy the order may be due to chance.")


def test_one_policy_is_compared_with_nothing(headline):
    assert headline({TRI: [[0.1, 0.97]]})["sure"] == "Unknown: there is one policy with one seed."


def test_where_all_diverge_it_says_so(headline):
    found = headline({TRI: [[0.1, 0.3, None], [0.1, 0.5]], FIX: [[0.1, 0.2, None], [0.1, 0.2, None]]})
    assert "1 of its 2 runs diverged; so did runs of every other policy" in found["use"]
    assert found["sure"] == "1 had runs that diverged."


def test_before_a_run_has_ended_no_policy_is_named(headline):
    found = headline({TRI: [[0.1, 0.97]]}, status="pending")
    assert found["use"] == (
        f"No recommendation yet: no run has ended. Best so far: {TRI}, best accuracy 97.00 % (one seed)."
    )
    assert found["sure"] == found["cost"] == ""


def test_the_best_is_named_as_a_command_to_copy(headline):
    found = headline({TRI: [[0.1, 0.97]], FIX: [[0.1, 0.95]]})
    assert found["export"] == f"lrbench export '{TRI}' --to torch --iterations 2000 -o schedule.py"


@pytest.mark.parametrize("best", ["PLATEAU(k0=0.1)", "no policy", "SWITCH(policies=[FIX(k0=0.1), FIX(k0=0.01)])"])
def test_what_is_no_function_of_the_iteration_is_not_named_to_be_exported(headline, best):
    assert headline({best: [[0.1, 0.97]], FIX: [[0.1, 0.95]]})["export"] == ""


REACHED, MISSED = [0.1, 0.5, 0.5, 0.95, 0.95], [0.1, 0.5, 0.5, 0.5, 0.5]


def test_a_time_to_the_target_says_how_many_seeds_reached_it(headline):
    soon = [0.1, 0.95, 0.95, 0.95, 0.95]
    found = headline({TRI: [soon, MISSED], FIX: [MISSED, REACHED]}, sort="iterations_to_target")
    assert found["use"] == (
        f"{TRI}: iterations to target 500 iterations (1 of 2 seeds reached the target; the mean is "
        "over those), the best of 2 policies. 1 of its seeds missed the target; so did seeds of every other policy."
    )
    assert found["sure"] == "Unknown: a seed of every policy missed the target, so nothing is tested."
    assert found["cost"].endswith("90 % is reached after 500 iterations, 10 s of training (1 of 2 seeds).")


def test_what_all_seeds_reach_is_sooner_than_what_one_of_them_reaches(headline):
    best = [[0.1, 0.91, 0.95, 0.95, 0.97], [0.1, 0.5, 0.5, 0.89, 0.89]]
    found = headline({TRI: best, SIN: [[0.1, 0.5, 0.5, 0.9, 0.91], [0.1, 0.5, 0.5, 0.9, 0.9]]})
    assert found["use"].startswith(SIN)
    assert "90 % is reached after 1,500 iterations" in found["cost"]
