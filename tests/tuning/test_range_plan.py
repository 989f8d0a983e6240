"""Which rates a range test tries: bounds by solver, lengths by the run, and more of them where they are needed."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from lrbench.errors import SpecError
from lrbench.policies import parse_policy
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.tuning.range_test.fixed import read_fixed
from lrbench.tuning.range_test.plan import Plan, first_rates, further_rates, plan_for
from lrbench.tuning.range_test.scale import AccuracyScale
from lrbench.tuning.range_test.sweep import Fall, SweepReading

SPEC = """\
workload: {net: lenet, dataset: digits, batch_size: 32, test_batch_size: 100, iterations: 10000, test_interval: 10}
"""
PLAN = Plan(low=1e-5, high=10.0, swept=1000, sweep_interval=20, lengths=(500, 1000, 2000), rates=6, seeds=(0,))
SILENT = SweepReading((None,), None, None)


@pytest.fixture
def plan(tmp_path: Path):
    def made(*overrides: str) -> Plan:
        path = tmp_path / "trial.yaml"
        path.write_text(SPEC)
        experiment = read_experiment(path, overrides, TuningSettings)
        return plan_for(experiment, experiment.settings.solver[0])

    return made


def test_what_a_spec_leaves_open(plan):
    assert plan() == Plan(1e-5, 10.0, 1000, 20, (500, 1000, 2000), 6, (1000, 1001, 1002))


def test_before_a_search_one_seed_and_half_the_length_are_enough(tmp_path):
    def short(*overrides: str) -> Plan:
        (tmp_path / "trial.yaml").write_text(SPEC)
        experiment = read_experiment(tmp_path / "trial.yaml", overrides, TuningSettings)
        return plan_for(experiment, experiment.settings.solver[0], short=True)

    assert short() == Plan(1e-5, 10.0, 1000, 20, (500, 1000), 6, (1000,))
    given = short("range.seeds=[5, 6]", "range.lengths=[100, 300]")
    assert (given.seeds, given.lengths) == ((5, 6), (100, 300))


@pytest.mark.parametrize(
    ("iterations", "swept", "interval", "lengths"),
    [
        (300, 100, 2, (25, 50, 100)),
        (1000, 100, 2, (50, 100, 200)),
        (70_000, 2000, 40, (3500, 7000, 14_000)),
        (60, 60, 1, (15, 30, 60)),
        (10, 10, 1, (2, 4, 8)),
    ],
)
def test_how_long_by_the_run(plan, iterations, swept, interval, lengths):
    found = plan(f"workload.iterations={iterations}")
    assert (found.swept, found.sweep_interval, found.lengths) == (swept, interval, lengths)


@pytest.mark.parametrize(
    ("solver", "low", "high"),
    [
        ("{type: Nesterov}", 1e-5, 10),
        ("{type: AdaGrad}", 1e-6, 1),
        ("{type: RMSProp}", 1e-7, 0.1),
        ("{type: Adam}", 1e-7, 0.1),
        ("{type: AdaDelta}", 1e-3, 1000),
        ("{type: Adam, lr_scale: 0.01}", 1e-5, 10),
    ],
)
def test_bounds_by_solver_are_before_its_lr_scale(plan, solver, low, high):
    found = plan(f"solver={solver}")
    assert (found.low, found.high) == (low, high)


def test_what_a_spec_gives_is_taken(plan):
    found = plan("range={low: 0.001, high: 1, iterations: 200, lengths: [30, 90], rates: 3, seeds: [7]}")
    assert found == Plan(0.001, 1.0, 200, 4, (30, 90), 3, (7,))


def test_one_bound_that_does_not_fit_the_solvers_other(plan):
    with pytest.raises(SpecError) as caught:
        plan("range.low=20")
    assert str(caught.value) == (
        "--set range.low: range.low is 20, but the rates for SGD go from 20 to 10 then; give range.high, too"
    )


def test_a_sweep_goes_from_the_least_rate_to_the_largest():
    rates = parse_policy(f"EXP(k0={PLAN.low!r}, gamma={PLAN.growth!r})").rates(np.arange(1000), 1000)
    assert rates[[0, -1]] == pytest.approx([1e-5, 10], rel=1e-9)
    assert PLAN.swept_rate(0, 20) == pytest.approx(float(np.exp(np.log(rates[:20]).mean())), rel=1e-9)


def test_fixed_rates_begin_where_the_sweep_trains():
    rates = first_rates(PLAN, SweepReading((Fall(1e-3, 0.3, 0.5),), 1e-3, 0.3))
    worth = 1000 / math.log(1e6)  # iterations at its last rate that the sweep up to there is worth
    assert rates[0] == pytest.approx(1e-3 * worth / 2000, rel=0.05)
    assert rates[-1] == 0.5
    assert len(rates) == 6
    ratios = np.diff(np.log(rates))
    assert ratios == pytest.approx(ratios.mean(), rel=0.1)


def test_fixed_rates_are_all_over_the_range_where_the_sweep_says_nothing():
    assert first_rates(PLAN, SILENT) == (1e-5, 0.00016, 0.0025, 0.04, 0.63, 10)


def test_bounds_closer_than_two_digits_can_say_are_kept():
    narrow = Plan(0.0100, 0.0101, 1000, 20, (500,), 6, (0,))
    rates = first_rates(narrow, SILENT)
    assert len(set(rates)) == 6
    assert (rates[0], rates[-1]) == (0.01, 0.0101)


def search(useful, well, plan=PLAN, sweep=SILENT):
    """The rates tried in turn on a net that trains usefully from one rate and well up to another."""
    tried: tuple[float, ...] = ()
    wanted, rounds = first_rates(plan, sweep), 0
    while wanted:
        rounds += 1
        assert rounds < 20
        assert not set(wanted) & set(tried)
        tried = tuple(sorted({*tried, *wanted}))
        accuracies = [0.9 if useful <= rate <= well else 0.1 for rate in tried]
        reading = read_fixed(np.array(tried), np.array([accuracies]), AccuracyScale(10, 10_000))
        wanted = further_rates(plan, tried, reading)
    assert min(tried) >= plan.low
    assert max(tried) <= plan.high
    return reading, tried


MISLED = SweepReading((Fall(0.02, 0.05, 0.06),), 0.02, 0.05)


@pytest.mark.parametrize("sweep", [SILENT, MISLED], ids=["no sweep", "misled by the sweep"])
@pytest.mark.parametrize(("useful", "well"), list(itertools.combinations([2e-5, 3e-4, 5e-3, 0.07, 0.5, 7], 2)))
def test_the_edges_are_found_and_known_to_a_factor_whatever_the_sweep_said(sweep, useful, well):
    reading, _ = search(useful, well, sweep=sweep)
    assert reading is not None
    assert useful <= reading.least.rate <= reading.largest.rate <= well
    assert reading.least.rate / reading.least.beyond <= 2.6
    assert reading.largest.beyond / reading.largest.rate <= 2.6


def test_an_end_beyond_the_bounds_is_sought_up_to_the_bounds():
    reading, tried = search(1e-9, 1e9, sweep=MISLED)
    assert (reading.least.rate, reading.least.beyond) == (1e-5, None)
    assert (reading.largest.rate, reading.largest.beyond) == (10, None)
    assert len(tried) < 20


def test_a_net_that_never_trains_is_tried_all_over_the_range_once():
    reading, tried = search(1e9, 1e10, sweep=MISLED)
    assert reading is None
    assert (min(tried), max(tried)) == (1e-5, 10)
    assert max(np.diff(np.log10(tried))) <= math.log10(6)
    assert len(tried) < 30
