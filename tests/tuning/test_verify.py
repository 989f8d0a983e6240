"""Verification: the verdict of each phase, what it rests on, and when it is cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from factories.fake_entries import ASKED, entry, run
from factories.made_up_runs import MadeUp, made_up_runner
from factories.replay import Played

from lrbench.policies import parse_policy
from lrbench.report.views.verify import share_text, verdict_document
from lrbench.tuning.early_stopping import best_so_far
from lrbench.tuning.space import search_space
from lrbench.tuning.verify import Candidate, Goal, SearchPhase, Verification, known_candidates, verify

GOOD, SLOW, HOPELESS = "FIX(k0=0.05)", "FIX(k0=0.02)", "FIX(k0=0.0001)"


@pytest.fixture
def runner(tmp_path, digits):
    return made_up_runner(tmp_path, digits, "rates: [0.001, 0.3]\nfunctions: [FIX]\ntrials: 10")


def goal(**changes):
    usual: dict[str, Any] = {"target": 0.9, "within": 120, "seeds": (0, 1, 2)}
    return Goal(**usual | changes)


def given(*texts):
    return "policy", lambda: iter([Candidate(parse_policy(text), "as given") for text in texts])


def test_a_good_policy_reaches_it_and_its_runs_end_there(runner):
    verdict = verify(Verification(runner, goal()), [given(GOOD)])
    (attempt,) = verdict.attempts
    assert verdict.found is attempt
    assert attempt.reached == 3
    assert attempt.interval == pytest.approx((0.2924, 1), abs=1e-4)
    assert {outcome.status for outcome in attempt.outcomes} == {"stopped"}
    reached = {outcome.iterations_to_target for outcome in attempt.outcomes}
    assert reached == {outcome.iterations for outcome in attempt.outcomes} == {90}


def test_a_seed_that_misses_counts_with_the_budget_and_is_told_apart(runner):
    class Unlucky(MadeUp):
        def __missing__(self, key):
            return super().__missing__((HOPELESS if key[1] == 1 else key[0], key[1]))

    unlucky = replace(runner, table=Unlucky())
    verdict = verify(Verification(unlucky, goal(seeds=(0, 1))), [given(GOOD)])
    (attempt,) = verdict.attempts
    assert (attempt.times.mean, attempt.times.n, attempt.times.runs, attempt.times.restricted_mean) == (90, 1, 2, 105)
    assert share_text(attempt).startswith("1 of 2 seeds reached it")
    assert share_text(attempt).endswith("after 90 iterations (the mean over those that did)")
    assert verdict_document(verdict, None, None).data()["attempts"][0]["iterations_to_target"] == {
        "mean": 90,
        "deviation": None,
        "n": 1,
        "equal_seeds": False,
        "runs": 2,
        "restricted_mean": 105,
    }


def test_seeds_that_change_nothing_say_no_more_than_one(runner):
    class Deterministic(MadeUp):
        def __missing__(self, key):
            return super().__missing__((key[0], 0))

    same = replace(runner, table=Deterministic())
    (attempt,) = verify(Verification(same, goal(seeds=(0, 1, 2))), [given(GOOD)]).attempts
    assert (attempt.reached, attempt.equal_seeds, attempt.enough(1.0)) == (3, True, True)
    assert attempt.interval == pytest.approx((0.025, 1), abs=1e-4)
    assert share_text(attempt).startswith("3 of 3 seeds reached it")
    assert share_text(attempt).endswith("; seeds change nothing, so that they say no more than one")
    assert "±" not in share_text(attempt)


def test_a_budget_is_what_counts(runner):
    assert verify(Verification(runner, goal(within=90)), [given(GOOD)]).found
    assert not verify(Verification(runner, goal(within=80)), [given(GOOD)]).found


def test_a_hopeless_policy_is_given_up_with_the_evidence(runner):
    verdict = verify(Verification(runner, goal()), [given(HOPELESS)])
    assert verdict.found is None
    outcome = verdict.attempts[0].outcomes[0]
    assert outcome.status == "pending"
    assert outcome.iterations < 96
    assert "out of reach: from 10.0" in (outcome.reason or "")
    assert "its own curve" in (verdict.evidence or "")


def test_without_early_stop_it_is_trained_to_the_end(runner):
    first = verify(Verification(runner, goal()), [given(HOPELESS)])
    assert first.attempts[0].outcomes[0].iterations < 120
    second = verify(Verification(runner, goal(early_stop=False)), [given(HOPELESS)])
    assert [outcome.status for outcome in second.attempts[0].outcomes] == ["finished"] * 3
    assert {outcome.iterations for outcome in second.attempts[0].outcomes} == {120}
    assert second.evidence is None


class Lucky(MadeUp):
    """Only seed 0 ever learns anything."""

    def __missing__(self, key):
        played = super().__missing__(key)
        if key[1] == 0:
            return played
        return Played(played.status, tuple(replace(row, metrics={"accuracy_top1": 0.1}) for row in played.rows))


def test_one_lucky_seed_is_not_enough_unless_a_share_is_asked_for(runner):
    lucky = replace(runner, table=Lucky())
    verdict = verify(Verification(lucky, goal()), [given(GOOD)])
    assert verdict.found is None
    assert verdict.attempts[0].reached == 1
    assert verdict.attempts[0].interval == pytest.approx((0.0084, 0.9057), abs=1e-4)
    assert verify(Verification(lucky, goal(share=1 / 3)), [given(GOOD)]).found


def test_a_diverged_run_has_not_reached_it(runner):
    verdict = verify(Verification(runner, goal()), [given("FIX(k0=0.2)")])
    assert verdict.found is None
    assert [outcome.status for outcome in verdict.attempts[0].outcomes] == ["diverged"] * 3
    assert verdict.attempts[0].outcomes[0].best_accuracy is None


def test_the_phases_go_on_until_one_succeeds(runner):
    asked = []

    def later(*texts):
        asked.append(texts)
        return given(*texts)[1]()

    verdict = verify(
        Verification(runner, goal()),
        [given(HOPELESS), ("database", lambda: later(SLOW, GOOD)), ("search", lambda: later("FIX(k0=0.06)"))],
    )
    assert [attempt.policy.text for attempt in verdict.attempts] == [HOPELESS, SLOW, GOOD]
    assert verdict.found is not None
    assert verdict.found.phase == "database"
    assert asked == [(SLOW, GOOD)]


def test_a_policy_is_not_tested_twice_and_an_empty_phase_is_told(runner):
    verdict = verify(
        Verification(runner, goal()), [given(HOPELESS), ("database", given(HOPELESS)[1]), ("search", given()[1])]
    )
    assert len(verdict.attempts) == 1
    assert verdict.notes == ("the search found no policy that could be trained to its end",)


def test_earlier_runs_are_evidence_where_there_are_enough(runner):
    curves = tuple(best_so_far(MadeUp()[f"FIX(k0={rate / 1000})", 0].rows) for rate in range(40, 65))
    verification = Verification(runner, goal(), (*curves, *curves))
    verdict = verify(verification, [given(HOPELESS)])
    assert "50 earlier runs of this workload" in (verdict.evidence or "")
    assert verdict.attempts[0].outcomes[0].iterations == 10
    assert verify(verification, [given(GOOD)]).found


def known(entries, **changes):
    wanted = goal(**{"target": 0.96, "within": 2000, "seeds": (0,)} | changes)
    return [(candidate.policy.text, candidate.why) for candidate in known_candidates(entries, ASKED, wanted, 3)]


def test_known_policies_of_the_workload_itself_come_first_the_surest_and_soonest_before_others():
    sure, sooner = entry("FIX(k0=0.01)"), entry("FIX(k0=0.02)", [run(0, (0.9, 0.96)), run(1, (0.9, 0.97))])
    half = entry("FIX(k0=0.03)", [run(0), run(1, (0.9, 0.95))])
    like = entry("FIX(k0=0.04)", net_sha256="c" * 64, net_name="cnn3")
    assert [text for text, _ in known([half, like, sure, sooner])] == ["FIX(k0=0.02)", "FIX(k0=0.01)", "FIX(k0=0.03)"]
    assert known([half])[0][1] == (
        "reached it with 1 of 2 seeds on: same net, same data set, same SGD, same batch size, same iterations "
        f"(entry {half.id[:8]}, test set)"
    )
    ((text, why),) = known([like])
    assert text == "FIX(k0=0.04)"
    assert "on: another net (cnn3), same data set" in why


def test_what_was_reached_after_the_budget_does_not_count_against_what_was_reached_before():
    surer = entry("FIX(k0=0.01)", [run(0, (0.9, 0.96)), run(1, (0.9, 0.95, 0.95, 0.96))])
    other = entry("FIX(k0=0.02)", [run(0, (0.9, 0.95, 0.96)), run(1, (0.9, 0.95))])
    assert [text for text, _ in known([surer, other], within=1500)] == ["FIX(k0=0.01)", "FIX(k0=0.02)"]


def test_what_was_reached_elsewhere_or_too_late_is_not_known_to_reach_it():
    assert known([entry()], target=0.98) == []
    assert known([entry()], within=1000) == []
    assert known([entry(dataset_sha256="c" * 64, dataset_name="digits", dataset_label="digits")]) == []
    assert known([entry(solver={"type": "Adam", "momentum": 0.9})]) == []


def test_a_known_policy_is_tested_at_the_rates_that_the_net_had():
    scaled = replace(entry("FIX(k0=0.01)"), lr_scale=5.0)
    assert known([scaled])[0][0] == "SCALE(factor=5, policy=FIX(k0=0.01))"
    asked = replace(ASKED, lr_scale=0.5)  # the spec's solver halves the rates of every policy
    (candidate,) = known_candidates([scaled], asked, Goal(0.96, 2000, (0,)), 3)
    assert candidate.policy.scaled(0.5).rates([0], 2000) == pytest.approx([0.05])


def test_the_search_phase_searches_for_the_fewest_iterations(runner):
    settings = runner.experiment.settings.search
    space = search_space(settings, settings.rates, runner.experiment.document)
    searching = SearchPhase(lambda: runner, lambda: space, goal())
    first = next(searching.candidates())
    assert searching.tuned is not None
    best = searching.tuned.best[0]
    assert first.policy.text == best.policy
    assert best.iterations_to_target == min(
        tried.iterations_to_target for tried in searching.tuned.tried if tried.iterations_to_target is not None
    )
    assert first.why == (
        "the best of 10 policies searched; on the test images it reached it after "
        f"{best.iterations_to_target} iterations"
    )
