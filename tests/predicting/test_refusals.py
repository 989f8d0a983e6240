"""Curves that cannot be fitted, and policies that they say nothing about."""

from __future__ import annotations

import numpy as np
import pytest
from factories.loss_curves import LENGTH, PEAK, constant, cosine, curve, three, true_loss, wsd

from lrbench.errors import ResultsError
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.predictor import fit_predictor
from lrbench.predicting.refusals import check_curves, why_not


def refusal(curves: list[Curve]) -> str:
    with pytest.raises(ResultsError) as raised:
        fit_predictor(curves)
    return str(raised.value)


def changed(losses: object = None, upto: int = 20) -> Curve:
    """The cosine run with other losses, or with the first of its measurements alone."""
    whole = curve("cosine", cosine())
    values = whole.losses if losses is None else np.asarray(losses, dtype=np.float64)
    return Curve(whole.schedule, whole.iterations[:upto], values[:upto])


def test_a_diverged_run():
    losses = np.append(np.linspace(3, 2, 19), np.nan)
    assert refusal([*three()[:1], changed(losses)]) == (
        "cosine: the run diverged, and no law holds for it; leave the run out"
    )


def test_a_run_that_was_cut_off_while_annealing():
    message = refusal([three()[0], three()[2], changed(upto=12)])
    assert message.startswith("cosine: is cut off: its losses end at iteration 1,200 of 2,000; ")


def test_a_net_that_overfits():
    losses = np.concatenate([np.linspace(3, 2, 10), np.linspace(2.01, 2.4, 10)])
    assert "its loss rises by 15% from iteration 1,100 on, as of a net that over-fits" in refusal(
        [*three(), changed(losses)]
    )


def test_a_loss_that_rises_with_the_rate_is_no_overfitting():
    rising = PEAK * np.where(np.arange(LENGTH) < 1000, 0.3, 1.0)
    check_curves([*three(), curve("up", rising, lambda rates, t: true_loss(rates, t) + (0.4 if t > 1000 else 0))])


def test_fewer_than_three_curves():
    assert refusal(three()[:2]).startswith("there are 2 curves to fit, but laws of the loss need at least 3; train a ")


@pytest.mark.parametrize(
    "curves",
    [
        [curve("a", constant()), curve("b", constant(1000)), curve("c", cosine())],
        [curve("a", constant()), curve("b", cosine()), curve("c", cosine())],
    ],
    ids=["one annealed", "one shape twice"],
)
def test_curves_that_do_not_say_how_long_annealing_takes(curves):
    assert (
        "no two of the 3 curves are annealed in different shapes, so that the time that annealing takes is unknown; "
        in refusal(curves)
    )


def test_a_bad_fit_of_few_curves_and_of_five():
    noise = np.random.default_rng(0)

    def rough(rates, iterations):
        return true_loss(rates, iterations) * (1 + 0.05 * noise.standard_normal() ** 2) - iterations / 4000

    shapes = [constant(), cosine(), wsd(0.1), wsd(0.5), cosine(1000)]
    curves = [curve(str(number), rates, rough) for number, rates in enumerate(shapes)]
    assert "ranks alone need 5 curves" in refusal(curves[:4])
    found = fit_predictor(curves).predict([Schedule("x", wsd(0.3)), Schedule("y", wsd(0.8))])
    assert sorted(one.rank or 0 for one in found) == [1, 2]
    assert [one.loss for one in found] == [None, None]


def test_a_fit_that_is_too_bad_even_for_ranks():
    noise = np.random.default_rng(0)

    def rough(rates, iterations):
        return true_loss(rates, iterations) * (1 + 0.3 * noise.standard_normal() ** 2) - iterations / 4000

    shapes = [constant(), cosine(), wsd(0.1), wsd(0.5), cosine(1000)]
    message = refusal([curve(str(number), rates, rough) for number, rates in enumerate(shapes)])
    assert "only, which is too bad even for ranks (13% at most); search with lrbench tune" in message


REFUSED = [
    (2 * cosine(), "its peak rate of 0.2 is outside those fitted, 0.1 to 0.1"),
    (cosine() / 2, "its peak rate of 0.05 is outside those fitted, 0.1 to 0.1"),
    (wsd(0.1, 4 * LENGTH + 20), "has 8,020 iterations, more than 4 times those of the longest fitted run"),
    (wsd(0.1, 80), "ends after 80 iterations, before what is fitted of the curves"),
    (cosine(4000)[:LENGTH], "its annealing is cut off: the rate ends at 50% of its peak, still falling"),
]


@pytest.mark.parametrize(("rates", "reason"), REFUSED, ids=["high", "low", "long", "short", "cut off"])
def test_policies_that_the_curves_say_nothing_about(rates, reason):
    assert why_not(Schedule("x", rates), three()) == reason


def test_a_rate_that_stays_high_for_longer_than_any_fitted_run():
    curves = [curve("a", constant() / 2), curve("b", cosine()), curve("c", wsd(0.5))]
    reason = why_not(Schedule("x", constant()), curves)
    assert reason == (
        "keeps rates of 0.095 or more for 2,000 iterations, longer than any fitted run, of which the longest did so for "
        "1,051"
    )
    assert why_not(Schedule("x", wsd(0.5)), curves) is None


@pytest.mark.parametrize("rates", [wsd(0.3), constant(4000), cosine(1000), wsd(0.9, 8000)])
def test_what_is_predicted(rates):
    assert why_not(Schedule("x", rates), three()) is None
