"""Reading a sweep: made-up losses whose edges are known, and all that has fooled a finder of learning rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.policies.values import FloatArray
from lrbench.tuning.range_test.sweep import Fall, read_sweep, read_sweeps, running_median

RATES = np.geomspace(1e-5, 10, 50)
UNTRAINED = 2.3
START, BREAK = 1e-3, 0.3


def loss(start: float = START, breaks: float = BREAK, lowest: float = 0.3) -> FloatArray:
    """At 2.3 up to ``start``, down to ``lowest`` over a decade, and beyond ``breaks`` up steeply."""
    fallen = np.clip(np.log10(RATES / start), 0, 1)
    risen = np.clip(np.log10(RATES / breaks), 0, None)
    return np.asarray(UNTRAINED + (lowest - UNTRAINED) * fallen + 20 * risen)


def fall_of(losses: FloatArray) -> Fall:
    fall = read_sweep(RATES, losses)
    assert fall is not None
    return fall


def near(rate: float, expected: float, factor: float) -> bool:
    return expected / factor < rate < expected * factor


def noisy(clean: FloatArray, deviation: float, seed: int) -> FloatArray:
    return clean + np.random.default_rng(seed).normal(0, deviation, clean.shape)


def test_the_edges_of_a_clean_sweep():
    fall = fall_of(loss())
    assert near(fall.start, START, 1.8)  # a tenth of the way down
    assert near(fall.end, BREAK, 1.4)
    assert fall.rises == RATES[np.searchsorted(RATES, fall.end) + 1]


@pytest.mark.parametrize("height", [5.0, 50.0, np.inf, np.nan, 0.0, -5.0])
@pytest.mark.parametrize("places", [[0], [1], [2], [4], [7], [12], [0, 1], [1, 2], [5, 6], [3, 9]])
def test_an_early_spike_changes_nothing(places, height):
    spiked = loss()
    spiked[places] = height
    assert read_sweep(RATES, spiked) == read_sweep(RATES, loss())


def test_a_long_hump_at_the_start_changes_nothing():
    humped = loss()
    humped[:6] = [9, 8, 8, 7, 6, 4]
    fall, clean = fall_of(humped), fall_of(loss())
    assert (fall.start, fall.end) == (clean.start, clean.end)


@pytest.mark.parametrize("place", [22, 24, 26, 28])
def test_a_spike_on_the_way_down_hardly_moves_the_start(place):
    spiked = loss()
    spiked[place] = 30
    assert near(fall_of(spiked).start, START, 2.5)


def test_noise_hardly_moves_the_edges():
    falls = [fall_of(noisy(loss(), 0.1, seed)) for seed in range(300)]
    good = [near(fall.start, START, 3) and near(fall.end, BREAK, 2) for fall in falls]
    assert np.mean(good) > 0.95


@pytest.mark.parametrize("deviation", [0.0, 0.001, 0.05, 0.5])
def test_noise_alone_is_no_fall(deviation):
    flat = np.full(50, UNTRAINED)
    found = [read_sweep(RATES, noisy(flat, deviation, seed)) is not None for seed in range(500)]
    assert np.mean(found) <= 0.01


def test_a_sweep_that_never_diverges_is_open_at_its_end():
    fall = fall_of(loss(breaks=1e9))
    assert (fall.end, fall.rises) == (RATES[-1], None)


def test_a_net_that_never_trains_but_breaks_has_no_edges():
    assert read_sweep(RATES, loss(start=1e9)) is None
    assert read_sweep(RATES, np.full(50, np.nan)) is None
    assert read_sweep(RATES, np.where(RATES < 0.1, UNTRAINED, np.nan)) is None


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_not_finite_is_beyond_the_end(broken):
    torn = np.where(RATES > 0.05, broken, loss(breaks=1e9))
    fall = fall_of(torn)
    assert fall.end == RATES[RATES <= 0.05][-1]
    assert fall.rises == RATES[RATES > 0.05][0]


def test_of_several_seeds_the_median_counts_and_each_is_kept():
    reading = read_sweeps(RATES, [loss(1e-3, 0.1), loss(3e-3, 0.3), loss(1e-2, 1.0)])
    first, middle, last = reading.falls
    assert first
    assert middle
    assert last
    assert reading.end is not None
    assert (reading.start, reading.end) == (middle.start, middle.end)
    assert first.end < reading.end < last.end
    assert reading.rises == last.rises


def test_the_edges_of_an_even_number_of_seeds_were_tried():
    reading = read_sweeps(RATES, [loss(1e-3, 0.1), loss(1e-2, 1.0)])
    assert reading.falls[0] is not None
    assert reading.start == reading.falls[0].start
    assert reading.end in RATES


def test_one_of_three_seeds_without_a_fall_is_outvoted_two_are_not():
    flat = np.full(50, UNTRAINED)
    assert read_sweeps(RATES, [loss(), flat, loss()]).start == fall_of(loss()).start
    silent = read_sweeps(RATES, [flat, flat, loss()])
    assert (silent.start, silent.end, len(silent.known)) == (None, None, 1)


def test_one_seed_that_never_rose_leaves_the_end_open():
    assert read_sweeps(RATES, [loss(), loss(breaks=1e9)]).rises is None


@given(st.lists(st.one_of(st.floats(0, 1e30), st.just(float("nan")), st.just(float("inf"))), min_size=2, max_size=60))
def test_edges_are_rates_that_were_tried_in_order(values):
    rates = np.geomspace(1e-5, 10, len(values))
    fall = read_sweep(rates, np.array(values))
    if fall is not None:
        assert fall.start in rates
        assert fall.end in rates
        assert fall.start <= fall.end
        assert fall.rises is None or fall.rises > fall.end


@pytest.mark.parametrize(
    ("values", "medians"),
    [
        ([1, 100, 2, 3, 4, 5], [3, 3, 3, 4, 4, 4]),
        ([1, 100, 2, 3], [2, 2, 3, 3]),
        ([5, 1], [5, 1]),
        ([7], [7]),
    ],
)
def test_the_running_median(values, medians):
    assert running_median(np.array(values, dtype=float)).tolist() == medians
