"""The finals of a search: luck with one seed is found out before a policy is chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories.made_up_runs import MadeUp, made_up_runner, row
from factories.replay import Played

from lrbench.policies import parse_policy
from lrbench.report.render import render
from lrbench.report.views.tune import tune_data, tune_document
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.confirm import final_rounds, rerank
from lrbench.tuning.space import search_space
from lrbench.tuning.tune import tune

LUCKY, GOOD, WORSE = "FIX(k0=0.05)", "FIX(k0=0.07)", "FIX(k0=0.03)"
SPEC = "space: [{function: FIX, k0: [0.03, 0.05, 0.07]}]\nsampler: grid\npruner: none\n"


class Fragile(MadeUp):
    """The best policy of all breaks down with every seed but that of the search."""

    def __missing__(self, key):
        if key[0] == LUCKY and key[1] != 1000:
            return Played("diverged", (row(10, float("nan")),))
        return super().__missing__(key)


@pytest.fixture
def runner(tmp_path, digits):
    return lambda text="": replace(made_up_runner(tmp_path, digits, SPEC + text), table=Fragile())


def tuned(runner):
    settings = runner.experiment.settings.search
    return tune(runner, runner, search_space(settings, settings.rates, runner.experiment.document))


@pytest.mark.parametrize("objective", ["accuracy", "iterations"])
def test_a_policy_that_breaks_down_with_other_seeds_is_not_chosen(runner, objective):
    result = tuned(runner(f"objective: {objective}"))
    assert result.best[0].policy == LUCKY
    assert [row.policy.text for row in result.finals] == [GOOD, WORSE, LUCKY]
    assert [row.diverged for row in result.finals] == [0, 0, 2]
    assert [row.policy.text for row in result.confirmed if row.role == "found"] == [GOOD]
    assert result.chosen[0] == parse_policy(GOOD)


class Lucky(MadeUp):
    """The best policy of all misses the target with one seed of the finals."""

    def __missing__(self, key):
        if key == (LUCKY, 1001):
            return super().__missing__(("FIX(k0=0.0001)", 1001))
        return super().__missing__(key)


def test_a_policy_that_misses_the_target_with_a_seed_is_not_chosen(runner):
    result = tuned(replace(runner("objective: iterations"), table=Lucky()))
    lucky = next(row for row in result.finals if row.policy.text == LUCKY)
    assert result.finals[0].policy.text == GOOD
    assert (lucky.to_target.n, lucky.to_target.runs) == (2, 3)
    text = " ".join(render(tune_document(result), "text", 200).decode().split())
    assert f"{lucky.to_target.mean:.0f} ± 0 (2/3)" in text


def test_the_screen_shows_the_finals_and_what_they_cost(runner):
    result = tuned(runner())
    text = " ".join(render(tune_document(result), "text", 120).decode().split())
    assert "the finals, from which one is chosen: the best of the search with 3 seeds, on the test" in text
    assert "3 (2 diverged)" in text
    assert "; of the finals: 6 runs more, 500 iterations, 5 s; of the confirmation:" in text
    assert [each["policy"] for each in tune_data(result)["finals"]] == [GOOD, WORSE, LUCKY]


def test_the_worse_half_of_a_round_has_no_further_seed_and_comes_last(tmp_path, digits):
    search = "space: [{function: FIX, k0: [0.02, 0.03, 0.04, 0.05, 0.07, 0.08]}]\nsampler: grid\nfinalists: 6\n"
    result = tuned(replace(made_up_runner(tmp_path, digits, search), table=Fragile()))
    lucky = next(row for row in result.finals if row.policy.text == LUCKY)
    assert result.best[0].policy == LUCKY
    assert [len(row.outcomes) for row in result.finals] == [3, 3, 3, 2, 2, 2]
    assert (lucky.diverged, lucky.value.n, result.finals.index(lucky)) == (1, 1, 5)
    text = " ".join(render(tune_document(result), "text", 200).decode().split())
    assert "the best of the search with 2 seeds, the better half of them with 3, on the test images" in text


@pytest.mark.parametrize("settings", ["final_seeds: 0", "finalists: 1"])
def test_without_finals_the_search_alone_decides(runner, settings):
    result = tuned(runner(settings))
    assert result.finals == ()
    assert result.confirmed[0].policy.text == LUCKY


def test_where_nothing_is_to_be_chosen_nothing_is_trained(runner):
    assert rerank(runner(), [GOOD], 1) == ()
    assert rerank(runner("confirm: 3"), [GOOD, LUCKY, WORSE], 3) == ()
    assert rerank(runner(), [], 1) == ()
    assert rerank(runner("confirm: 0"), [GOOD, LUCKY], 0) == ()


@pytest.mark.parametrize(
    ("settings", "trained", "rounds"),
    [
        ({}, 50, [10, 5]),
        ({}, 33, [8, 4]),
        ({}, 20, [5, 3]),
        ({}, 12, [3, 3]),
        ({}, 2, [2, 2]),
        ({}, 1, []),
        ({"finalists": 9, "final_seeds": 4}, 50, [9, 5, 3, 3]),
        ({"finalists": 9, "final_seeds": 1}, 50, [9]),
        ({"finalists": 5, "final_seeds": 0}, 50, []),
    ],
)
def test_the_finals_halve_the_policies_with_each_seed(settings, trained, rounds):
    assert final_rounds(SearchSettings(**settings), trained, 1) == rounds


def test_as_many_finalists_stay_as_there_is_a_choice_among():
    assert final_rounds(SearchSettings(finalists=8, final_seeds=3), 20, 3) == [8, 4, 4]
    assert final_rounds(SearchSettings(finalists=8), 20, 8) == []


class BrokenInTheEnd(MadeUp):
    """The best two train with the search's seeds and with no other, as where the data are others, too."""

    def __missing__(self, key):
        if key[0] in (LUCKY, GOOD) and key[1] < 1000:
            return Played("diverged", (row(10, float("nan")),))
        return super().__missing__(key)


def test_where_what_was_chosen_diverges_the_next_finalist_is_confirmed_too(runner):
    result = tuned(replace(runner("baselines: ['FIX(k0=0.01)']"), table=BrokenInTheEnd()))
    assert [(row.policy.text, row.role, row.diverged) for row in result.confirmed] == [
        (LUCKY, "found", 2),
        (GOOD, "found", 2),
        (WORSE, "found", 0),
        ("FIX(k0=0.01)", "baseline", 0),
    ]


def test_no_more_than_the_finalists_are_confirmed(runner):
    result = tuned(replace(runner("finalists: 2"), table=BrokenInTheEnd()))
    assert [row.policy.text for row in result.confirmed if row.role == "found"] == [LUCKY, GOOD]


class Deterministic(MadeUp):
    """Seeds change nothing."""

    def __missing__(self, key):
        return super().__missing__((key[0], 0))


def test_seeds_that_change_nothing_count_as_one_and_are_named(runner):
    result = tuned(replace(runner("baselines: ['FIX(k0=0.04)']"), table=Deterministic()))
    assert all(row.equal_seeds for row in (*result.finals, *result.confirmed))
    assert [row.policy.text for row in result.finals] == [LUCKY, GOOD, WORSE]
    assert (result.finals[0].value.n, result.finals[0].value.deviation, result.finals[0].reached) == (1, None, 3)
    text = " ".join(render(tune_document(result), "text", 200).decode().split())
    assert "3 (seeds change nothing)" in text
    assert "points, seeds change nothing" in text
    assert "±" not in text
