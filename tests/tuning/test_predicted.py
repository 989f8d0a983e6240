"""Proposals of a search by predicted losses: when they are made, of which policies, and the same for the same trials."""

from __future__ import annotations

from typing import Any

import pytest
from factories.made_up_runs import made_up_runner
from factories.search_table import SearchTable
from optuna.trial import FrozenTrial
from pydantic import ValidationError

import lrbench.tuning.predicted
from lrbench.errors import ResultsError
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.policies.table import MODERN
from lrbench.predicting.predictor import fit_ranker
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.predicted import EVERY, FEWEST_CURVES, PredictedProposals
from lrbench.tuning.space import search_space
from lrbench.tuning.trials import OUTCOME, proposal_of
from lrbench.tuning.tune import search, with_defaults

TEST_LOSS = Objective("test_loss", "minimize")


@pytest.fixture(scope="module")
def table(repository):
    return SearchTable.read(repository / "tests/data_files/mnist_lenet.json.gz")


@pytest.mark.parametrize(
    ("given", "objective", "pruner", "predictions"),
    [
        ({}, TEST_LOSS, "none", True),
        ({"sampler": "random"}, TEST_LOSS, "none", False),
        ({"by": "iterations"}, TEST_LOSS, "median", False),
        ({}, Objective("test_loss", "minimize", "best"), "median", False),
        ({}, Objective("perplexity", "minimize"), "none", False),
        ({}, ACCURACY, "none", True),
        ({}, Objective("accuracy", "maximize", "best"), "none", True),
        ({"predictions": False}, Objective("accuracy", "maximize", "best"), "median", False),
        ({"pruner": "hyperband", "predictions": False}, TEST_LOSS, "hyperband", False),
        ({"predictions": True}, ACCURACY, "none", True),
    ],
)
def test_what_a_search_does_unless_told_follows_from_its_objective(given, objective, pruner, predictions):
    settings = with_defaults(SearchSettings(**given), objective)
    assert (settings.pruner, settings.predictions) == (pruner, predictions)


@pytest.mark.parametrize("sampler", ["grid", "quasi-random"])
def test_samplers_that_propose_fixed_points_exclude_predictions(sampler):
    with pytest.raises(ValidationError, match=f"excludes the sampler {sampler}"):
        SearchSettings(sampler=sampler, predictions=True)


class Recorded:
    """The proposals of a search, with what was known when each was made."""

    def __init__(self, monkeypatch):
        self.calls: list[tuple[list[FrozenTrial], dict[str, Any] | None]] = []
        point = PredictedProposals.point

        def recorded(proposals, trials, most_parts):
            found = point(proposals, trials, most_parts)
            self.calls.append((list(trials), found))
            return found

        monkeypatch.setattr(PredictedProposals, "point", recorded)


def test_from_six_trained_policies_on_two_of_three_are_predicted_and_none_twice(table, digits, tmp_path, monkeypatch):
    recorded = Recorded(monkeypatch)
    found = table.search(digits, tmp_path / "once", 0.05, 0)
    for trials, point in recorded.calls:
        proposed = sum(bool(proposal_of(trial)) for trial in trials)
        finished = sum(trial.user_attrs.get(OUTCOME, {}).get("status") == "finished" for trial in trials)
        assert (point is not None) == (proposed % EVERY > 0 and finished >= FEWEST_CURVES)
    assert sum(point is not None for _, point in recorded.calls) >= 4
    policies = [proposal_of(trial)["policy"] for trial in recorded.calls[-1][0] if proposal_of(trial)]
    assert len(policies) == len(set(policies)) == found.tried - 1
    assert found.iterations <= 0.05 * table.exhaustive
    assert sum(mean < found.loss for mean in table.means.values()) < 0.01 * len({policy for policy, _ in table.runs})
    first = [point for _, point in recorded.calls]
    recorded.calls.clear()
    assert table.search(digits, tmp_path / "again", 0.05, 0) == found
    assert [point for _, point in recorded.calls] == first


def test_curves_that_cannot_be_fitted_leave_the_proposals_to_the_sampler(table, digits, tmp_path, monkeypatch):
    def refused(curves, others):
        raise ResultsError("no two of the curves are annealed in different shapes")

    recorded = Recorded(monkeypatch)
    monkeypatch.setattr(lrbench.tuning.predicted, "fit_ranker", refused)
    found = table.search(digits, tmp_path, 0.03, 0)
    assert found.tried > FEWEST_CURVES
    assert all(point is None for _, point in recorded.calls)


def test_by_accuracy_the_error_rates_are_predicted(table, digits, tmp_path, monkeypatch):
    fitted = []

    def fit(curves, others):
        fitted.extend(curves)
        return fit_ranker(curves, others)

    monkeypatch.setattr(lrbench.tuning.predicted, "fit_ranker", fit)
    recorded = Recorded(monkeypatch)
    table.search(digits, tmp_path, 0.04, 0, metric="accuracy")
    assert sum(point is not None for _, point in recorded.calls) >= 3
    for curve in fitted:
        rows = table.runs[curve.name, 0].rows
        assert curve.losses == pytest.approx([1 - row.metrics["accuracy_top1"] for row in rows])


def test_in_a_small_budget_only_todays_schedules_are_predicted(tmp_path, digits, monkeypatch):
    recorded = Recorded(monkeypatch)
    runner = made_up_runner(tmp_path, digits, "rates: [0.01, 0.1]\ntrials: 12")
    settings = runner.experiment.settings.search
    result = search(runner, search_space(settings, settings.rates, runner.experiment.document))
    assert sum(point is not None for _, point in recorded.calls) >= 2
    assert {tried.function for tried in result.tried} <= set(MODERN)
