"""The sentences of a range test, word for word: each says its numbers, and how sure it is."""

from __future__ import annotations

from lrbench.metrics.objective import Objective
from lrbench.tuning.range_test.fixed import Edge, FixedReading
from lrbench.tuning.range_test.plan import Plan
from lrbench.tuning.range_test.result import curve_of, reasons
from lrbench.tuning.range_test.scale import AccuracyScale, MetricScale
from lrbench.tuning.range_test.sweep import Fall, SweepReading

PLAN = Plan(low=1e-5, high=10.0, swept=1000, sweep_interval=20, lengths=(500, 2000), rates=6, seeds=(0, 1, 2))
SCALE = AccuracyScale(classes=10, images=1000)
SWEEP = SweepReading((Fall(0.002, 0.1, 0.13), Fall(0.003, 0.1, 0.13), None), 0.002, 0.1)
LEAST = Edge(0.001, 0.0005, (0.001, 0.002, 0.001))
LARGEST = Edge(0.05, 0.12, (0.05, 0.05, 0.05))


def reading(least: Edge = LEAST, largest: Edge = LARGEST) -> FixedReading:
    return FixedReading(least, largest, 0.02, 0.9)


def said(last: FixedReading | None, first: FixedReading | None = None, sweep: SweepReading = SWEEP) -> tuple[str, ...]:
    return reasons(PLAN, SCALE, sweep, {500: first, 2000: last})


def test_edges_with_their_neighbours_and_seeds():
    assert said(reading()) == (
        "k1 = 0.05 is the largest rate that trains well: after 2000 iterations at most 4.0% behind the best, 90.0% at "
        "0.02; not so 0.12, the next tried, all seeds say 0.05",
        "a search goes up to 0.12, the next rate tried: a policy that warms up or decays may have a higher peak than a "
        "rate that is constant from the start",
        "k0 = 0.001 is the least rate that trains usefully: 80% of the best gain over chance (10.0%), or more; not so "
        "0.0005, the next tried, by seed 0.001 to 0.002",
        "sweep: the loss falls from 0.002 (0.002 to 0.003 over the seeds) on, is low up to 0.1, and rises beyond; "
        "no fall in 1 of 3 seeds",
    )


def test_ends_that_are_open_say_what_to_set():
    found = said(reading(Edge(1e-5, None, (1e-5, None)), Edge(10.0, None, (10.0, 10.0))))
    assert found[0].endswith("; all seeds say 10")
    assert found[1] == (
        "no rate was too high: k1 is only known to be at least 10; to see where it ends, set range.high=100"
    )
    assert found[2].endswith("; all seeds say 1e-05 (1 of 2 say nothing)")
    assert found[3] == (
        "no rate was too low: k0 is only known to be at most 1e-05; to see where it ends, set range.low=1e-06"
    )


def test_one_seed_knows_nothing_of_chance():
    assert "one seed, so nothing is known of chance" in said(reading(largest=Edge(0.05, 0.12, (0.05,))))[0]


def test_a_single_rate():
    alone = Edge(0.05, 0.02, (0.05,))
    assert "k0 = 0.02 is the next lower rate that was tried: it trains less than usefully" in said(reading(least=alone))
    lowest = reading(Edge(1e-5, None, (1e-5,)), Edge(1e-5, 2e-5, (1e-5,)))
    assert "a single rate, the lowest tried, is no range: set range.low=1e-07" in said(lowest)


def test_nothing_trained():
    assert said(None, sweep=SweepReading((None, None), None, None)) == (
        "none of the rates tried, 1e-05 to 10, trained beyond chance (10.0%, and 2.8% for luck) in 2000 iterations: "
        "raise range.lengths, or see whether the net trains at all",
        "sweep: the loss does not fall by more than chance makes it, in 1000 iterations from 1e-05 to 10",
    )


def test_a_sweep_that_never_rose_in_all_or_some_seeds():
    never, once = Fall(0.002, 10.0, None), Fall(0.002, 0.1, 0.13)
    assert said(reading(), sweep=SweepReading((never, never), 0.002, 10.0))[3] == (
        "sweep: the loss falls from 0.002 on, is low up to 10, and does not rise up to there, the end of the sweep"
    )
    assert said(reading(), sweep=SweepReading((never, once), 0.002, 0.1))[3].endswith(
        "is low up to 0.1 (0.1 to 10 over the seeds), and rises beyond in 1 of 2 seeds"
    )


def test_where_sweep_and_fixed_rates_part():
    low = SweepReading((Fall(0.001, 0.01, 0.013),), 0.001, 0.01)
    assert "the sweep had the loss rise beyond 0.01, but runs at fixed rates train well above it: they decide" in said(
        reading(), sweep=low
    )
    high = SweepReading((Fall(0.001, 0.5, 0.6),), 0.001, 0.5)
    assert (
        "the sweep had the loss low up to 0.5, but runs at fixed rates, untrained when they meet it, do worse from "
        "much lower on: they decide" in said(reading(), sweep=high)
    )
    disagree = "the sweep and the runs at fixed rates disagree on whether the net trains; the latter decide"
    assert disagree in said(None)
    assert disagree in said(reading(), sweep=SweepReading((None,), None, None))


def test_what_longer_runs_change():
    shorter = reading(Edge(0.004, 0.002, (0.004,)), Edge(0.12, 0.3, (0.12,)))
    assert said(reading(), shorter)[-1] == (
        "from 500 to 2000 iterations k0 and k1 fell: for longer runs they may lie lower still"
    )
    assert said(reading(), reading(Edge(0.004, 0.002, (0.004,))))[-1] == (
        "from 500 to 2000 iterations k0 fell: for longer runs it may lie lower still"
    )
    assert not any("iterations k0" in reason for reason in said(reading(), reading()))


def test_any_metric_is_named_with_its_value_before_training():
    perplexity = Objective("perplexity", "minimize")
    scale = MetricScale(perplexity, 64.0, untrained_error=0.5, best_error=0.25)
    found = reasons(
        PLAN, scale, SWEEP, {500: None, 2000: FixedReading(LEAST, LARGEST, 0.02, 8.0)}, curve_of(perplexity)
    )
    assert found == (
        "k1 = 0.05 is the largest rate that trains well: after 2000 iterations at most 2.8 behind the best, 8 at "
        "0.02; not so 0.12, the next tried, all seeds say 0.05",
        "a search goes up to 0.12, the next rate tried: a policy that warms up or decays may have a higher peak than a "
        "rate that is constant from the start",
        "k0 = 0.001 is the least rate that trains usefully: 80% of the best change of the perplexity from 64, its value "
        "before training, or more; not so 0.0005, the next tried, by seed 0.001 to 0.002",
        "sweep: the perplexity falls from 0.002 (0.002 to 0.003 over the seeds) on, is low up to 0.1, and rises beyond; "
        "no fall in 1 of 3 seeds",
    )
    assert reasons(PLAN, scale, SWEEP, {500: None, 2000: None})[0] == (
        "none of the rates tried, 1e-05 to 10, lowered the perplexity by more than 1.5 from 64, its value before "
        "training, in 2000 iterations: raise range.lengths, or see whether the net trains at all"
    )
