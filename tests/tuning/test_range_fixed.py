"""Reading runs at fixed rates: made-up accuracies whose edges are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.metrics.objective import Objective
from lrbench.policies.values import FloatArray
from lrbench.tuning.range_test.fixed import FixedReading, mean_values, read_fixed
from lrbench.tuning.range_test.scale import AccuracyScale, MetricScale, Scale, metric_scale

RATES = np.array([1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 1.0])
MANY = AccuracyScale(classes=10, images=10_000)
NAN = np.nan


def table(*rows):
    return np.array(rows, dtype=float)


def reading_of(accuracies: FloatArray, judged: Scale = MANY) -> FixedReading:
    reading = read_fixed(RATES, accuracies, judged)
    assert reading is not None
    return reading


def test_the_edges_and_their_neighbours():
    reading = reading_of(table([0.12, 0.7, 0.85, 0.9, 0.89, 0.3]))
    assert (reading.least.rate, reading.least.beyond) == (1e-2, 1e-3)  # 0.1 + 80 % of 0.8 is 0.74
    assert (reading.largest.rate, reading.largest.beyond) == (1e-1, 1.0)
    assert (reading.best, reading.accuracy) == (3e-2, 0.9)


def test_usefully_is_four_fifths_of_the_best_gain_over_chance():
    assert reading_of(table([0.1, 0.739, 0.9, 0.1, 0.1, 0.1])).least.rate == 1e-2
    assert reading_of(table([0.1, 0.741, 0.9, 0.1, 0.1, 0.1])).least.rate == 1e-3


def test_well_is_a_twentieth_of_the_best_gain_or_two_standard_errors_behind():
    assert MANY.tolerance(0.9) == pytest.approx(0.04)
    few = AccuracyScale(classes=10, images=100)
    assert few.tolerance(0.9) == pytest.approx(2 * 0.03)
    close = table([0.1, 0.1, 0.9, 0.85, 0.1, 0.1])
    assert reading_of(close).largest.rate == 1e-2
    assert reading_of(close, few).largest.rate == 3e-2


def test_a_rate_at_which_one_seed_diverged_does_not_train_well():
    reading = reading_of(table([0.1, 0.8, 0.9, 0.9, 0.9, NAN], [0.1, 0.8, 0.9, 0.9, NAN, NAN]))
    assert (reading.largest.rate, reading.largest.beyond) == (3e-2, 1e-1)
    assert reading.largest.seeds == (1e-1, 3e-2)
    assert reading.largest.spread == (3e-2, 1e-1)


def test_a_seed_that_never_trained_says_nothing_and_pulls_the_mean():
    reading = reading_of(table([0.1, 0.8, 0.9, 0.9, 0.2, 0.1], [0.1] * 6))
    assert reading.least.seeds == (1e-3, None)
    assert reading.accuracy == pytest.approx(0.5)


@pytest.mark.parametrize("accuracies", [[0.1] * 6, [0.1, 0.115, 0.09, 0.1, 0.11, 0.1], [NAN] * 6, [0.0] * 6])
def test_no_edges_where_nothing_trained(accuracies):
    assert read_fixed(RATES, table(accuracies, accuracies), MANY) is None


def test_luck_on_few_images_is_no_training():
    few = AccuracyScale(classes=10, images=200)
    rng = np.random.default_rng(0)
    found = [read_fixed(RATES, rng.binomial(200, 0.1, (3, 6)) / 200, few) is not None for _ in range(500)]
    assert not any(found)


def test_ends_that_were_not_reached_have_no_neighbour():
    reading = reading_of(table([0.9, 0.9, 0.9, 0.9, 0.9, 0.9]))
    assert (reading.least.rate, reading.least.beyond) == (1e-4, None)
    assert (reading.largest.rate, reading.largest.beyond) == (1.0, None)


def test_a_gap_ends_the_range():
    assert reading_of(table([0.88, 0.3, 0.9, 0.9, 0.2, 0.89])).least.rate == 1e-2
    assert reading_of(table([0.88, 0.3, 0.9, 0.9, 0.2, 0.89])).largest.rate == 3e-2


def test_two_classes_have_chance_at_a_half():
    two = AccuracyScale(classes=2, images=10_000)
    assert read_fixed(RATES, table([0.5, 0.505, 0.51, 0.5, 0.5, 0.5]), two) is None
    assert reading_of(table([0.5, 0.6, 0.95, 0.5, 0.5, 0.5]), two).best == 1e-2


def test_means_over_seeds():
    means = mean_values(table([0.2, NAN], [0.4, 0.9]), MANY)
    assert means == pytest.approx([0.3, 0.1])


LOSS = MetricScale(Objective("test_loss", "minimize"), 2.3, untrained_error=0.0, best_error=0.0)


def test_losses_are_better_low_and_gains_are_counted_from_the_value_before_training():
    reading = reading_of(table([2.29, 0.8, 0.5, 0.3, 0.39, 5e9]), LOSS)
    assert (reading.best, reading.accuracy) == (3e-2, 0.3)
    assert (reading.least.rate, reading.least.beyond) == (1e-2, 1e-3)  # 2.3 - 80 % of 2.0 is 0.7
    assert (reading.largest.rate, reading.largest.beyond) == (1e-1, 1.0)  # 5 % of 2.0 is 0.1


def test_the_same_values_the_other_way_round_give_the_same_edges():
    falling = table([2.29, 0.8, 0.5, 0.3, 0.39, NAN])
    score = MetricScale(Objective("score", "maximize"), -2.3, untrained_error=0.0, best_error=0.0)
    low, high = reading_of(falling, LOSS), reading_of(-falling, score)
    assert (low.least, low.largest, low.best) == (high.least, high.largest, high.best)


def test_a_metric_that_is_within_its_noise_or_not_known_before_training_has_no_range():
    assert read_fixed(RATES, table([2.3, 2.29, 2.27, 2.26, 2.3, NAN]), LOSS) is None
    noisy = MetricScale(LOSS.objective, 2.3, untrained_error=1.0, best_error=0.0)
    assert read_fixed(RATES, table([2.3, 2.2, 1.0, 0.3, 2.3, NAN]), noisy) is None
    unknown = MetricScale(LOSS.objective, NAN, untrained_error=0.0, best_error=0.0)
    assert read_fixed(RATES, table([2.3, 2.2, 1.0, 0.3, 2.3, NAN]), unknown) is None


def test_the_scale_of_a_metric_is_measured_over_the_seeds():
    swept = table([2.2, 1.0], [2.4, 1.0])
    values = table([0.5, 0.2, NAN], [0.5, 0.4, 0.1])
    scale = metric_scale(LOSS.objective, swept, values)
    assert scale.untrained == pytest.approx(2.3)
    assert scale.untrained_error == pytest.approx(0.1)
    assert scale.best_error == pytest.approx(0.1)
    assert scale.tolerance(0.3) == pytest.approx(0.2)
    alone = metric_scale(LOSS.objective, swept[:1], values[:1])
    assert (alone.untrained_error, alone.best_error) == (0, 0)


@given(st.integers(1, 4), st.integers(1, 12), st.data())
def test_edges_are_rates_that_were_tried_in_order(seeds, count, data):
    value = st.one_of(st.floats(0, 1), st.just(float("nan")))
    rows = [data.draw(st.lists(value, min_size=count, max_size=count)) for _ in range(seeds)]
    rates = np.geomspace(1e-5, 10, count)
    reading = read_fixed(rates, np.array(rows), MANY)
    if reading is not None:
        assert reading.least.rate <= reading.best <= reading.largest.rate
        assert {reading.least.rate, reading.largest.rate, reading.best} <= set(rates)
        for edge in (reading.least, reading.largest):
            assert all(rate is None or rate in rates for rate in edge.seeds)
