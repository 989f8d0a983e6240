"""The answer at the end of tune and compose: what to train with, how sure that is, and what would tell."""

from __future__ import annotations

import pytest

from lrbench.policies import parse_policy
from lrbench.report.views.answer import answer_blocks, answer_data, confirmed_answer, next_commands
from lrbench.tuning.confirm import Confirmed, SeedOutcome


def row(text, role, values, *, times=None, diverged=0):
    outcomes = [
        SeedOutcome(seed, "finished", value, None if times is None else times[seed], 100, 1.0, "", None, value)
        for seed, value in enumerate(values)
    ]
    outcomes += [SeedOutcome(9 + n, "diverged", None, None, 10, 0.1, "") for n in range(diverged)]
    return Confirmed(parse_policy(text), role, tuple(outcomes), 100)


FOUND = row("EXP(k0=0.1, gamma=0.9)", "found", [0.95, 0.951, 0.949])
WORSE = row("FIX(k0=0.1)", "baseline", [0.90, 0.901, 0.899])
NEAR = row("FIX(k0=0.1)", "baseline", [0.94, 0.955, 0.945])
BETTER = row("FIX(k0=0.1)", "baseline", [0.96, 0.961, 0.959])


def answer(*rows, by_time=False):
    found = confirmed_answer(rows, by_time)
    return found.text, None if found.policy is None else found.policy.text


def test_a_policy_that_beat_the_baseline_is_named_with_how_sure_that_is():
    assert answer(FOUND, WORSE) == (
        "answer: train with EXP(k0=0.1, gamma=0.9): 95.00 ± 0.10 % (3 seeds); better than the baseline FIX(k0=0.1): "
        "90.00 ± 0.10 % (3 seeds) (p<0.001)",
        "EXP(k0=0.1, gamma=0.9)",
    )


def test_a_policy_that_may_be_better_by_luck_says_what_would_tell():
    text, policy = answer(FOUND, NEAR)
    assert policy == "EXP(k0=0.1, gamma=0.9)"
    assert "it may be luck that it did better than the baseline FIX(k0=0.1): 94.67 ± 0.76 % (3 seeds) (p=0.6)" in text
    assert text.endswith("about 47 seeds each would tell, if the difference is as large as it looks")


def test_a_baseline_that_was_not_beaten_is_what_to_train_with():
    text, policy = answer(FOUND, BETTER)
    assert policy == "FIX(k0=0.1)"
    assert text.startswith("answer: the baseline was not beaten, train with FIX(k0=0.1): 96.00 ± 0.10 % (3 seeds)")
    assert "seeds each would tell" not in text, "these seeds tell"
    assert text.endswith("a longer search (search.trials) may find a better one")


def test_the_best_of_several_baselines_counts_and_all_pairs_are_corrected_for():
    alone, both = (
        float(answer(*rows)[0].split("(p=")[1].split(")")[0]) for rows in ((FOUND, NEAR), (FOUND, WORSE, NEAR))
    )
    assert 0.4 < alone < both


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (
            (row("FIX(k0=1)", "found", [0.9]), row("FIX(k0=2)", "baseline", [0.8])),
            "more seeds would say how far chance",
        ),
        (
            (FOUND, row("FIX(k0=2)", "baseline", [0.95, 0.951, 0.949])),
            "the two hardly differ, and no number of seeds in",
        ),
    ],
)
def test_where_nothing_can_be_told_that_is_said(rows, end):
    assert end in answer(*rows)[0]


def test_what_diverged_is_not_trained_with():
    broken = row("EXP(k0=1, gamma=0.9)", "found", [0.99], diverged=2)
    text, policy = answer(broken, WORSE)
    assert policy == "FIX(k0=0.1)"
    assert "what was found diverged or failed with some seeds; lower search.rates" in text
    assert answer(broken) == (
        "answer: nothing to train with: what was found diverged or failed with some seeds; lower search.rates, or try "
        "more policies (search.trials)",
        None,
    )
    assert answer(broken, FOUND)[1] == "EXP(k0=0.1, gamma=0.9)", "the next finalist"


def test_a_found_policy_without_baselines_stands_alone():
    assert answer(FOUND)[0].endswith("95.00 ± 0.10 % (3 seeds); nothing was confirmed beside it")


def test_baselines_that_diverge_are_no_comparison():
    text, policy = answer(FOUND, row("FIX(k0=9)", "baseline", [], diverged=3))
    assert policy == "EXP(k0=0.1, gamma=0.9)"
    assert text.endswith("95.00 ± 0.10 % (3 seeds); no baseline trained with every seed")


def test_by_iterations_the_sooner_is_the_better_and_a_missed_target_is_no_time():
    soon = row("EXP(k0=0.1, gamma=0.9)", "found", [0.9, 0.9, 0.9], times=[10, 20, 15])
    late = row("FIX(k0=0.1)", "baseline", [0.95, 0.95, 0.95], times=[80, 90, 85])
    text, policy = answer(soon, late, by_time=True)
    assert policy == "EXP(k0=0.1, gamma=0.9)"
    assert "15 ± 5 iterations to the target (3 seeds); better than the baseline" in text
    never = row("FIX(k0=0.1)", "baseline", [0.95, 0.95, 0.95], times=[None, None, None])
    text, policy = answer(soon, never, by_time=True)
    assert policy == "EXP(k0=0.1, gamma=0.9)"
    assert "FIX(k0=0.1): the target never reached (3 seeds) (missed)" in text


def test_a_composition_is_compared_with_the_best_single_policy_too():
    text, policy = answer(
        row("EXP(k0=0.1, gamma=0.9)", "composed", [0.94, 0.95]), row("FIX(k0=0.2)", "best single", [0.96, 0.97]), WORSE
    )
    assert policy == "FIX(k0=0.2)"
    assert text.startswith("answer: the best single policy was not beaten, train with FIX(k0=0.2)")


def test_commands_can_be_typed_and_closed_loop_policies_are_run():
    policy = parse_policy("EXP(k0=0.1, gamma=0.9)")
    assert [text for text, _ in next_commands(policy, 300, None)] == [
        "lrbench export 'EXP(k0=0.1, gamma=0.9)' --to torch --iterations 300 -o schedule.py"
    ]
    plateau = parse_policy("PLATEAU(k0=0.1)")
    assert list(next_commands(plateau, 300, None)) == []
    ((command, _),) = next_commands(plateau, 300, lambda text: f"lrbench run spec.yaml --set policies={text}")
    assert command.startswith("lrbench run spec.yaml --set policies=PLATEAU(k0=0.1")
    found = confirmed_answer([FOUND, WORSE], by_time=False)
    assert answer_data(found, 300, None)["next"] == [
        "lrbench export 'EXP(k0=0.1, gamma=0.9)' --to torch --iterations 300 -o schedule.py"
    ]
    assert len(list(answer_blocks(found, 300, None))) == 2
