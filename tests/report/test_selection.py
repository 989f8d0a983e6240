"""The policy to use, of those that do not differ significantly."""

from __future__ import annotations

from factories.made_up_reports import report_of, run_row

from lrbench.report.selection import select

TRI, SIN, FIX = "TRI(k0=0.01, k1=0.06, l=2000)", "SIN(k0=0.01, k1=0.06, l=2000)", "FIX(k0=0.01)"


def selected(curves, target=None, **values):
    """The selection from a run for each curve of each policy."""
    runs = [
        run_row(policy, curve, seed=seed, target=target, **values.get(policy, {}))
        for policy, of_seeds in curves.items()
        for seed, curve in enumerate(of_seeds)
    ]
    report = report_of(runs)
    return select(report.workloads[0], report.metric)


def test_of_equal_policies_the_one_that_is_sooner_at_the_target():
    found = selected({TRI: [[0.1, 0.5, 0.95], [0.1, 0.5, 0.97]], SIN: [[0.1, 0.9, 0.94], [0.1, 0.9, 0.97]]}, 0.9)
    assert (found.row.policy, [row.policy for row in found.alike]) == (SIN, [TRI, SIN])
    assert found.reason == "the fewest iterations to target, 500"


def test_of_those_as_soon_there_the_steadiest():
    found = selected({TRI: [[0.1, 0.95], [0.1, 0.97]], SIN: [[0.1, 0.955], [0.1, 0.96]]}, 0.9)
    assert (found.row.policy, found.row.rank) == (SIN, 2)
    assert found.reason == "the fewest iterations to target, 500, and the smallest deviation of those with as few"


def test_a_seed_that_misses_the_target_weighs_more_than_time():
    curves = {TRI: [[0.1, 0.5, 0.96], [0.1, 0.5, 0.97]], SIN: [[0.1, 0.91, 0.99], [0.1, 0.5, 0.89]]}
    assert selected(curves, 0.9).row.policy == TRI


def test_without_a_target_the_iterations_to_the_best_count():
    found = selected({TRI: [[0.1, 0.5, 0.95], [0.1, 0.5, 0.97]], SIN: [[0.1, 0.94, 0.9], [0.1, 0.97, 0.9]]})
    assert (found.row.policy, found.reason) == (SIN, "the fewest iterations to best, 500")


def test_what_is_significantly_worse_is_never_selected_however_cheap():
    curves = {TRI: [[0.1, 0.5, 0.95], [0.1, 0.5, 0.951]], FIX: [[0.1, 0.91, 0.91], [0.1, 0.911, 0.91]]}
    assert selected(curves, 0.9).row.policy == TRI


def test_with_one_seed_it_is_the_best():
    assert selected({TRI: [[0.1, 0.5, 0.97]], SIN: [[0.1, 0.95, 0.96]]}, 0.9).row.policy == TRI


def test_nothing_is_selected_before_a_run_has_ended():
    assert selected({TRI: [[0.1, 0.5]]}, **{TRI: {"status": "running"}}) is None
