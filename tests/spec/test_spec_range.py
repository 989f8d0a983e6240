"""The section ``range`` of a spec: what is refused, in one line."""

from __future__ import annotations

import pytest


def test_all_of_it_may_be_left_out_or_given(spec):
    settings = spec.read().settings.range
    assert (settings.low, settings.high, settings.iterations, settings.lengths) == (None, None, None, None)
    assert (settings.rates, settings.seeds) == (6, [1000, 1001, 1002])
    given = spec.more("range: {low: 1e-4, high: 1, iterations: 50, lengths: [10, 20, 40], rates: 5, seeds: [0]}")
    assert given.read().settings.range.lengths == [10, 20, 40]
    assert spec.more("range: {seeds: 2}").read().settings.range.seeds == [1000, 1001]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("low: 1, high: 0.1", "range.high is 0.1, not above the 1 of range.low; increase it, or decrease range.low"),
        ("low: 1, high: 1", "range.high is 1, not above the 1 of range.low; increase it, or decrease range.low"),
        ("low: 0", "range.low is 0, but must be above 0; for example low: 1e-5"),
        ("low: -1", "range.low is -1, but must be above 0; for example low: 1e-5"),
        ("high: .inf", "range.high is inf, but must be finite; for example high: 10"),
        ("high: .nan", "range.high is nan, but must be finite; for example high: 10"),
        ("high: '1'", "range.high is '1', but must be a number; for example high: 10"),
        ("iterations: 19", "range.iterations is 19, but must be at least 20; for example iterations: 1000"),
        (
            "iterations: 101",
            "range.iterations is 101, more than the 100 iterations of a run; shorten it, or raise workload.iterations",
        ),
        (
            "lengths: [50, 150]",
            "range.lengths is 150, more than the 100 iterations of a run; shorten it, or raise workload.iterations",
        ),
        (
            "lengths: []",
            "range.lengths is an empty list, but must be a list of at least 1; for example lengths: [500, 1000, 2000]",
        ),
        ("lengths: [0]", "range.lengths.0 is 0, but must be at least 1; for example lengths: [500, 1000, 2000]"),
        (
            "lengths: [20, 50]",
            "range.lengths.1 is 50, which is not an increasing multiple of the first, 20; for example [20, 40, 80]",
        ),
        (
            "lengths: [20, 40, 40]",
            "range.lengths.2 is 40, which is not an increasing multiple of the first, 20; for example [20, 40, 80]",
        ),
        ("rates: 2", "range.rates is 2, but must be at least 3; for example rates: 6"),
        ("seeds: []", "range.seeds is an empty list, but must be a list of at least 1; for example seeds: [0, 1, 2]"),
        (
            "seeds: 0",
            "range.seeds is 0, but must be a list, or a count from 1 to 100,000; for example seeds: [0, 1, 2]",
        ),
        ("seeds: [3, 3]", "range.seeds.1 is 3, which is already in the list; remove one"),
        ("hgih: 1", "unknown key 'range.hgih'; did you mean high?"),
    ],
)
def test_what_is_refused(spec, line, message):
    assert spec.more(f"range: {{{line}}}\n").refusal() == f"trial.yaml:14: {message}"
