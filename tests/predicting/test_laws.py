"""Laws of the loss, the convex bound and the naive prediction, against their formulas written out and known truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factories.loss_curves import LENGTH, PEAK, constant, cosine, curve, three, true_loss, wsd

from lrbench.predicting.bound import fit_bound
from lrbench.predicting.curves import Schedule
from lrbench.predicting.fitting import fit_law
from lrbench.predicting.laws import ANNEALING, LAWS, MULTI_POWER, SETTLING, Terms
from lrbench.predicting.naive import fit_naive
from lrbench.predicting.predictor import fit_predictor

STEPS = PEAK * np.where(np.arange(150) < 50, 1.0, np.where(np.arange(150) < 100, 0.5, 0.1))


def plain_noise(law, values, rates, reference, at, longest):
    """n(at) of a law, change by change, for rates that fall in steps."""
    relative = rates / reference
    power = values[1] if law is SETTLING else 1.0
    noise = relative[0] ** power
    for t in range(1, at):
        change = relative[t] ** power - relative[t - 1] ** power
        gained, pace = float(np.sum(relative[t:at] ** law.progress_power)), 0.0
        if law is SETTLING:
            pace = math.exp(values[2]) / longest
            settled = 1 - math.exp(-pace * gained * relative[t] ** -values[3])
        elif law is MULTI_POWER:
            pace = math.exp(values[1]) / longest
            settled = 1 - (1 + pace * gained * relative[t] ** -values[2]) ** -values[3]
        else:
            pace = math.exp(values[1]) / longest
            settled = 1 - math.exp(-pace * (at - t))
        noise += change * settled
    return noise


@pytest.mark.parametrize("law", LAWS, ids=[law.name for law in LAWS])
def test_the_terms_of_a_law_are_those_of_its_formula(law):
    values = np.array([0.6, 0.8, math.log(30), 0.3]) if law is SETTLING else np.array([0.6, math.log(30), 0.3, 0.7])
    values = values[: len(law.shapes)]
    at = np.array([25, 75, 125, 150])
    found = Terms(law, Schedule("steps", STEPS), at, PEAK).matrix(values, 120.0)
    for row, iterations in zip(found, at, strict=True):
        progress = float(np.sum((STEPS[:iterations] / PEAK) ** law.progress_power)) / 120
        assert row[:2] == pytest.approx([1, progress**-0.6], rel=1e-9)
        assert row[2] == pytest.approx(plain_noise(law, values, STEPS, PEAK, int(iterations), 120.0), rel=1e-9)


def test_the_law_predicts_schedules_that_it_was_not_fitted_to():
    fitted = fit_law(SETTLING, three())
    assert fitted.rms < 0.002
    for rates in (wsd(0.4), wsd(0.8), cosine(1000), constant(1000), wsd(0.2, 4000)):
        assert fitted.loss(Schedule("other", rates)) == pytest.approx(true_loss(rates, len(rates)), rel=0.01)


def test_final_losses_measured_in_another_way_give_predictions_of_that_kind():
    curves = [
        curve("constant", constant(), final=true_loss(constant(), LENGTH, 0.3)),
        curve("cosine", cosine(), final=true_loss(cosine(), LENGTH, 0.3)),
        curve("WSD 0.1", wsd(0.1), final=true_loss(wsd(0.1), LENGTH, 0.3)),
    ]
    found = fit_predictor(curves).predict([Schedule("WSD 0.4", wsd(0.4))])[0]
    assert found.loss == pytest.approx(true_loss(wsd(0.4), LENGTH, 0.3), rel=0.01)


def test_an_interval_is_wider_for_a_longer_run():
    fitted = fit_predictor(three())
    short, long = fitted.predict([Schedule("short", wsd(0.4)), Schedule("long", wsd(0.4, 4 * LENGTH))])
    assert short.half_width is not None
    assert long.half_width is not None
    assert 0.003 < short.half_width / (short.loss or 0) < long.half_width / (long.loss or 0)


def test_ranks_are_within_a_length():
    schedules = [Schedule(str(share), wsd(share)) for share in (0.2, 0.5)] + [Schedule("short", constant(1000))]
    found = fit_predictor(three()).predict(schedules)
    truth = [true_loss(schedule.rates, schedule.length) for schedule in schedules]
    assert [one.rank for one in found] == [1, 2, 1] if truth[0] < truth[1] else [2, 1, 1]


def test_the_bound_is_that_of_the_theorem():
    fitted = fit_bound(three())
    rates = cosine(200) / fitted.reference
    rates[-1] = max(rates[-1], 1e-12)
    late = sum(
        rates[k] * np.sum(rates[k:] ** 2) / (np.sum(rates[k:]) * np.sum(rates[k + 1 :])) for k in range(len(rates) - 1)
    )
    total = np.sum(rates)
    expected = fitted.coefficients @ [1, 1 / (2 * total), np.sum(rates**2) / (2 * total) + late / 2]
    assert fitted.loss(Schedule("cosine", cosine(200))) == pytest.approx(expected, rel=1e-9)
    assert (fitted.coefficients >= 0).all()


def test_the_bound_of_a_constant_rate_has_a_closed_form():
    fitted = fit_bound(three())
    harmonic = sum(1 / k for k in range(1, 100))
    expected = fitted.coefficients @ [1, 1 / 200, 1 / 2 + harmonic / 2]
    assert fitted.loss(Schedule("constant", constant(100))) == pytest.approx(expected, rel=1e-9)


def test_the_naive_prediction_is_the_constant_run_minus_the_drop_of_annealing():
    def power_law(rates, iterations):
        return 2 + 3 * iterations**-0.5 - (0.4 if rates[-1] < 0.01 else 0)

    curves = [curve("constant", constant(), power_law), curve("cosine", cosine(), power_law)]
    naive = fit_naive(curves)
    assert naive is not None
    assert naive.loss(Schedule("constant", constant(4000))) == pytest.approx(2 + 3 * 4000**-0.5, rel=1e-3)
    assert naive.loss(Schedule("WSD", wsd(0.3, 4000))) == pytest.approx(1.6 + 3 * 4000**-0.5, rel=1e-3)
    assert fit_naive(curves[1:]) is None


def test_laws_of_few_powers_know_that_annealing_lowers_the_loss():
    for law in (MULTI_POWER, ANNEALING):
        fitted = fit_law(law, three())
        assert fitted.loss(Schedule("WSD", wsd(0.3))) < fitted.loss(Schedule("constant", constant()))
