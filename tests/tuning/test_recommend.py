"""What is recommended and what is warned of, on made-up databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from factories.fake_entries import ASKED, ASKED_PROGRAM, diverged, entry, program_entry, program_run, run

from lrbench.metrics.objective import Objective, Target
from lrbench.tuning.recommending.recommend import recommend

FIX, TRI, STEP, HOT = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)", "STEP(k0=0.05, gamma=0.5, l=500)", "FIX(k0=0.2)"


def policies(candidates):
    return [candidate.policy for candidate in candidates]


def test_without_a_target_the_highest_mean_of_best_accuracies_is_first():
    entries = [entry(FIX, [run(0, [0.9]), run(1, [0.92])]), entry(TRI, [run(0, [0.95])]), entry(STEP, [run(0, [0.8])])]
    found = recommend(ASKED, entries)
    assert policies(found.here) == [TRI, FIX, STEP]
    assert (found.measured, found.like) == (3, ())


def test_with_a_target_the_share_of_seeds_goes_before_speed_and_speed_before_accuracy():
    entries = [
        entry(FIX, [run(0, [0.5, 0.95, 0.96]), run(1, [0.5, 0.95, 0.96])]),  # both, at 1,000
        entry(TRI, [run(0, [0.95, 0.99]), run(1, [0.5, 0.9, 0.9])]),  # one of two, at 500
        entry(STEP, [run(0, [0.5, 0.6, 0.97]), run(1, [0.5, 0.6, 0.97])]),  # both, at 1,500, higher
    ]
    assert policies(recommend(ASKED, entries, 0.95).here) == [FIX, STEP, TRI]


def test_as_soon_but_more_accurate_is_better():
    entries = [entry(FIX, [run(0, [0.95, 0.96])]), entry(TRI, [run(0, [0.95, 0.97])])]
    assert policies(recommend(ASKED, entries, 0.95).here) == [TRI, FIX]


def test_what_never_reached_the_target_or_diverged_is_avoided_not_recommended():
    entries = [
        entry(FIX),
        entry(TRI, [run(0, [0.5, 0.6]), run(1, [0.5, 0.7])]),
        entry(HOT, [run(0), diverged(1), diverged(2)]),
    ]
    found = recommend(ASKED, entries, 0.95)
    assert policies(found.here) == [FIX]
    assert [(each.policy, each.why, each.count) for each in found.avoid] == [(HOT, "diverged", 2), (TRI, "missed", 2)]


def test_a_run_that_was_stopped_before_its_end_did_not_miss_the_target():
    entries = [entry(TRI, [run(0, [0.5, 0.6], status="stopped")])]
    found = recommend(ASKED, entries, 0.95)
    assert (found.here, found.avoid) == ((), ())


def test_runs_that_were_all_stopped_early_are_not_ranked_beside_whole_ones():
    entries = [entry(FIX), entry(TRI, [run(0, [0.99], status="stopped")])]
    found = recommend(ASKED, entries)
    assert policies(found.here) == [FIX]
    (note,) = found.notes
    assert note == "left out: 1 of which every run was stopped early, so that nothing is known of the whole run"


def test_a_target_that_nothing_reached_is_said():
    found = recommend(ASKED, [entry(FIX), entry(TRI)], 0.99)
    assert found.here == ()
    (note,) = found.notes
    assert note == (
        "none of the 2 policies measured on this workload reached 99 % without a seed that diverged; the "
        "highest mean of best accuracies is 97.00 %"
    )


def test_like_workloads_the_nearest_first_each_policy_once_and_rescaled():
    far: dict[str, Any] = {"net_sha256": "c" * 64, "net_name": "cnn3"}
    entries = [
        entry(TRI, iterations=1000),
        entry(FIX, iterations=1000),
        entry(FIX, **far),
        entry(STEP, **far),
    ]
    found = recommend(ASKED, entries)
    assert [policies(like.candidates) for like in found.like] == [[FIX, "TRI(k0=0.01, k1=0.06, l=400)"], [STEP]]
    fixed, triangle = found.like[0].candidates
    assert (fixed.rescaled, triangle.rescaled, triangle.measured) == (False, True, TRI)


def test_what_was_measured_here_is_not_repeated_from_a_like_workload():
    found = recommend(ASKED, [entry(FIX), entry(FIX, batch_size=64)])
    assert policies(found.here) == [FIX]
    assert found.like == ()


def test_what_diverged_or_missed_here_is_not_recommended_from_a_like_workload():
    here = [entry(HOT, [diverged(0)]), entry(TRI, [run(0, [0.5, 0.6])])]
    found = recommend(ASKED, [*here, *(entry(policy, batch_size=64) for policy in (HOT, TRI, FIX))], 0.95)
    assert {each.policy: each.why for each in found.avoid} == {HOT: "diverged", TRI: "missed"}
    assert [policies(like.candidates) for like in found.like] == [[FIX]]


def test_what_diverged_on_a_like_workload_is_not_recommended_from_one_that_is_farther():
    near: dict[str, Any] = {"iterations": 1000}
    far: dict[str, Any] = {"dataset_sha256": "c" * 64, "dataset_name": "digits"}
    slow, half = "STEP(k0=0.2, gamma=0.5, l=500)", "STEP(k0=0.2, gamma=0.5, l=250)"
    entries = [entry(HOT, [diverged(0)], **near), entry(half, [diverged(0)], **near), entry(FIX, **near)]
    found = recommend(ASKED, [*entries, *(entry(policy, **far) for policy in (HOT, slow, STEP))])
    assert [policies(like.candidates) for like in found.like] == [[FIX], [STEP]]


def test_rates_of_another_net_come_with_a_warning():
    other: dict[str, Any] = {"net_sha256": "c" * 64, "net_name": "cnn3"}
    (note,) = recommend(ASKED, [entry(FIX, **other)]).notes
    assert note == (
        "nothing was measured on this net, and rates that train one net well may not train another at all; "
        "lrbench range finds those that train this one"
    )
    assert recommend(ASKED, [entry(FIX, batch_size=64), entry(TRI, **other)]).notes == ()


def test_accuracies_of_another_data_set_are_not_held_to_the_target():
    other = {"dataset_sha256": "c" * 64, "dataset_name": "digits"}
    found = recommend(ASKED, [entry(FIX, [run(0, [0.6])], **other), entry(TRI, [run(0, [0.5])], **other)], 0.95)
    assert [(like.by_target, policies(like.candidates)) for like in found.like] == [(False, [FIX, TRI])]


def test_a_policy_is_recommended_with_the_rates_that_the_net_got():
    found = recommend(ASKED, [replace(entry(FIX), lr_scale=0.5)])
    assert policies(found.here) == ["SCALE(factor=0.5, policy=FIX(k0=0.01))"]


def test_a_policy_of_a_package_that_is_not_here_counts_where_it_was_measured_and_is_not_carried_over():
    strange = "HALVING(k0=0.1, l=1000)"
    found = recommend(ASKED, [entry(strange), entry(strange, iterations=1000)])
    assert policies(found.here) == [strange]
    assert found.like == ()


@pytest.mark.parametrize(
    ("entries", "limit"),
    [
        ([entry(FIX), entry(TRI), entry(HOT, [diverged(0)])], (0.06, 0.2)),
        ([entry(FIX), entry(TRI, [run(0), diverged(1)])], (0.01, 0.06)),
        ([entry(FIX), entry(HOT, [run(0, [0.1])])], (0.01, 0.2)),  # did not diverge, but learnt next to nothing
        ([entry(FIX), entry(TRI)], (0.06, None)),
        ([entry("FIX(k0=0.001)", [diverged(0)]), entry(FIX)], (0.01, None)),
        ([entry(HOT, [diverged(0)])], None),
    ],
)
def test_the_largest_rate_that_trained_and_the_smallest_larger_one_that_did_not(entries, limit):
    found = recommend(ASKED, entries).limit
    assert (found and (found.trained, found.failed)) == limit


def test_the_limit_of_a_like_workload_counts_where_nothing_was_measured_here():
    found = recommend(ASKED, [entry(FIX, batch_size=64), entry(HOT, [diverged(0)], batch_size=64)])
    assert found.limit is not None
    assert found.limit_on == "same net; same data set; same SGD; batch 64 for 100; same iterations"
    assert [(each.policy, each.measured_here) for each in found.avoid] == [(HOT, False)]
    other_data = recommend(ASKED, [entry(FIX, dataset_sha256="c" * 64, dataset_name="digits")])
    assert (other_data.limit, other_data.avoid) == (None, ())


def test_a_policy_that_failed_on_two_like_workloads_is_named_once_and_not_if_it_works_here():
    twins = [entry(policy, [diverged(0)], batch_size=size) for size in (64, 32) for policy in (HOT, FIX)]
    found = recommend(ASKED, [entry(FIX), *twins])
    assert [(each.policy, each.measured_here) for each in found.avoid] == [(HOT, False)]
    assert [each.policy for each in found.here] == [FIX]


def rule_policies(asked, entries=()):
    return [rule.policy for rule in recommend(asked, entries).rules if rule.policy]


def test_rules_make_policies_only_where_the_largest_rate_is_known():
    assert rule_policies(replace(ASKED, iterations=10_000)) == []
    assert rule_policies(replace(ASKED, iterations=10_000, rates=(0.001, 0.1))) == [
        "TRI(k0=0.025, k1=0.1, l=1250)",
        "LINEAR(k0=0.1, k1=0)",
    ]
    assert rule_policies(ASKED, [entry("FIX(k0=0.03456)")]) == ["LINEAR(k0=0.0345, k1=0)"]  # never above what trained


@pytest.mark.parametrize(
    ("iterations", "policy"),
    [
        (2399, None),  # less than one cycle of four epochs
        (2400, "TRI(k0=0.025, k1=0.1, l=1200)"),
        (9600, "TRI(k0=0.025, k1=0.1, l=1200)"),  # four cycles
        (48_000, "TRI(k0=0.025, k1=0.1, l=6000)"),  # four of the longest
        (96_000, "TRI(k0=0.025, k1=0.1, l=6000)"),  # more of them
    ],
)
def test_half_a_cycle_is_2_to_10_epochs_and_the_run_ends_with_a_cycle(iterations, policy):
    found = rule_policies(replace(ASKED, iterations=iterations, rates=(0.001, 0.1)))
    assert next((text for text in found if text.startswith("TRI")), None) == policy


@pytest.mark.parametrize(("solver", "policy"), [("Adam", "FIX(k0=0.001)"), ("AdaDelta", "FIX(k0=1)"), ("SGD", None)])
def test_the_rates_that_papers_give_a_solver(solver, policy):
    found = rule_policies(replace(ASKED, solver={**ASKED.solver, "type": solver}))
    assert found == ([policy] if policy else [])


def test_linear_scaling_is_said_of_other_batch_sizes_under_sgd_alone():
    def scaling(solver):
        asked = replace(ASKED, solver={"type": solver, "momentum": 0.9})
        found = recommend(asked, [entry(FIX, batch_size=50, solver=dict(asked.solver))])
        return [rule.text for rule in found.rules if "1706.02677" in rule.source]

    assert len(scaling("SGD")) == 1
    assert "times 2 for those of batch 50" in scaling("SGD")[0]
    assert scaling("Adam") == []


def test_every_rule_has_a_source():
    asked = replace(ASKED, solver={**ASKED.solver, "type": "Adam"}, rates=(0.001, 0.1))
    assert all("arXiv:" in rule.source for rule in recommend(asked, []).rules)


LOSS = Objective("test_loss", "minimize")


def test_the_lowest_loss_of_a_program_is_first_and_a_target_on_it_is_met_from_above():
    entries = [
        program_entry(FIX, [program_run(0, (2.0, 0.6))]),
        program_entry(STEP, [program_run(0, (2.0, 1.0, 0.4))]),
        program_entry(TRI, [program_run(0, (2.0, 1.9))]),
    ]
    assert policies(recommend(ASKED_PROGRAM, entries, objective=LOSS).here) == [STEP, FIX, TRI]
    found = recommend(ASKED_PROGRAM, entries, Target(LOSS, 0.7), LOSS)
    assert policies(found.here) == [FIX, STEP]
    assert [(each.policy, each.why) for each in found.avoid] == [(TRI, "missed")]


def test_a_rate_at_which_a_loss_only_rose_did_not_train():
    entries = [program_entry(FIX), program_entry(HOT, [program_run(0, (5e4,), metrics={"test_loss": 1e17})])]
    limit = recommend(ASKED_PROGRAM, entries, objective=LOSS).limit
    assert limit is not None
    assert (limit.trained, limit.failed) == (0.01, 0.2)


def test_entries_that_were_not_judged_by_the_objective_are_left_out_with_a_note():
    found = recommend(ASKED_PROGRAM, [program_entry(FIX)], objective=Objective("perplexity", "minimize"))
    assert (found.here, found.measured) == ((), 1)
    assert found.notes[-1] == "left out: 1 whose runs were not judged by the perplexity"
